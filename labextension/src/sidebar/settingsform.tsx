/** The form of the notebook's settings: asked, approved, in effect. */

import { classes } from '@jupyterlab/ui-components';
import React from 'react';

import type { IField, IProblem } from '../api/types';
import { CommandIDs } from '../commandids';
import { valueInEffect } from '../models/applied';
import {
  approvalOf,
  describeValue,
  isCommon,
  isReadOnly,
  labelOf,
  toValue,
  unsupportedReason
} from '../models/form';
import * as kernelActions from '../models/kernelactions';
import type { NotebookState } from '../models/notebookstate';
import { askApproval } from '../notebook/dialogs';
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

const APPROVALS = {
  approved: ['✓', 'approved'],
  free: ['✓', 'needs no approval'],
  missing: ['!', 'not approved']
} as const;

/** The second and third column of a field: approved, in effect. */
function FieldStatus(
  props: IFieldProps & { readonly id: string }
): React.JSX.Element {
  const { field, id, model, state } = props;
  const value = isReadOnly(field)
    ? state.draft.settings[field.key]
    : toValue(field, state.draft.input(field));
  const approval = approvalOf(
    field.key,
    value !== undefined,
    state.missingKeys
  );
  const applies = valueInEffect(
    field,
    state.status.data?.kernel ?? null,
    model.engines.data?.engines
  );
  return (
    <div className="jp-Containers-truth" id={id}>
      <span
        className="jp-Containers-approval"
        data-approval={approval ?? 'none'}
      >
        {approval && (
          <>
            <span aria-hidden="true">{APPROVALS[approval][0]}</span>{' '}
            {APPROVALS[approval][1]}
          </>
        )}
      </span>
      <span className="jp-Containers-applies">
        {applies !== null && (
          <>
            <span className="jp-Containers-appliesWord">applies: </span>
            {applies}
          </>
        )}
      </span>
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

function Field(props: IFieldProps): React.JSX.Element {
  const { field, state } = props;
  const { draft } = state;
  const id = `jp-Containers-field-${field.key}`;
  const problem = draft.problem(field);
  const unable = unsupportedReason(field, chosenEngine(props));
  const empty = toValue(field, draft.input(field)) === undefined;
  const notes = [`${id}-doc`, `${id}-truth`];
  const listed = ['list', 'mounts', 'object'].includes(field.kind);
  return (
    <div
      className={classes(
        'jp-Containers-field',
        draft.isEdited(field.key) ? 'jp-mod-edited' : '',
        unable ? 'jp-mod-unable' : ''
      )}
    >
      {listed ? (
        <span className="jp-Containers-label" id={`${id}-label`}>
          {labelOf(field)}
        </span>
      ) : (
        <label className="jp-Containers-label" htmlFor={id}>
          {labelOf(field)}
        </label>
      )}
      <FieldInput
        id={id}
        field={field}
        input={draft.input(field)}
        disabled={unable !== null && empty}
        invalid={problem !== null}
        describedBy={[
          ...(problem ? [`${id}-error`] : []),
          ...(unable ? [`${id}-unable`] : []),
          ...notes
        ].join(' ')}
        suggestions={suggestions(props)}
        onChange={input => draft.set(field, input)}
      />
      <FieldStatus {...props} id={`${id}-truth`} />
      {problem && (
        <p className="jp-Containers-fieldError" id={`${id}-error`} role="alert">
          {stripControls(problemText(problem))}
        </p>
      )}
      {unable && (
        <p className="jp-Containers-fieldNote" id={`${id}-unable`}>
          {unable}
        </p>
      )}
      <p className="jp-Containers-doc" id={`${id}-doc`}>
        {stripControls(field.doc.replaceAll('`', ''))}
      </p>
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
        <Note kind="info" title="Apply also approves:" items={missing} />
      )}
      <div className="jp-Containers-buttons">
        <CommandButton
          commands={commands}
          id={CommandIDs.apply}
          look="primary"
          run={() => kernelActions.apply(state, prompt)}
        />
        <CommandButton commands={commands} id={CommandIDs.revert} />
        {draft.checking && <Loading text="Checking…" />}
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
      aria-label="Settings of this notebook"
      onSubmit={event => event.preventDefault()}
    >
      <h3>Settings</h3>
      <Problem problem={model.fields.error} />
      {fields.length === 0 && model.fields.loading && (
        <Loading text="Asking for the settings…" />
      )}
      <div className="jp-Containers-columns" aria-hidden="true">
        <span>Asked</span>
        <span>Approved</span>
        <span>Applies</span>
      </div>
      {typed.filter(isCommon).map(renderField)}
      {rest.length > 0 && (
        <Disclosure
          id="jp-Containers-more"
          label="More settings"
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
