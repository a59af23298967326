/** Shows the builds of a page where the user looks: toolbar, sidebar, tab and notifications. */

import { Notification } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';

import { CommandIDs } from '../commandids';
import type { ContainersModel } from '../models/model';
import type { IRunningBuild } from '../models/notebookstate';
import { trans } from '../trans';
import { basename, formatDuration, stripControls } from '../ui/format';
import { hasEnded, type LiveBuild, type LiveBuilds } from './builds';
import { findBuilds } from './commands';
import { LONG, type SystemNotifications } from './systemnotifications';

/** The class of a notebook's tab while one of its cells is being built. */
const TAB_CLASS = 'jp-mod-containersBuilding';

/** The services that this needs. */
export interface IWatchContext {
  readonly builds: LiveBuilds;
  readonly commands: CommandRegistry;
  readonly model: ContainersModel;
  readonly system: SystemNotifications;
  readonly tracker: INotebookTracker;
}

/** Show the builds of all open notebooks from now on. */
export function watchBuilds(context: IWatchContext): void {
  const { builds, tracker } = context;
  const followed = new WeakSet<LiveBuild>();
  builds.changed.connect((_, build) => {
    if (build.job.kind !== 'build') {
      return;
    }
    if (!followed.has(build)) {
      followed.add(build);
      build.changed.connect(() => showProgress(context, build));
    }
    tracker.forEach(panel => update(context, panel));
    if (hasEnded(build.job)) {
      notify(context, build);
    }
  });
  // A notebook that is opened, or closed and opened, while its build runs.
  tracker.widgetAdded.connect((_, panel) => {
    void panel.context.ready.then(() => update(context, panel));
  });
}

/** The panel whose cell a build is of. */
function panelOf(
  { builds, tracker }: IWatchContext,
  build: LiveBuild
): NotebookPanel | undefined {
  return (
    tracker.find(panel => findBuilds(builds, panel, tracker).includes(build)) ??
    tracker.find(({ context }) => context.localPath === build.job.path)
  );
}

function update(context: IWatchContext, panel: NotebookPanel): void {
  const { builds, model, tracker } = context;
  if (panel.isDisposed) {
    return;
  }
  const running = findBuilds(builds, panel, tracker);
  const build =
    running.find(({ job }) => job.state === 'running') ?? running[0];
  const state = model.stateOf(panel);
  if (build || state.build) {
    state.build = build ? progressOf(build) : null;
  }
  setTabClass(panel, build !== undefined);
}

/** A build's progress now. */
export function progressOf(build: LiveBuild): IRunningBuild {
  const { steps, total } = build.progress;
  const last = steps[steps.length - 1];
  return {
    cell: build.job.cell_id,
    step: last?.number ?? 0,
    steps: last ? Math.max(total, last.number) : 0,
    text: last?.text ?? '',
    elapsed: () => build.elapsed
  };
}

/** After a new step, not after each line of output. */
function showProgress(context: IWatchContext, build: LiveBuild): void {
  const panel = hasEnded(build.job) ? undefined : panelOf(context, build);
  const shown = panel && context.model.stateOf(panel).build;
  const now = progressOf(build);
  if (panel && (shown?.step !== now.step || shown.steps !== now.steps)) {
    update(context, panel);
  }
}

function setTabClass(panel: NotebookPanel, isBuilding: boolean): void {
  const { title } = panel;
  const others = title.className
    .split(' ')
    .filter(name => name && name !== TAB_CLASS);
  title.className = [...others, ...(isBuilding ? [TAB_CLASS] : [])].join(' ');
}

/** What is told of a build that has ended; null for one that was cancelled. */
function describeEnd(name: string, build: LiveBuild): string | null {
  const { result, state } = build.job;
  if (state === 'failed') {
    return trans.__('%1: the build failed.', name);
  }
  if (state !== 'done') {
    return null;
  }
  const time = formatDuration(build.elapsed);
  return result?.reused
    ? trans.__('%1: its image is up to date.', name)
    : trans.__('%1: its image is built (%2).', name, time);
}

/** Say that a build has ended whose notebook is not shown. */
function notify(context: IWatchContext, build: LiveBuild): void {
  const { commands, system } = context;
  const panel = panelOf(context, build);
  if (!panel || (panel.isVisible && !document.hidden)) {
    return;
  }
  const name = stripControls(basename(panel.context.localPath));
  const text = describeEnd(name, build);
  if (text === null) {
    return;
  }
  const show = () => {
    const { path } = panel.context;
    void commands.execute(CommandIDs.showCell, { path });
  };
  const isLong = document.hidden && build.elapsed >= LONG;
  const offer = {
    label: trans.__('Also notify by the system'),
    callback: () => void system.turnOn()
  };
  const actions = [
    { label: trans.__('Show'), callback: show },
    ...(isLong && system.canBeOffered ? [offer] : [])
  ];
  if (isLong) {
    system.show({ text, tag: build.job.id, onClick: show });
  }
  if (build.job.state === 'failed') {
    Notification.error(text, { actions, autoClose: false });
  } else {
    Notification.success(text, {
      actions,
      autoClose: actions.length > 1 ? false : 10000
    });
  }
}
