/** "This notebook": what it runs in, what has to be said yes to, what it asks for. */

import React from 'react';

import { bannersOf, type IBanner } from '../models/banners';
import { CommandIDs } from '../commandids';
import { placed, plain, shortImage } from '../ui/format';
import * as deeds from '../models/kernelactions';
import { colourOf, imageOf, stateOf } from '../models/kernelstate';
import type { NotebookState } from '../models/notebookstate';
import { askApproval } from '../notebook/dialogs';
import { Figures } from './containerstats';
import { Form } from './settingsform';
import { CommandButton, Note, Problem, useModels, Waiting } from './components';
import type { ISectionProps } from './section';

interface INotebookProps extends ISectionProps {
  readonly state: NotebookState;
}

function Summary(props: { readonly state: NotebookState }): React.JSX.Element {
  const { state } = props;
  const truth = state.truth.data;
  const kernel = truth?.kernel ?? null;
  const image = imageOf(state);
  const engine = [kernel?.engine, truth?.engine].find(Boolean);
  return (
    <dl className="jp-Containers-facts">
      <dt>Image</dt>
      <dd title={plain(image)}>{image ? shortImage(image) : 'none'}</dd>
      {engine && (
        <>
          <dt>Engine</dt>
          <dd>{plain(engine)}</dd>
        </>
      )}
      {kernel?.placement && (
        <>
          <dt>Slurm job</dt>
          <dd>{placed(kernel.placement)}</dd>
        </>
      )}
      <dt>State</dt>
      <dd>
        <span
          role="status"
          className="jp-Containers-state"
          data-state={colourOf(truth)}
        >
          {stateOf(truth)}
        </span>
      </dd>
    </dl>
  );
}

function Banners(
  props: INotebookProps & { readonly banners: readonly IBanner[] }
): React.JSX.Element {
  const { banners, commands, state } = props;
  const approve = (shown: readonly string[]) =>
    deeds.approve(state, { shown, ask: askApproval });
  const first = banners.find(banner => banner.actions);
  return (
    <>
      {banners.map(({ key, actions = [], ...said }) => (
        <Note key={key} {...said}>
          {actions.length > 0 &&
            actions.map((id, index) => (
              <CommandButton
                key={id}
                commands={commands}
                id={id}
                look={index === 0 && key === first?.key ? 'primary' : 'plain'}
                args={id === CommandIDs.pull ? { notebook: true } : {}}
                run={
                  id === CommandIDs.approve
                    ? () => approve(said.items ?? [])
                    : undefined
                }
              />
            ))}
        </Note>
      ))}
    </>
  );
}

/** What may be done at any time; what a banner offers stands there alone. */
function Buttons(
  props: INotebookProps & { readonly offered: readonly string[] }
): React.JSX.Element {
  const { commands, offered } = props;
  const builds = [CommandIDs.rebuild, CommandIDs.updateBases];
  const ids = [
    CommandIDs.restart,
    ...(offered.includes(CommandIDs.rebuild) ? [] : builds),
    CommandIDs.logs,
    CommandIDs.stop
  ].filter(id => !offered.includes(id));
  return (
    <div
      className="jp-Containers-buttons"
      role="group"
      aria-label="The kernel of this notebook"
    >
      {ids.map(id => (
        <CommandButton key={id} commands={commands} id={id} />
      ))}
    </div>
  );
}

function Known(props: INotebookProps): React.JSX.Element {
  const { state } = props;
  const { acting, truth } = state;
  const banners = bannersOf({
    truth: truth.data,
    settings: state.settings,
    edited: state.draft.changed,
    inContainer: state.inContainer,
    pinned: state.pinned
  });
  const offered = banners.flatMap(banner => banner.actions ?? []);
  return (
    <>
      <p className="jp-Containers-path">{plain(state.path ?? '')}</p>
      <Problem problem={truth.error} />
      {truth.data ? (
        <Summary state={state} />
      ) : (
        truth.busy && <Waiting text="Asking the server…" />
      )}
      <Problem problem={acting.problem} onDismiss={() => acting.dismiss()} />
      {acting.doing && <Waiting text={acting.doing} />}
      <Banners {...props} banners={banners} />
      {truth.data?.kernel?.container && (
        <Figures live={props.model.live} kernel={truth.data.kernel} />
      )}
      <Buttons {...props} offered={offered} />
      <Form {...props} />
    </>
  );
}

/** The section's body. */
export function Notebook(props: ISectionProps): React.JSX.Element {
  const { model } = props;
  const state = model.notebook;
  useModels(model, state, model.fields, model.engines, model.devices);
  if (!state) {
    return (
      <p className="jp-Containers-quiet">
        Open a notebook to see and change what it runs in.
      </p>
    );
  }
  if (state.path === null) {
    return (
      <p className="jp-Containers-quiet">
        This notebook does not lie on the Jupyter server, so it cannot have a
        container there.
      </p>
    );
  }
  return <Known {...props} state={state} />;
}
