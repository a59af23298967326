/** The commands of cells, and Stop for builds. */

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
import { isDockerfileCell } from '../notebook/highlight';
import type { IBuildOptions } from './builder';
import { stopOf } from './runerror';
import { CommandIDs } from '../commandids';
import type { LiveBuild, LiveBuilds } from './builds';

type Args = ReadonlyPartialJSONObject;

/** JupyterLab's command behind the Stop button, `I I` and Kernel > Interrupt Kernel. */
const INTERRUPT = 'notebook:interrupt-kernel';

/**
 * A small Dockerfile by the usual good practice: a pinned base, labels, one RUN that cleans up
 * after itself, a working directory.
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

/** Where the name of the base image stands in it: what one changes first. */
export function baseOfTemplate(): { line: number; from: number; to: number } {
  const lines = TEMPLATE.split('\n');
  const line = lines.findIndex(one => one.startsWith('FROM '));
  return { line, from: 'FROM '.length, to: lines[line]?.length ?? 0 };
}

/** What the commands work on. */
export interface ICommandParts {
  readonly commands: CommandRegistry;
  readonly tracker: INotebookTracker;
  readonly api: Api;
  readonly builds: LiveBuilds;
  readonly dialogs: ISessionContextDialogs | null;
  /** Stop those of these cells' builds that have no id yet. */
  readonly interrupt: (cells: Iterable<ICellModel>) => void;
  /** How builds are asked for during one run of all cells. */
  readonly during: (
    panel: NotebookPanel,
    options: IBuildOptions,
    run: () => Promise<boolean>
  ) => Promise<boolean>;
}

/** Adds them. */
export function addCommands(parts: ICommandParts): void {
  const { commands, tracker, builds } = parts;
  const current = () => tracker.currentWidget;
  const of = (panel: NotebookPanel | null) => buildsOf(builds, panel, tracker);
  commands.addCommand(CommandIDs.cancel, {
    label: 'Cancel the Build',
    caption: 'Stop the image builds of this notebook',
    isEnabled: ({ id }) => typeof id === 'string' || of(current()).length > 0,
    execute: args => cancel(parts, args)
  });
  commands.addCommand(CommandIDs.buildAndRunAll, {
    label: 'Build and Run All Cells',
    caption:
      'Build the Dockerfile cells and run the others in their image; needs no kernel yet',
    isEnabled: () => Boolean(current()?.content.activeCell),
    execute: args => buildAndRunAll(parts, args)
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
  // The registry tells what was executed, by whatever button, menu or key: the kernel gets its
  // interrupt as always, and a build that runs is stopped beside it.
  commands.commandExecuted.connect((_, { id, args }) => {
    if (id === INTERRUPT) {
      const panel = interrupted(tracker, args);
      parts.interrupt(panel?.content.model?.cells ?? []);
      void Promise.all(of(panel).map(build => stop(build.cancel())));
    }
  });
}

/**
 * The builds of a notebook's cells that run. One that was renamed meanwhile is known by its
 * cells, but a copy has the same: builds of a notebook that is open are that one's.
 */
export function buildsOf(
  builds: LiveBuilds,
  panel: NotebookPanel | null,
  tracker: Pick<INotebookTracker, 'find'>
): LiveBuild[] {
  const cells = new Set(
    [...(panel?.content.model?.cells ?? [])].map(c => c.id)
  );
  const path = panel?.context.localPath;
  const isOpen = (other: string | null) =>
    tracker.find(one => one.context.localPath === other) !== undefined;
  return builds.running.filter(
    ({ job }) =>
      job.kind === 'build' &&
      (job.path === path || (cells.has(job.cell_id) && !isOpen(job.path)))
  );
}

function interrupted(
  tracker: INotebookTracker,
  args: Args
): NotebookPanel | null {
  const named = args[SemanticCommand.WIDGET];
  return tracker.find(panel => panel.id === named) ?? tracker.currentWidget;
}

async function cancel(parts: ICommandParts, { id }: Args): Promise<void> {
  const { api, builds, tracker } = parts;
  if (typeof id === 'string') {
    await stop(builds.find(id)?.cancel() ?? api.cancel(id));
    return;
  }
  const running = buildsOf(builds, tracker.currentWidget, tracker);
  await Promise.all(running.map(build => stop(build.cancel())));
}

async function stop(stopping: Promise<unknown>): Promise<void> {
  try {
    await stopping;
  } catch (error) {
    const { message, hint } = stopOf(error).said;
    Notification.error(`The build was not stopped: ${message} ${hint}`.trim());
  }
}

async function buildAndRunAll(
  parts: ICommandParts,
  args: Args
): Promise<boolean> {
  const panel = parts.tracker.currentWidget;
  if (!panel) {
    return false;
  }
  const options = {
    no_cache: args.no_cache === true,
    update_bases: args.update_bases === true
  };
  return parts.during(panel, options, () =>
    NotebookActions.runAll(
      panel.content,
      panel.sessionContext,
      parts.dialogs ?? undefined
    )
  );
}

/** At the top of a notebook that has no Dockerfile cell, else above the active one. */
function insertTemplate(panel: NotebookPanel): void {
  const notebook = panel.content;
  const cells = [...(notebook.model?.cells ?? [])];
  const has = cells.some(cell =>
    isDockerfileCell(cell.sharedModel.getSource())
  );
  if (!has) {
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
    const { line, from, to } = baseOfTemplate();
    cell.editor?.setSelection({
      start: { line, column: from },
      end: { line, column: to }
    });
    cell.editor?.focus();
  });
}
