/** The section "This notebook": its state, banners, buttons and settings. */

import React from 'react';

import { CommandIDs } from '../commandids';
import { createBanners, type IBanner } from '../models/banners';
import * as kernelActions from '../models/kernelactions';
import { describeState, imageInUse, stateColour } from '../models/kernelstate';
import type { NotebookState } from '../models/notebookstate';
import { askApproval } from '../notebook/dialogs';
import { trans } from '../trans';
import { formatPlacement, shortImage, stripControls } from '../ui/format';
import { ChangeList } from './changelist';
import { CommandButton, Loading, Note, Problem, useModels } from './components';
import { ContainerStatsView } from './containerstats';
import { BuildProgress, FirstSteps } from './firststeps';
import { PortList } from './portlist';
import type { ISectionProps } from './section';
import { SettingsForm } from './settingsform';

interface INotebookProps extends ISectionProps {
  readonly state: NotebookState;
}

function Summary(props: INotebookProps): React.JSX.Element {
  const { state } = props;
  const status = state.status.data;
  const kernel = status?.kernel ?? null;
  const image = imageInUse(state);
  const engine = [kernel?.engine, status?.engine].find(Boolean);
  return (
    <dl className="jp-Containers-facts">
      <dt>{trans.__('Image')}</dt>
      <dd title={stripControls(image)}>{image ? shortImage(image) : 'none'}</dd>
      {engine && (
        <>
          <dt>{trans.__('Engine')}</dt>
          <dd>{stripControls(engine)}</dd>
        </>
      )}
      {kernel?.placement && (
        <>
          <dt>{trans.__('Slurm job')}</dt>
          <dd>{formatPlacement(kernel.placement)}</dd>
        </>
      )}
      <dt>{trans.__('State')}</dt>
      <dd>
        <span
          role="status"
          className="jp-Containers-state"
          data-state={stateColour(status)}
        >
          {describeState(status)}
        </span>
      </dd>
      <Outputs {...props} />
    </dl>
  );
}

/** Whether what the kernel displays has the page's rights, and the command that changes it. */
function Outputs(props: INotebookProps): React.JSX.Element | null {
  const { commands, state } = props;
  const { applies, isolated, mayTrust } = state.outputs;
  if (!applies) {
    return null;
  }
  const id = isolated ? CommandIDs.trustOutputs : CommandIDs.isolateOutputs;
  return (
    <>
      <dt>{trans.__('Outputs')}</dt>
      <dd>
        {isolated ? 'isolated' : 'trusted'}{' '}
        {isolated && !mayTrust ? (
          trans.__('(the administrator leaves no choice)')
        ) : (
          <CommandButton
            commands={commands}
            id={id}
            label={isolated ? trans.__('Trust…') : trans.__('Isolate')}
            args={{ path: state.panel.context.path }}
          />
        )}
      </dd>
    </>
  );
}

/** What its outputs need, where the Jupyter server lacks it. */
function Lacking(props: INotebookProps): React.JSX.Element | null {
  const lacking = props.state.status.data?.lacking ?? [];
  return lacking.length > 0 ? (
    <dl className="jp-Containers-facts">
      <dt>{trans.__('Server lacks')}</dt>
      <dd>
        {trans.__(
          '%1 for outputs of this image',
          lacking
            .map(one => one.package ?? one.extension)
            .map(stripControls)
            .join(', ')
        )}
      </dd>
    </dl>
  ) : null;
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
  const { isEmpty } = props.state;
  const builds = isEmpty ? [] : [CommandIDs.rebuild, CommandIDs.updateBases];
  const ids = [
    CommandIDs.restart,
    ...(offered.includes(CommandIDs.rebuild) ? [] : builds),
    CommandIDs.addPackage,
    CommandIDs.newTerminal,
    CommandIDs.logs,
    CommandIDs.stop
  ].filter(id => !offered.includes(id));
  return (
    <div
      className="jp-Containers-buttons"
      role="group"
      aria-label={trans.__('The kernel of this notebook')}
    >
      {ids.map(id => (
        <CommandButton
          key={id}
          commands={commands}
          id={id}
          args={id === CommandIDs.newTerminal ? { isButton: true } : {}}
        />
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
        <Summary {...props} />
      ) : (
        status.loading && <Loading text={trans.__('Asking the server…')} />
      )}
      <BuildProgress {...props} />
      {state.isEmpty && !state.build && !status.data?.building && (
        <FirstSteps {...props} />
      )}
      <Lacking {...props} />
      <Problem problem={action.problem} onDismiss={() => action.dismiss()} />
      {action.pending && <Loading text={action.pending} />}
      <Banners {...props} banners={banners} />
      {status.data?.kernel?.container && (
        <ContainerStatsView
          stats={props.model.stats}
          kernel={status.data.kernel}
        />
      )}
      <PortList commands={props.commands} ports={props.model.ports} />
      <ChangeList commands={props.commands} changes={props.model.changes} />
      <Buttons {...props} offered={offered} />
      <SettingsForm {...props} />
    </>
  );
}

/** The section's body. */
export function NotebookSection(props: ISectionProps): React.JSX.Element {
  const { model } = props;
  const state = model.notebook;
  const { devices, engines, fields, images } = model;
  useModels(model, state, fields, engines, devices, images);
  if (!state) {
    return (
      <p className="jp-Containers-quiet">
        {trans.__('Open a notebook to see and change what it runs in.')}
      </p>
    );
  }
  if (state.path === null) {
    return (
      <p className="jp-Containers-quiet">
        {trans.__(
          'This notebook does not lie on the Jupyter server, so it cannot have a container there.'
        )}
      </p>
    );
  }
  return <NotebookBody {...props} state={state} />;
}
