/** The commands for Dockerfile cells, and JupyterLab's Stop for builds. */

import {
  Notification,
  SemanticCommand,
  type ISessionContextDialogs
} from '@jupyterlab/apputils';
import {
  NotebookActions,
  type INotebookTracker,
  type NotebookPanel
} from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { Api } from '../api/api';
import { CommandIDs } from '../commandids';
import { GENERIC_KERNEL } from '../constants';
import {
  cellOn,
  dockerfileCellsOf,
  insertDockerfileCell,
  showCell,
  TEMPLATE
} from '../notebook/dockerfilecell';
import { trans } from '../trans';
import { imageName, stripControls } from '../ui/format';
import { containerIcon, newContainerIcon } from '../ui/icon';
import type { IBuildOptions } from './builder';
import type { LiveBuild, LiveBuilds } from './builds';
import { toRunError } from './runerror';

type Args = ReadonlyPartialJSONObject;

/** JupyterLab's command behind the Stop button, `I I` and Kernel > Interrupt Kernel. */
const INTERRUPT = 'notebook:interrupt-kernel';

/** The services that the commands need. */
export interface ICellCommandContext {
  readonly commands: CommandRegistry;
  readonly tracker: INotebookTracker;
  readonly api: Api;
  readonly builds: LiveBuilds;
  readonly dialogs: ISessionContextDialogs | null;
  /** Show a panel. */
  readonly activate: (panel: NotebookPanel) => void;
  /** Cancel the builds of a notebook that have no id so far, and wait for no other page's. */
  readonly interrupt: (panel: NotebookPanel) => void;
  /** Use options for the builds of one run. */
  readonly runWithOptions: (
    panel: NotebookPanel,
    options: IBuildOptions,
    run: () => Promise<boolean>
  ) => Promise<boolean>;
}

/** Add the commands for cells. */
export function addCommands(context: ICellCommandContext): void {
  const { commands, tracker, builds } = context;
  const current = () => tracker.currentWidget;
  const buildsOf = (panel: NotebookPanel | null) =>
    findBuilds(builds, panel, tracker);
  commands.addCommand(CommandIDs.cancel, {
    label: trans.__('Cancel the Build'),
    caption: trans.__('Stop the image builds of this notebook'),
    isEnabled: ({ id }) =>
      typeof id === 'string' || buildsOf(current()).length > 0,
    execute: args => cancel(context, args)
  });
  commands.addCommand(CommandIDs.buildAndRunAll, {
    label: trans.__('Build and Run All'),
    caption: trans.__(
      'Build the Dockerfile cells and run the others in their image; needs no kernel yet'
    ),
    isEnabled: () => Boolean(current()?.content.activeCell),
    execute: args => buildAndRunAll(context, args)
  });
  commands.addCommand(CommandIDs.buildCells, {
    label: trans.__('Build the Dockerfile Cells'),
    caption: trans.__(
      'Build the images of this notebook’s Dockerfile cells, and run no other cell'
    ),
    isEnabled: () => hasDockerfile(current()),
    execute: args => buildCells(context, args)
  });
  addNewCell(context);
  addStartCommands(context);
  builds.changed.connect(() => {
    commands.notifyCommandChanged(CommandIDs.cancel);
  });
  tracker.currentChanged.connect(() => {
    commands.notifyCommandChanged();
  });
  // JupyterLab's command interrupts the kernel, however it is executed; running builds are
  // cancelled in addition.
  commands.commandExecuted.connect((_, { id, args }) => {
    if (id === INTERRUPT) {
      const panel = interruptedPanel(tracker, args);
      if (panel) {
        context.interrupt(panel);
      }
      void Promise.all(
        buildsOf(panel).map(build => reportFailure(build.cancel()))
      );
    }
  });
}

/** The command that inserts the template, also into a new notebook. */
function addNewCell({ commands, tracker }: ICellCommandContext): void {
  commands.addCommand(CommandIDs.newCell, {
    label: args =>
      args.isLauncher
        ? trans.__('Dockerfile and notebook')
        : trans.__('New Dockerfile Cell'),
    caption: args =>
      args.isLauncher
        ? trans.__(
            'A new notebook with a cell whose Dockerfile becomes its kernel'
          )
        : trans.__(
            'Insert a cell whose Dockerfile becomes this notebook’s kernel'
          ),
    icon: args =>
      args.isLauncher
        ? containerIcon
        : args.isButton
          ? newContainerIcon
          : undefined,
    isEnabled: args =>
      args.isLauncher === true || Boolean(tracker.currentWidget?.content.model),
    execute: async args => {
      const { path } = args;
      const panel = args.isLauncher
        ? await createNotebook(commands, args)
        : (tracker.find(({ context }) => context.path === path) ??
          tracker.currentWidget);
      if (panel) {
        insertDockerfileCell(panel, TEMPLATE);
      }
      // The Launcher shows it in its own place.
      return args.isLauncher ? panel : undefined;
    }
  });
}

/** A new notebook on the kernel spec for containers, in the Launcher's folder. */
async function createNotebook(
  commands: CommandRegistry,
  { cwd }: Args
): Promise<NotebookPanel> {
  const panel = (await commands.execute('notebook:create-new', {
    ...(typeof cwd === 'string' && { cwd }),
    kernelName: GENERIC_KERNEL
  })) as NotebookPanel;
  await panel.context.ready;
  return panel;
}

