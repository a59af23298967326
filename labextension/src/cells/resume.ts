/** Takes up builds that were running when the page was left. */

import { Notification } from '@jupyterlab/apputils';
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Api } from '../api/api';
import { shortImage } from '../ui/format';
import { isDockerfileCell } from '../notebook/highlight';
import type { IJob } from '../api/types';
import { sourceOf, type CellBuilder, type IDone } from './builder';
import { beginsWholeRun } from './move';
import { hasEnded, type LiveBuilds } from './builds';
import { PanelNotebook, type RanKernels } from './panelnotebook';
import { CellOutput } from './output';
import type { RunQueue } from './queue';
import { stopOf } from './runerror';

/** What it needs. */
export interface IResumeParts {
  readonly api: Api;
  readonly builds: LiveBuilds;
  readonly builder: CellBuilder;
  readonly ran: RanKernels;
  /** The order in which a panel's cells run. */
  readonly queueOf: (panel: NotebookPanel) => RunQueue;
}

/** Called for every notebook that is opened. */
export async function resumeBuilds(
  parts: IResumeParts,
  panel: NotebookPanel
): Promise<void> {
  await panel.context.ready;
  const cells = panel.isDisposed ? [] : dockerfileCells(panel);
  if (cells.length === 0) {
    return;
  }
  const jobs = await parts.api.jobs();
  for (const model of cells) {
    const job = jobs.find(one => isOf(one, panel.context.localPath, model.id));
    if (job && !model.isDisposed && isUnfinished(job, model)) {
      void resume(parts, panel, model, job);
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
export function isOf(job: IJob, path: string, cell: string): boolean {
  return job.kind === 'build' && job.path === path && job.cell_id === cell;
}

/** It runs, or ended when nobody looked: the notebook still says that it runs. */
function isUnfinished(job: IJob, model: ICodeCellModel): boolean {
  const { saved } = new CellOutput(model);
  const believed = saved?.state === 'running' || saved?.state === 'waiting';
  return !hasEnded(job) || (saved?.job === job.id && believed);
}

/**
 * Cells that are run while it goes on wait for it and run in its image, as if the page had never
 * been left; where none waits, the person is asked.
 */
async function resume(
  parts: IResumeParts,
  panel: NotebookPanel,
  model: ICodeCellModel,
  job: IJob
): Promise<void> {
  // Settings may have been applied since it was sent: those are not known here.
  const notebook = new PanelNotebook(panel, parts.ran);
  const sent = sourceOf(notebook, model.id);
  const { builder, builds } = parts;
  const queue = parts.queueOf(panel);
  const run = async () => {
    const ended = await builder.resume(model, builds.follow(job));
    const done = { job: ended, sent };
    if (queue.held > 1) {
      const isHeld = queue.isHeld.bind(queue);
      const whole = beginsWholeRun(notebook.cells, model.id, isHeld);
      await told(builder.settle({ model, notebook }, done, !whole));
    } else if (!panel.isDisposed) {
      told(offer(builder, notebook, model, done)).catch(() => undefined);
    }
    return true;
  };
  // What went wrong, the cell or a notification says.
  await queue.resume(model.id, run).catch(() => undefined);
}

async function offer(
  builder: CellBuilder,
  notebook: PanelNotebook,
  model: ICodeCellModel,
  done: IDone
): Promise<void> {
  if (!(await builder.wouldMove(notebook, done.job))) {
    return;
  }
  const image = shortImage(done.job.result?.reference ?? '');
  Notification.success(`${image} is built. Run this notebook in it?`, {
    autoClose: false,
    actions: [
      {
        label: 'Move the kernel',
        displayType: 'accent',
        callback: () => {
          const settled = builder.settle({ model, notebook }, done, true);
          told(settled).catch(() => undefined);
        }
      }
    ]
  });
}

/** What goes wrong after the build stands in a notification: the cell is at rest. */
async function told(doing: Promise<void>): Promise<void> {
  try {
    await doing;
  } catch (error) {
    const { quiet, said } = stopOf(error);
    if (!quiet) {
      const text = `${said.message} ${said.hint}`.trim();
      Notification.error(text, { autoClose: false });
    }
    throw error;
  }
}
