/** One input for each kind of setting. */

import {
  addIcon,
  Button,
  closeIcon,
  HTMLSelect,
  InputGroup
} from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { IField } from '../api/types';
import { CommandIDs } from '../commandids';
import type { Folders } from '../models/folders';
import type { IMountInput, InputValue } from '../models/form';
import { labelOf } from '../models/form';
import { trans } from '../trans';
import { stripControls } from '../ui/format';
import { CommandButton, useModels } from './components';

/** The properties of an input. */
export interface IInputProps {
  readonly id: string;
  readonly field: IField;
  readonly input: InputValue;
  readonly disabled: boolean;
  readonly invalid: boolean;
  readonly describedBy: string;
  /** Values to suggest. */
  readonly suggestions: readonly string[];
  readonly commands: CommandRegistry;
  /** Completes the paths of mounts, which are relative to this notebook. */
  readonly folders: Folders;
  readonly notebook: string;
  readonly onChange: (input: InputValue) => void;
}

/** The placeholder of an empty input. */
function placeholderOf({ key }: IField): string | undefined {
  const known: Record<string, string> = {
    cpus: trans.__('not set'),
    devices: 'nvidia.com/gpu=all',
    engine: trans.__('first that works'),
    env: 'NAME',
    hostname: trans.__('the engine’s choice'),
    image: 'name:tag',
    kernel: trans.__('the image’s Python'),
    memory: trans.__('not set'),
    pids: trans.__('not set'),
    ports: trans.__('8888 or 8080:80'),
    shm: trans.__('by memory'),
    slurm: 'partition'
  };
  return known[key];
}

/** The properties that all inputs share. */
function sharedProps(props: IInputProps) {
  return {
    disabled: props.disabled,
    'aria-invalid': props.invalid,
    'aria-describedby': props.describedBy
  };
}

function Text(props: IInputProps): React.JSX.Element {
  const { field, id, input, suggestions, onChange } = props;
  const numeric = field.kind === 'number' || field.kind === 'count';
  return (
    <>
      <InputGroup
        {...sharedProps(props)}
        id={id}
        value={input as string}
        placeholder={
          placeholderOf(field) ??
          (typeof field.default === 'string'
            ? stripControls(field.default)
            : '')
        }
        list={suggestions.length ? `${id}-list` : undefined}
        inputMode={numeric ? 'decimal' : 'text'}
        autoComplete="off"
        spellCheck={false}
        onChange={event => onChange(event.target.value)}
      />
      <Suggestions {...props} />
    </>
  );
}

function Suggestions(props: IInputProps): React.JSX.Element | null {
  const { id, suggestions } = props;
  return suggestions.length ? (
    <datalist id={`${id}-list`}>
      {suggestions.map(value => (
        <option key={value} value={value} />
      ))}
    </datalist>
  ) : null;
}

function Choice(props: IInputProps): React.JSX.Element {
  const { field, id, input, onChange } = props;
  const chosen = input as string;
  const choices = field.choices.includes(chosen)
    ? field.choices
    : [...field.choices, chosen];
  return (
    <HTMLSelect
      {...sharedProps(props)}
      id={id}
      value={chosen}
      onChange={event => onChange(event.target.value)}
    >
      {choices.map(choice => (
        <option key={choice} value={choice}>
          {stripControls(choice)}
        </option>
      ))}
    </HTMLSelect>
  );
}

function Flag(props: IInputProps): React.JSX.Element {
  const { id, input, onChange } = props;
  return (
    <span className="jp-Containers-flag">
      <input
        {...sharedProps(props)}
        id={id}
        type="checkbox"
        role="switch"
        className="jp-mod-styled"
        checked={input === true}
        onChange={event => onChange(event.target.checked)}
      />
      <span aria-hidden="true">
        {input === true ? trans.__('yes') : trans.__('no')}
      </span>
    </span>
  );
}

interface IRowsProps<T> {
  readonly input: IInputProps;
  readonly items: readonly T[];
  readonly empty: T;
  /** The word for an item, such as `mount`. */
  readonly word: string;
  readonly renderItem: (
    item: T,
    name: (what: string) => string,
    change: (item: T) => void,
    index: number
  ) => React.ReactNode;
}

function RemoveButton(props: {
  readonly word: string;
  readonly label: string;
  readonly onClick: () => void;
}): React.JSX.Element {
  return (
    <Button
      type="button"
      className="jp-Containers-button jp-mod-icon"
      minimal
      small
      title={trans.__('Remove %1', props.word)}
      aria-label={props.label}
      onClick={props.onClick}
    >
      <closeIcon.react tag="span" width="16px" height="16px" />
    </Button>
  );
}

