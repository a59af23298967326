/** The settings of the notebook: what is asked, what is approved, what really applies. */

import { classes } from '@jupyterlab/ui-components';
import React from 'react';

import { applied } from '../models/applied';
import { CommandIDs } from '../commandids';
import {
  approval,
  inWords,
  isFirst,
  isRecord,
  labelOf,
  toValue,
  unableReason
} from '../models/form';
import { plain } from '../ui/format';
import * as deeds from '../models/kernelactions';
import type { NotebookState } from '../models/notebookstate';
import { askApproval } from '../notebook/dialogs';
import type { IField, IProblem } from '../api/types';
import { FieldInput } from './fields';
import { CommandButton, Fold, Note, Problem, Waiting } from './components';
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

/** The second and third column of a field: approved, and what applies. */
function Truth(
  props: IFieldProps & { readonly id: string }
): React.JSX.Element {
  const { field, id, model, state } = props;
  const value = isRecord(field)
    ? state.draft.settings[field.key]
    : toValue(field, state.draft.input(field));
  const yes = approval(field.key, value !== undefined, state.missingKeys);
  const applies = applied(
    field,
    state.truth.data?.kernel ?? null,
    model.engines.data?.engines
  );
  return (
    <div className="jp-Containers-truth" id={id}>
      <span className="jp-Containers-approval" data-approval={yes ?? 'none'}>
        {yes && (
          <>
            <span aria-hidden="true">{APPROVALS[yes][0]}</span>{' '}
            {APPROVALS[yes][1]}
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

/** Which engine is asked for, or taken where none is. */
function engineOf(props: IFormProps): string {
  const { model, state } = props;
  const asked = state.draft.settings.engine;
  return typeof asked === 'string' && asked
    ? asked
    : (state.truth.data?.engine ?? model.engines.data?.default ?? '');
}

function Field(props: IFieldProps): React.JSX.Element {
  const { field, state } = props;
  const { draft } = state;
  const id = `jp-Containers-field-${field.key}`;
  const problem = draft.problem(field);
  const unable = unableReason(field, engineOf(props));
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
      <Truth {...props} id={`${id}-truth`} />
      {problem && (
        <p className="jp-Containers-fieldError" id={`${id}-error`} role="alert">
          {plain(complaint(problem))}
        </p>
      )}
      {unable && (
        <p className="jp-Containers-fieldNote" id={`${id}-unable`}>
          {unable}
        </p>
      )}
      <p className="jp-Containers-doc" id={`${id}-doc`}>
        {plain(field.doc.replaceAll('`', ''))}
      </p>
    </div>
  );
}

/** What is wrong, without the name of the field that it stands under. */
export function complaint(problem: IProblem): string {
  const said = problem.message.replace(/^(:\s*)?(Setting '[^']*': )?/, '');
  return `${said.charAt(0).toUpperCase()}${said.slice(1)} ${problem.hint}`.trim();
}

/** What may be meant, where this machine knows: images, engines, devices. */
function suggestions(props: IFieldProps): readonly string[] {
  const { field, model } = props;
  switch (field.key) {
    case 'image':
      return (model.images.data?.images ?? []).map(one => one.reference);
    case 'engine':
      return (model.engines.data?.engines ?? [])
        .filter(one => one.usable)
        .map(one => one.name);
    case 'devices': {
      const names = (model.devices.data?.devices ?? []).map(one => one.name);
      const all = names.map(name => name.replace(/=.*/, '=all'));
      return [...new Set([...all, ...names])];
    }
    default:
      return [];
  }
}

/** What a build or pull recorded, which nobody types. */
function Records(props: IFormProps): React.JSX.Element | null {
  const { draft } = props.state;
  const settings = draft.settings;
  const records = draft.fields.filter(
    field => isRecord(field) && settings[field.key] !== undefined
  );
  return records.length ? (
    <dl className="jp-Containers-facts">
      {records.map(field => (
        <React.Fragment key={field.key}>
          <dt title={plain(field.doc)}>{labelOf(field)}</dt>
          <dd className="jp-Containers-code">
            {inWords(field, settings[field.key])}
          </dd>
        </React.Fragment>
      ))}
    </dl>
  ) : null;
}

/** Apply and Revert, with what pressing Apply says yes to. */
function Footer(props: IFormProps): React.JSX.Element | null {
  const { commands, state } = props;
  const { draft } = state;
  if (!draft.changed) {
    return null;
  }
  const { missing = [] } = draft;
  const reading = { shown: missing, ask: askApproval };
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
          run={() => deeds.apply(state, reading)}
        />
        <CommandButton commands={commands} id={CommandIDs.revert} />
        {draft.checking && <Waiting text="Checking…" />}
      </div>
    </div>
  );
}

/** The form, generated from the server's table of settings. */
export function Form(props: IFormProps): React.JSX.Element {
  const { model, state } = props;
  const { fields } = state.draft;
  const [more, setMore] = React.useState(false);
  const typed = fields.filter(field => !isRecord(field));
  const rest = typed.filter(field => !isFirst(field));
  const draw = (field: IField) => (
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
      {fields.length === 0 && model.fields.busy && (
        <Waiting text="Asking for the settings…" />
      )}
      <div className="jp-Containers-columns" aria-hidden="true">
        <span>Asked</span>
        <span>Approved</span>
        <span>Applies</span>
      </div>
      {typed.filter(isFirst).map(draw)}
      {rest.length > 0 && (
        <Fold
          id="jp-Containers-more"
          label="More settings"
          open={more || rest.some(field => state.draft.problem(field) !== null)}
          onToggle={() => setMore(!more)}
        >
          {rest.map(draw)}
          <Records {...props} />
        </Fold>
      )}
      <Footer {...props} />
    </form>
  );
}
