/** The commands for Dockerfile cells, and JupyterLab's Stop for builds. */

import {
  Notification,
  SemanticCommand,
  type ISessionContextDialogs
} from '@jupyterlab/apputils';
import type { ICellModel } from '@jupyterlab/cells';
import {
  NotebookActions,
  type INotebookTracker,
  type NotebookPanel
} from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { Api } from '../api/api';
import { CommandIDs } from '../commandids';
import { isDockerfileCell } from '../notebook/highlight';
import type { IBuildOptions } from './builder';
import type { LiveBuild, LiveBuilds } from './builds';
import { toRunError } from './runerror';

type Args = ReadonlyPartialJSONObject;

/** JupyterLab's command behind the Stop button, `I I` and Kernel > Interrupt Kernel. */
const INTERRUPT = 'notebook:interrupt-kernel';

/**
 * The Dockerfile of a new cell, by the usual good practice: a pinned base, labels, one RUN that
 * removes its caches, a working directory.
 */
export const TEMPLATE = `%%dockerfile
# Run this cell, or all: the notebook then runs in what it describes.
FROM docker.io/library/python:3.12-slim

LABEL org.opencontainers.image.title="My analysis" \\
      org.opencontainers.image.description="What this notebook needs"

# Packages at fixed versions, so that it is the same next year. One RUN is one layer: what it
# removes again takes no room in the image.
RUN pip install --no-cache-dir \\
      numpy==2.3.3 \\
      pandas==2.3.2 \\
 && rm -rf /root/.cache /tmp/*

WORKDIR /work
`;

/** The range of the base image's name in the template, which the user changes first. */
export function templateBaseRange(): {
  line: number;
  from: number;
  to: number;
} {
  const lines = TEMPLATE.split('\n');
  const line = lines.findIndex(text => text.startsWith('FROM '));
  return { line, from: 'FROM '.length, to: lines[line]?.length ?? 0 };
}

/** The services that the commands need. */
export interface ICellCommandContext {
  readonly commands: CommandRegistry;
  readonly tracker: INotebookTracker;
  readonly api: Api;
  readonly builds: LiveBuilds;
  readonly dialogs: ISessionContextDialogs | null;
  /** Cancel the builds of these cells that have no id so far. */
  readonly interrupt: (cells: Iterable<ICellModel>) => void;
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
    label: 'Cancel the Build',
    caption: 'Stop the image builds of this notebook',
    isEnabled: ({ id }) =>
      typeof id === 'string' || buildsOf(current()).length > 0,
    execute: args => cancel(context, args)
  });
  commands.addCommand(CommandIDs.buildAndRunAll, {
    label: 'Build and Run All Cells',
    caption:
      'Build the Dockerfile cells and run the others in their image; needs no kernel yet',
    isEnabled: () => Boolean(current()?.content.activeCell),
    execute: args => buildAndRunAll(context, args)
  });
  commands.addCommand(CommandIDs.newCell, {
    label: 'New Dockerfile Cell',
    caption: 'Insert a cell whose Dockerfile becomes this notebook’s kernel',
    isEnabled: () => Boolean(current()?.content.model),
    execute: () => {
      const panel = current();
      if (panel) {
        insertTemplate(panel);
      }
    }
  });
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
      context.interrupt(panel?.content.model?.cells ?? []);
      void Promise.all(
        buildsOf(panel).map(build => reportFailure(build.cancel()))
      );
    }
  });
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
    Notification.error(`The build was not stopped: ${message} ${hint}`.trim());
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
  const options = {
    no_cache: args.no_cache === true,
    update_bases: args.update_bases === true
  };
  return context.runWithOptions(panel, options, () =>
    NotebookActions.runAll(
      panel.content,
      panel.sessionContext,
      context.dialogs ?? undefined
    )
  );
}

/** Insert the template: at the top if there is no Dockerfile cell, else above the active cell. */
function insertTemplate(panel: NotebookPanel): void {
  const notebook = panel.content;
  const cells = [...(notebook.model?.cells ?? [])];
  const hasDockerfile = cells.some(cell =>
    isDockerfileCell(cell.sharedModel.getSource())
  );
  if (!hasDockerfile) {
    notebook.activeCellIndex = 0;
  }
  NotebookActions.insertAbove(notebook);
  const cell = notebook.activeCell;
  if (!cell) {
    return;
  }
  if (cell.model.type !== 'code') {
    NotebookActions.changeCellType(notebook, 'code');
  }
  cell.model.sharedModel.setSource(TEMPLATE.trimEnd());
  notebook.mode = 'edit';
  void cell.ready.then(() => {
    const { line, from, to } = templateBaseRange();
    cell.editor?.setSelection({
      start: { line, column: from },
      end: { line, column: to }
    });
    cell.editor?.focus();
  });
}
