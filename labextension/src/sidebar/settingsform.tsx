/** The form of the notebook's settings: what is asked, approved and in effect. */

import { Button, classes, infoIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { IField, IProblem } from '../api/types';
import { CommandIDs } from '../commandids';
import { differenceInEffect } from '../models/applied';
import {
  approvalOf,
  describeValue,
  isCommon,
  isReadOnly,
  labelOf,
  toValue,
  unsupportedReason
} from '../models/form';
import type { InputValue } from '../models/form';
import * as kernelActions from '../models/kernelactions';
import type { NotebookState } from '../models/notebookstate';
import { askApproval } from '../notebook/dialogs';
import { trans } from '../trans';
import { stripControls } from '../ui/format';
import {
  CommandButton,
  Disclosure,
  Loading,
  Note,
  Problem
} from './components';
import { FieldInput } from './fields';
import type { ISectionProps } from './section';

interface IFormProps extends ISectionProps {
  readonly state: NotebookState;
}

interface IFieldProps extends IFormProps {
  readonly field: IField;
}

/** Whether a field's value is approved, and what is in effect if that is something else. */
function FieldStatus(
  props: IFieldProps & { readonly id: string }
): React.JSX.Element {
  const { field, id, model, state } = props;
  const value = toValue(field, state.draft.input(field));
  const approval = approvalOf(
    field.key,
    value !== undefined,
    state.missingKeys
  );
  const inEffect = differenceInEffect(
    field,
    value,
    state.status.data?.kernel ?? null,
    model.engines.data?.engines
  );
  return (
    <div className="jp-Containers-truth" id={id}>
      {approval && approval !== 'free' && (
        <span className="jp-Containers-approval" data-approval={approval}>
          <span aria-hidden="true">{approval === 'missing' ? '!' : '✓'}</span>{' '}
          {approval === 'missing'
            ? trans.__('not approved')
            : trans.__('approved')}
        </span>
      )}
      {inEffect !== null && (
        <span className="jp-Containers-inEffect">
          {trans.__('in effect: %1', inEffect)}
        </span>
      )}
    </div>
  );
}

/** That a run of a Dockerfile cell decides the value, and the way to the cell. */
function SetByCell(
  props: IFieldProps & { readonly id: string; readonly cell: string | null }
): React.JSX.Element | null {
  const { cell, commands, field, id, state } = props;
  if (cell === null) {
    return null;
  }
  return (
    <div className="jp-Containers-fieldNote" id={id}>
      {field.key === 'image'
        ? trans.__(
            'Built by the Dockerfile cell: each run of it puts its image here. '
          )
        : trans.__(
            'Set by the Dockerfile cell: %1. Apply changes it there too. ',
            field.option
          )}
      <CommandButton
        commands={commands}
        id={CommandIDs.showCell}
        args={{ path: state.panel.context.path, cell }}
        label={trans.__('Show the cell')}
      />
    </div>
  );
}

/** The engine of the settings, or the one that will be used. */
function chosenEngine(props: IFormProps): string {
  const { model, state } = props;
  const asked = state.draft.settings.engine;
  return typeof asked === 'string' && asked
    ? asked
    : (state.status.data?.engine ?? model.engines.data?.default ?? '');
}

/** A field's label, with a button that shows its help. */
function Label(props: {
  readonly field: IField;
  readonly id: string;
  readonly open: boolean;
  readonly onToggle: () => void;
}): React.JSX.Element {
  const { field, id, onToggle, open } = props;
  const label = labelOf(field);
  return (
    <div className="jp-Containers-label">
      {isListed(field) ? (
        <span id={`${id}-label`}>{label}</span>
      ) : (
        <label htmlFor={id}>{label}</label>
      )}
      <Button
        type="button"
        className="jp-Containers-button jp-mod-icon jp-Containers-info"
        minimal
        small
        title={docOf(field)}
        aria-label={trans.__('About %1', label)}
        aria-expanded={open}
        aria-controls={`${id}-doc`}
        onClick={onToggle}
      >
        <infoIcon.react tag="span" width="14px" height="14px" />
      </Button>
    </div>
  );
}

/** A field's help, which describes its input also while it is not shown. */
function Help(props: {
  readonly field: IField;
  readonly id: string;
  readonly open: boolean;
}): React.JSX.Element {
  const className = props.open ? 'jp-Containers-doc' : 'jp-Containers-hidden';
  return (
    <p className={className} id={`${props.id}-doc`}>
      {docOf(props.field)}
    </p>
  );
}

function docOf(field: IField): string {
  return stripControls(field.doc.replaceAll('`', ''));
}

/** Whether a field is a list of inputs. */
function isListed(field: IField): boolean {
  return ['list', 'mounts', 'object'].includes(field.kind);
}

/** Where a field's input is: beside its label unless it is long, as an image's name or a list. */
function placeOf(field: IField, input: InputValue): string {
  if (isListed(field)) {
    return (input as readonly unknown[]).length ? '' : 'jp-mod-addable';
  }
  return field.kind === 'image' ? '' : 'jp-mod-short';
}

function FieldNote(props: {
  readonly id: string;
  readonly text: string | null;
}): React.JSX.Element | null {
  return props.text === null ? null : (
    <p className="jp-Containers-fieldNote" id={props.id}>
      {props.text}
    </p>
  );
}

function Field(props: IFieldProps): React.JSX.Element {
  const { commands, field, state } = props;
  const { draft } = state;
  const [help, setHelp] = React.useState(false);
  const id = `jp-Containers-field-${field.key}`;
  const problem = draft.problem(field);
  const unable = unsupportedReason(field, chosenEngine(props));
  const cell = state.cellSetting(field)?.id ?? null;
  const input = draft.input(field);
  const empty = toValue(field, input) === undefined;
  const notes = [
    problem && `${id}-error`,
    unable && `${id}-unable`,
    cell !== null && `${id}-cell`,
    `${id}-doc`,
    `${id}-truth`
  ]
    .filter(Boolean)
    .join(' ');
  return (
    <div
      className={classes(
        'jp-Containers-field',
        placeOf(field, input),
        draft.isEdited(field.key) ? 'jp-mod-edited' : '',
        unable ? 'jp-mod-unable' : ''
      )}
    >
      <Label
        field={field}
        id={id}
        open={help}
        onToggle={() => setHelp(!help)}
      />
      <FieldInput
        id={id}
        field={field}
        input={input}
        disabled={unable !== null && empty}
        invalid={problem !== null}
        describedBy={notes}
        suggestions={suggestions(props)}
        commands={commands}
        folders={props.model.folders}
        notebook={state.path ?? ''}
        onChange={next => draft.set(field, next)}
      />
      <Help field={field} id={id} open={help} />
      <FieldStatus {...props} id={`${id}-truth`} />
      {problem && (
        <p className="jp-Containers-fieldError" id={`${id}-error`} role="alert">
          {stripControls(problemText(problem))}
        </p>
      )}
      <SetByCell {...props} id={`${id}-cell`} cell={cell} />
      <FieldNote id={`${id}-unable`} text={unable} />
    </div>
  );
}

/** A problem's text, without the name of its field. */
export function problemText(problem: IProblem): string {
  const message = problem.message.replace(/^(:\s*)?(Setting '[^']*': )?/, '');
  return `${message.charAt(0).toUpperCase()}${message.slice(1)} ${problem.hint}`.trim();
}

/** Suggestions for a field: images, engines and devices of this machine. */
function suggestions(props: IFieldProps): readonly string[] {
  const { field, model } = props;
  switch (field.key) {
    case 'image':
      return (model.images.data?.images ?? []).map(
        ({ reference }) => reference
      );
    case 'engine':
      return (model.engines.data?.engines ?? [])
        .filter(({ usable }) => usable)
        .map(({ name }) => name);
    case 'devices': {
      const names = (model.devices.data?.devices ?? []).map(({ name }) => name);
      const all = names.map(name => name.replace(/=.*/, '=all'));
      return [...new Set([...all, ...names])];
    }
    default:
      return [];
  }
}

/** The records of builds and pulls, which cannot be edited. */
function Records(props: IFormProps): React.JSX.Element | null {
  const { draft } = props.state;
  const settings = draft.settings;
  const records = draft.fields.filter(
    field => isReadOnly(field) && settings[field.key] !== undefined
  );
  return records.length ? (
    <dl className="jp-Containers-facts">
      {records.map(field => (
        <React.Fragment key={field.key}>
          <dt title={stripControls(field.doc)}>{labelOf(field)}</dt>
          <dd className="jp-Containers-code">
            {describeValue(field, settings[field.key])}
          </dd>
        </React.Fragment>
      ))}
    </dl>
  ) : null;
}

/** Apply and Revert, with the list of what Apply approves. */
function Footer(props: IFormProps): React.JSX.Element | null {
  const { commands, state } = props;
  const { draft } = state;
  if (!draft.changed) {
    return null;
  }
  const { missing = [] } = draft;
  const prompt = { shown: missing, ask: askApproval };
  return (
    <div className="jp-Containers-footer">
      {draft.problems.map((problem, index) => (
        <Problem key={index} problem={problem} />
      ))}
      {missing.length > 0 && (
        <Note
          kind="info"
          title={trans.__('Apply also approves:')}
          items={missing}
        />
      )}
      <div className="jp-Containers-buttons">
        <CommandButton
          commands={commands}
          id={CommandIDs.apply}
          look="primary"
          run={() => kernelActions.apply(state, prompt)}
        />
        <CommandButton commands={commands} id={CommandIDs.revert} />
        {draft.checking && <Loading text={trans.__('Checking…')} />}
      </div>
    </div>
  );
}

/** The form, made from the server's table of settings. */
export function SettingsForm(props: IFormProps): React.JSX.Element {
  const { model, state } = props;
  const { fields } = state.draft;
  const [more, setMore] = React.useState(false);
  const typed = fields.filter(field => !isReadOnly(field));
  const rest = typed.filter(field => !isCommon(field));
  const renderField = (field: IField) => (
    <Field key={field.key} {...props} field={field} />
  );
  return (
    <form
      className="jp-Containers-form"
      aria-label={trans.__('Settings of this notebook')}
      onSubmit={event => event.preventDefault()}
    >
      <h3>{trans.__('Settings')}</h3>
      <Problem problem={model.fields.error} />
      {fields.length === 0 && model.fields.loading && (
        <Loading text={trans.__('Asking for the settings…')} />
      )}
      {typed.filter(isCommon).map(renderField)}
      {rest.length > 0 && (
        <Disclosure
          id="jp-Containers-more"
          label={trans.__('More settings')}
          open={more || rest.some(field => state.draft.problem(field) !== null)}
          onToggle={() => setMore(!more)}
        >
          {rest.map(renderField)}
          <Records {...props} />
        </Disclosure>
      )}
      <Footer {...props} />
    </form>
  );
}
