/** One input for each kind of setting. */

import {
  addIcon,
  Button,
  closeIcon,
  HTMLSelect,
  InputGroup
} from '@jupyterlab/ui-components';
import React from 'react';

import { labelOf } from '../models/form';
import type { IMountInput, Input } from '../models/form';
import { plain } from '../ui/format';
import type { IField } from '../api/types';

/** What an input is drawn from. */
export interface IInputProps {
  readonly id: string;
  readonly field: IField;
  readonly input: Input;
  readonly disabled: boolean;
  readonly invalid: boolean;
  readonly describedBy: string;
  /** What may be meant. */
  readonly suggestions: readonly string[];
  readonly onChange: (input: Input) => void;
}

/** What a kind looks like while nothing is asked. */
const PLACEHOLDERS: Record<string, string> = {
  cpus: 'no limit asked',
  devices: 'nvidia.com/gpu=all',
  engine: 'the first that works',
  env: 'NAME',
  hostname: 'the engine’s choice',
  image: 'name:tag',
  kernel: 'the image’s Python',
  memory: 'no limit asked',
  pids: 'no limit asked',
  ports: '8888',
  shm: 'by memory',
  slurm: 'partition'
};

/** What every input of a field has in common. */
function common(props: IInputProps) {
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
        {...common(props)}
        id={id}
        value={input as string}
        placeholder={
          PLACEHOLDERS[field.key] ??
          (typeof field.default === 'string' ? plain(field.default) : '')
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
      {suggestions.map(one => (
        <option key={one} value={one} />
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
      {...common(props)}
      id={id}
      value={chosen}
      onChange={event => onChange(event.target.value)}
    >
      {choices.map(choice => (
        <option key={choice} value={choice}>
          {plain(choice)}
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
        {...common(props)}
        id={id}
        type="checkbox"
        role="switch"
        className="jp-mod-styled"
        checked={input === true}
        onChange={event => onChange(event.target.checked)}
      />
      <span aria-hidden="true">{input === true ? 'yes' : 'no'}</span>
    </span>
  );
}

interface IRowsProps<T> {
  readonly about: IInputProps;
  readonly items: readonly T[];
  readonly empty: T;
  /** What one of them is called: `mount`. */
  readonly word: string;
  readonly draw: (
    item: T,
    name: (what: string) => string,
    change: (item: T) => void
  ) => React.ReactNode;
}

/** Items below each other, each with a button that takes it away, and one that adds another. */
function Rows<T>(props: IRowsProps<T>): React.JSX.Element {
  const { about, draw, empty, items, word } = props;
  const group = React.useRef<HTMLDivElement>(null);
  const change = (next: readonly T[]) => about.onChange(next as Input);
  const focus = (selector: string) =>
    // After React has drawn the change.
    setTimeout(() => {
      const found = group.current?.querySelectorAll<HTMLElement>(selector);
      found?.[found.length - 1]?.focus();
    });
  return (
    <div
      ref={group}
      className="jp-Containers-items"
      role="group"
      aria-labelledby={`${about.id}-label`}
      aria-describedby={about.describedBy}
    >
      {items.map((item, index) => {
        const name = (what: string) => `${what} ${String(index + 1)}`;
        return (
          <div key={index} className={`jp-Containers-item jp-mod-${word}`}>
            {draw(item, name, next =>
              change(items.map((one, at) => (at === index ? next : one)))
            )}
            <Button
              type="button"
              className="jp-Containers-button jp-mod-icon"
              minimal
              small
              title={`Remove ${word}`}
              aria-label={name(`Remove ${word}`)}
              onClick={() => {
                change(items.filter((_, at) => at !== index));
                focus('.jp-Containers-add');
              }}
            >
              <closeIcon.react tag="span" width="16px" height="16px" />
            </Button>
          </div>
        );
      })}
      <Button
        type="button"
        className="jp-Containers-button jp-mod-plain jp-Containers-add"
        minimal
        small
        disabled={about.disabled}
        onClick={() => {
          change([...items, empty]);
          focus('.jp-Containers-item > :first-child input');
        }}
      >
        <addIcon.react tag="span" width="16px" height="16px" />
        <span>{`Add ${word}`}</span>
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
        about={props}
        items={input as readonly string[]}
        empty=""
        word={word}
        draw={(item, name, change) => (
          <InputGroup
            {...common(props)}
            aria-label={name(word)}
            value={item}
            placeholder={PLACEHOLDERS[field.key]}
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

function Mounts(props: IInputProps): React.JSX.Element {
  return (
    <Rows<IMountInput>
      about={props}
      items={props.input as readonly IMountInput[]}
      empty={{ source: '', target: '', writable: false }}
      word="mount"
      draw={(item, name, change) => (
        <>
          <InputGroup
            {...common(props)}
            aria-label={name('Folder on this machine, mount')}
            value={item.source}
            placeholder="folder here, such as data"
            spellCheck={false}
            onChange={event => change({ ...item, source: event.target.value })}
          />
          <InputGroup
            {...common(props)}
            aria-label={name('Place in the container, mount')}
            value={item.target}
            placeholder="place inside, such as /data"
            spellCheck={false}
            onChange={event => change({ ...item, target: event.target.value })}
          />
          <label className="jp-Containers-writable">
            <input
              type="checkbox"
              className="jp-mod-styled"
              aria-label={name('Writable, mount')}
              checked={item.writable}
              onChange={event =>
                change({ ...item, writable: event.target.checked })
              }
            />
            writable
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
      about={props}
      items={props.input as readonly (readonly [string, string])[]}
      empty={['', '']}
      word={word}
      draw={([key, value], name, change) => (
        <>
          <InputGroup
            {...common(props)}
            aria-label={name(`Name of ${word}`)}
            value={key}
            placeholder={PLACEHOLDERS[field.key]}
            spellCheck={false}
            onChange={event => change([event.target.value, value])}
          />
          <InputGroup
            {...common(props)}
            aria-label={name(`Value of ${word}`)}
            value={value}
            placeholder="value"
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

/** A field's input, of whatever kind it is. */
export function FieldInput(props: IInputProps): React.JSX.Element {
  const Kind = KINDS[props.field.kind] as
    React.FunctionComponent<IInputProps> | undefined;
  return Kind ? (
    <Kind {...props} />
  ) : (
    <span>{`${labelOf(props.field)} cannot be shown by this version.`}</span>
  );
}
