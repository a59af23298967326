/** Resumes builds that were running when the page was closed. */

import { Notification } from '@jupyterlab/apputils';
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Api } from '../api/api';
import type { IJob } from '../api/types';
import { isDockerfileCell } from '../notebook/highlight';
import { shortImage } from '../ui/format';
import { type CellBuilder, type ICompletedBuild, readSource } from './builder';
import { hasEnded, type LiveBuilds } from './builds';
import { startsWholeRun } from './move';
import { CellOutput } from './output';
import { PanelNotebook, type UsedKernels } from './panelnotebook';
import type { RunQueue } from './queue';
import { toRunError } from './runerror';

/** The services that resuming needs. */
export interface IResumeContext {
  readonly api: Api;
  readonly builds: LiveBuilds;
  readonly builder: CellBuilder;
  readonly usedKernels: UsedKernels;
  /** A panel's queue. */
  readonly queueOf: (panel: NotebookPanel) => RunQueue;
}

/** Resume the builds of a notebook that was opened. */
export async function resumeBuilds(
  context: IResumeContext,
  panel: NotebookPanel
): Promise<void> {
  await panel.context.ready;
  const cells = panel.isDisposed ? [] : dockerfileCells(panel);
  if (cells.length === 0) {
    return;
  }
  const jobs = await context.api.jobs();
  for (const model of cells) {
    const job = jobs.find(candidate =>
      buildsCell(candidate, panel.context.localPath, model.id)
    );
    if (job && !model.isDisposed && isUnfinished(job, model)) {
      void resume(context, panel, model, job);
    }
  }
}

function dockerfileCells(panel: NotebookPanel): ICodeCellModel[] {
  const cells = [...(panel.content.model?.cells ?? [])];
  return cells.filter(
    (cell): cell is ICodeCellModel =>
      cell.type === 'code' && isDockerfileCell(cell.sharedModel.getSource())
  );
}

/** Whether a job builds that cell. */
export function buildsCell(job: IJob, path: string, cell: string): boolean {
  return job.kind === 'build' && job.path === path && job.cell_id === cell;
}

/** Whether a job runs, or has ended while the saved notebook says that it runs. */
function isUnfinished(job: IJob, model: ICodeCellModel): boolean {
  const { saved } = new CellOutput(model);
  const isSavedRunning =
    saved?.state === 'running' || saved?.state === 'waiting';
  return !hasEnded(job) || (saved?.job === job.id && isSavedRunning);
}

/**
 * Resume one build. Cells that are run meanwhile wait for it and run in its image, as if the page
 * had not been closed; if there are none, the user is asked whether to move the notebook.
 */
async function resume(
  context: IResumeContext,
  panel: NotebookPanel,
  model: ICodeCellModel,
  job: IJob
): Promise<void> {
  const notebook = new PanelNotebook(panel, context.usedKernels);
  // Without settings: those of the request are unknown here.
  const source = readSource(notebook, model.id);
  const { builder, builds } = context;
  const queue = context.queueOf(panel);
  const run = async () => {
    const ended = await builder.resume(model, builds.follow(job));
    const completed = { job: ended, source };
    if (queue.size > 1) {
      const isQueued = queue.isQueued.bind(queue);
      const isWholeRun = startsWholeRun(notebook.cells, model.id, isQueued);
      await notifyOnError(
        builder.moveNotebook({ model, notebook }, completed, !isWholeRun)
      );
    } else if (!panel.isDisposed) {
      notifyOnError(offerMove(builder, notebook, model, completed)).catch(
        () => undefined
      );
    }
    return true;
  };
  // The cell or a notification has shown the error.
  await queue.resumeBuild(model.id, run).catch(() => undefined);
}

async function offerMove(
  builder: CellBuilder,
  notebook: PanelNotebook,
  model: ICodeCellModel,
  completed: ICompletedBuild
): Promise<void> {
  if (!(await builder.wouldMove(notebook, completed.job))) {
    return;
  }
  const image = shortImage(completed.job.result?.reference ?? '');
  Notification.success(`${image} is built. Run this notebook in it?`, {
    autoClose: false,
    actions: [
      {
        label: 'Move the kernel',
        displayType: 'accent',
        callback: () => {
          const moving = builder.moveNotebook(
            { model, notebook },
            completed,
            true
          );
          notifyOnError(moving).catch(() => undefined);
        }
      }
    ]
  });
}

/** Show an error after the build as a notification: the cell is idle by then. */
async function notifyOnError(moving: Promise<void>): Promise<void> {
  try {
    await moving;
  } catch (error) {
    const { silent, detail } = toRunError(error);
    if (!silent) {
      const text = `${detail.message} ${detail.hint}`.trim();
      Notification.error(text, { autoClose: false });
    }
    throw error;
  }
}