/** A list of inputs, with buttons to remove and to add one. */
function Rows<T>(props: IRowsProps<T>): React.JSX.Element {
  const { input, renderItem, empty, items, word } = props;
  const group = React.useRef<HTMLDivElement>(null);
  const change = (next: readonly T[]) => input.onChange(next as InputValue);
  const focus = (selector: string) =>
    // After React has rendered the change.
    setTimeout(() => {
      const found = group.current?.querySelectorAll<HTMLElement>(selector);
      found?.[found.length - 1]?.focus();
    });
  return (
    <div
      ref={group}
      className="jp-Containers-items"
      role="group"
      aria-labelledby={`${input.id}-label`}
      aria-describedby={input.describedBy}
    >
      {items.map((item, index) => {
        const name = (what: string) => `${what} ${String(index + 1)}`;
        return (
          <div key={index} className={`jp-Containers-item jp-mod-${word}`}>
            {renderItem(
              item,
              name,
              next =>
                change(items.map((other, at) => (at === index ? next : other))),
              index
            )}
            <RemoveButton
              word={word}
              label={name(trans.__('Remove %1', word))}
              onClick={() => {
                change(items.filter((_, at) => at !== index));
                focus('.jp-Containers-add');
              }}
            />
          </div>
        );
      })}
      <Button
        type="button"
        className="jp-Containers-button jp-mod-plain jp-Containers-add"
        minimal
        small
        disabled={input.disabled}
        onClick={() => {
          change([...items, empty]);
          focus('.jp-Containers-item > :first-child input');
        }}
      >
        <addIcon.react tag="span" width="16px" height="16px" />
        <span>{trans.__('Add %1', word)}</span>
      </Button>
    </div>
  );
}

function List(props: IInputProps): React.JSX.Element {
  const { field, id, input, suggestions } = props;
  const word = field.key.replace(/s$/, '');
  return (
    <>
      <Rows<string>
        input={props}
        items={input as readonly string[]}
        empty=""
        word={word}
        renderItem={(item, name, change) => (
          <InputGroup
            {...sharedProps(props)}
            aria-label={name(word)}
            value={item}
            placeholder={placeholderOf(field)}
            list={suggestions.length ? `${id}-list` : undefined}
            spellCheck={false}
            onChange={event => change(event.target.value)}
          />
        )}
      />
      <Suggestions {...props} />
    </>
  );
}

/** A folder of this machine: completed as it is typed, or chosen in a dialog. */
function Folder(props: {
  readonly shared: IInputProps;
  readonly label: string;
  readonly index: number;
  readonly value: string;
  readonly onChange: (value: string) => void;
}): React.JSX.Element {
  const { index, label, shared, value, onChange } = props;
  const { commands, folders, notebook } = shared;
  useModels(folders);
  React.useEffect(() => folders.load(notebook, value));
  const id = `${shared.id}-${String(index)}-folders`;
  return (
    <div className="jp-Containers-folder">
      <InputGroup
        {...sharedProps(shared)}
        aria-label={label}
        value={value}
        placeholder={trans.__('folder here, such as data')}
        list={id}
        autoComplete="off"
        spellCheck={false}
        onChange={event => onChange(event.target.value)}
      />
      <datalist id={id}>
        {folders.suggest(notebook, value).map(path => (
          <option key={path} value={path} />
        ))}
      </datalist>
      <CommandButton
        commands={commands}
        id={CommandIDs.pickFolder}
        args={{ mount: index }}
        look="icon"
      />
    </div>
  );
}

function Mounts(props: IInputProps): React.JSX.Element {
  return (
    <Rows<IMountInput>
      input={props}
      items={props.input as readonly IMountInput[]}
      empty={{ source: '', target: '', writable: false }}
      word="mount"
      renderItem={(item, name, change, index) => (
        <>
          <Folder
            shared={props}
            label={name(trans.__('Folder on this machine, mount'))}
            index={index}
            value={item.source}
            onChange={source => change({ ...item, source })}
          />
          <InputGroup
            {...sharedProps(props)}
            aria-label={name(trans.__('Place in the container, mount'))}
            value={item.target}
            placeholder={trans.__('place inside, such as /data')}
            spellCheck={false}
            onChange={event => change({ ...item, target: event.target.value })}
          />
          <label className="jp-Containers-writable">
            <input
              type="checkbox"
              className="jp-mod-styled"
              aria-label={name(trans.__('Writable, mount'))}
              checked={item.writable}
              onChange={event =>
                change({ ...item, writable: event.target.checked })
              }
            />
            {trans.__('writable')}
          </label>
        </>
      )}
    />
  );
}

function Names(props: IInputProps): React.JSX.Element {
  const { field } = props;
  const word = field.key === 'env' ? 'variable' : 'option';
  return (
    <Rows<readonly [string, string]>
      input={props}
      items={props.input as readonly (readonly [string, string])[]}
      empty={['', '']}
      word={word}
      renderItem={([key, value], name, change) => (
        <>
          <InputGroup
            {...sharedProps(props)}
            aria-label={name(trans.__('Name of %1', word))}
            value={key}
            placeholder={placeholderOf(field)}
            spellCheck={false}
            onChange={event => change([event.target.value, value])}
          />
          <InputGroup
            {...sharedProps(props)}
            aria-label={name(trans.__('Value of %1', word))}
            value={value}
            placeholder={trans.__('value')}
            spellCheck={false}
            onChange={event => change([key, event.target.value])}
          />
        </>
      )}
    />
  );
}

const KINDS: Record<IField['kind'], React.FunctionComponent<IInputProps>> = {
  choice: Choice,
  count: Text,
  flag: Flag,
  image: Text,
  list: List,
  mounts: Mounts,
  number: Text,
  object: Names,
  size: Text,
  word: Text
};

/** The input of a field, by its kind. */
export function FieldInput(props: IInputProps): React.JSX.Element {
  const Kind = KINDS[props.field.kind] as
    React.FunctionComponent<IInputProps> | undefined;
  return Kind ? (
    <Kind {...props} />
  ) : (
    <span>
      {trans.__('%1 cannot be shown by this version.', labelOf(props.field))}
    </span>
  );
}