function hasDockerfile(panel: NotebookPanel | null): boolean {
  return panel !== null && dockerfileCellsOf(panel).length > 0;
}

/** The commands that insert a first cell, and that lead to it. */
function addStartCommands(context: ICellCommandContext): void {
  const { api, builds, commands, tracker } = context;
  commands.addCommand(CommandIDs.startFrom, {
    label: ({ base, file }) => asText(file) || imageName(asText(base)),
    caption: ({ base, file }) =>
      file
        ? trans.__('Insert a Dockerfile cell made from %1', asText(file))
        : trans.__('Insert a Dockerfile cell on %1', asText(base)),
    isEnabled: () => Boolean(tracker.currentWidget?.content.model),
    execute: async args => {
      const panel = tracker.currentWidget;
      if (!panel) {
        return;
      }
      const [base, file] = [asText(args.base), asText(args.file)];
      try {
        const source = file
          ? await api.makeCell(panel.context.localPath, file, base)
          : cellOn(base);
        insertDockerfileCell(panel, source);
      } catch (error) {
        const { message, hint } = toRunError(error).detail;
        Notification.error(`${message} ${hint}`.trim());
      }
    }
  });
  commands.addCommand(CommandIDs.showCell, {
    label: trans.__('Show the Dockerfile Cell'),
    caption: trans.__(
      'Go to the Dockerfile cell that is being built, or to the last'
    ),
    isEnabled: ({ path }) =>
      typeof path === 'string' || hasDockerfile(tracker.currentWidget),
    execute: async ({ path, cell }) => {
      const panel =
        tracker.find(({ context }) => context.path === path) ??
        tracker.currentWidget;
      if (!panel) {
        return;
      }
      context.activate(panel);
      const [build] = findBuilds(builds, panel, tracker);
      const last = dockerfileCellsOf(panel).pop()?.id;
      const shown = asText(cell) || (build?.job.cell_id ?? last);
      if (shown !== undefined) {
        await showCell(panel, shown);
      }
    }
  });
}

function asText(value: unknown): string {
  return typeof value === 'string' ? stripControls(value) : '';
}

/**
 * The running builds of a notebook. After a rename they are found by their cells; a copy of the
 * notebook has the same cells, so a build whose notebook is open belongs to that one.
 */
export function findBuilds(
  builds: LiveBuilds,
  panel: NotebookPanel | null,
  tracker: Pick<INotebookTracker, 'find'>
): LiveBuild[] {
  const cells = new Set(
    [...(panel?.content.model?.cells ?? [])].map(({ id }) => id)
  );
  const path = panel?.context.localPath;
  const isOpen = (other: string | null) =>
    tracker.find(({ context }) => context.localPath === other) !== undefined;
  return builds.running.filter(
    ({ job }) =>
      job.kind === 'build' &&
      (job.path === path || (cells.has(job.cell_id) && !isOpen(job.path)))
  );
}

function interruptedPanel(
  tracker: INotebookTracker,
  args: Args
): NotebookPanel | null {
  const id = args[SemanticCommand.WIDGET];
  return tracker.find(panel => panel.id === id) ?? tracker.currentWidget;
}

async function cancel(
  context: ICellCommandContext,
  { id }: Args
): Promise<void> {
  const { api, builds, tracker } = context;
  if (typeof id === 'string') {
    await reportFailure(builds.find(id)?.cancel() ?? api.cancel(id));
    return;
  }
  const running = findBuilds(builds, tracker.currentWidget, tracker);
  await Promise.all(running.map(build => reportFailure(build.cancel())));
}

async function reportFailure(cancelling: Promise<unknown>): Promise<void> {
  try {
    await cancelling;
  } catch (error) {
    const { message, hint } = toRunError(error).detail;
    Notification.error(
      trans.__('The build was not stopped: %1 %2', message, hint).trim()
    );
  }
}

async function buildAndRunAll(
  context: ICellCommandContext,
  args: Args
): Promise<boolean> {
  const panel = context.tracker.currentWidget;
  if (!panel) {
    return false;
  }
  return context.runWithOptions(panel, optionsFrom(args), () =>
    NotebookActions.runAll(
      panel.content,
      panel.sessionContext,
      context.dialogs ?? undefined
    )
  );
}

/** Build without running the other cells: a kernel that has run cells is kept unless asked. */
async function buildCells(
  context: ICellCommandContext,
  args: Args
): Promise<boolean> {
  const panel = context.tracker.currentWidget;
  if (!panel) {
    return false;
  }
  const ids = dockerfileCellsOf(panel).map(({ id }) => id);
  return context.runWithOptions(panel, optionsFrom(args), () =>
    NotebookActions.runCells(
      panel.content,
      panel.content.widgets.filter(({ model }) => ids.includes(model.id)),
      panel.sessionContext,
      context.dialogs ?? undefined
    )
  );
}

function optionsFrom(args: Args): IBuildOptions {
  return {
    no_cache: args.no_cache === true,
    update_bases: args.update_bases === true
  };
}
