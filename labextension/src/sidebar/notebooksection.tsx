/** The section "This notebook": its state, banners, buttons and settings. */

import React from 'react';

import { CommandIDs } from '../commandids';
import { createBanners, type IBanner } from '../models/banners';
import * as kernelActions from '../models/kernelactions';
import { describeState, imageInUse, stateColour } from '../models/kernelstate';
import type { NotebookState } from '../models/notebookstate';
import { askApproval } from '../notebook/dialogs';
import { formatPlacement, shortImage, stripControls } from '../ui/format';
import { CommandButton, Loading, Note, Problem, useModels } from './components';
import { ContainerStatsView } from './containerstats';
import type { ISectionProps } from './section';
import { SettingsForm } from './settingsform';

interface INotebookProps extends ISectionProps {
  readonly state: NotebookState;
}

function Summary(props: { readonly state: NotebookState }): React.JSX.Element {
  const { state } = props;
  const status = state.status.data;
  const kernel = status?.kernel ?? null;
  const image = imageInUse(state);
  const engine = [kernel?.engine, status?.engine].find(Boolean);
  return (
    <dl className="jp-Containers-facts">
      <dt>Image</dt>
      <dd title={stripControls(image)}>{image ? shortImage(image) : 'none'}</dd>
      {engine && (
        <>
          <dt>Engine</dt>
          <dd>{stripControls(engine)}</dd>
        </>
      )}
      {kernel?.placement && (
        <>
          <dt>Slurm job</dt>
          <dd>{formatPlacement(kernel.placement)}</dd>
        </>
      )}
      <dt>State</dt>
      <dd>
        <span
          role="status"
          className="jp-Containers-state"
          data-state={stateColour(status)}
        >
          {describeState(status)}
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
    kernelActions.approve(state, { shown, ask: askApproval });
  const first = banners.find(banner => banner.actions);
  return (
    <>
      {banners.map(({ key, actions = [], ...banner }) => (
        <Note key={key} {...banner}>
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
                    ? () => approve(banner.items ?? [])
                    : undefined
                }
              />
            ))}
        </Note>
      ))}
    </>
  );
}

/** The buttons, except those in a banner. */
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

function NotebookBody(props: INotebookProps): React.JSX.Element {
  const { state } = props;
  const { action, status } = state;
  const banners = createBanners({
    status: status.data,
    settings: state.settings,
    isEdited: state.draft.changed,
    inContainer: state.inContainer,
    pinned: state.pinned
  });
  const offered = banners.flatMap(banner => banner.actions ?? []);
  return (
    <>
      <p className="jp-Containers-path">{stripControls(state.path ?? '')}</p>
      <Problem problem={status.error} />
      {status.data ? (
        <Summary state={state} />
      ) : (
        status.loading && <Loading text="Asking the server…" />
      )}
      <Problem problem={action.problem} onDismiss={() => action.dismiss()} />
      {action.pending && <Loading text={action.pending} />}
      <Banners {...props} banners={banners} />
      {status.data?.kernel?.container && (
        <ContainerStatsView
          stats={props.model.stats}
          kernel={status.data.kernel}
        />
      )}
      <Buttons {...props} offered={offered} />
      <SettingsForm {...props} />
    </>
  );
}

/** The section's body. */
export function NotebookSection(props: ISectionProps): React.JSX.Element {
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
  return <NotebookBody {...props} state={state} />;
}
