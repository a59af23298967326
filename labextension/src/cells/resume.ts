/** Takes up builds that were running when the page was left. */

import { Notification } from '@jupyterlab/apputils';
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Api } from '../api';
import { shortImage } from '../format';
import { isDockerfileCell } from '../highlight';
import type { IJob } from '../tokens';
import { sourceOf, type CellBuilder } from './builder';
import { hasEnded, type LiveBuilds } from './live';
import { PanelNotebook, type RanKernels } from './notebook';
import { CellOutput } from './output';
import { stopOf, type Stop } from './stop';

/** What it needs. */
export interface IResumeParts {
  readonly api: Api;
  readonly builds: LiveBuilds;
  readonly builder: CellBuilder;
  readonly ran: RanKernels;
  /** Whether a cell is being run in this page: then whoever runs it does the rest. */
  readonly isHeld: (panel: NotebookPanel, cell: string) => boolean;
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

async function resume(
  parts: IResumeParts,
  panel: NotebookPanel,
  model: ICodeCellModel,
  job: IJob
): Promise<void> {
  // Settings may have been applied since it was sent: those are not known here.
  const notebook = new PanelNotebook(panel, parts.ran);
  const sent = sourceOf(notebook, model.id);
  let done: IJob;
  try {
    done = await parts.builder.resume(model, parts.builds.follow(job));
  } catch {
    return; // The cell says why.
  }
  if (panel.isDisposed || parts.isHeld(panel, model.id)) {
    return;
  }
  if (!(await parts.builder.wouldMove(notebook, done))) {
    return;
  }
  const image = shortImage(done.result?.reference ?? '');
  Notification.success(`${image} is built. Run this notebook in it?`, {
    autoClose: false,
    actions: [
      {
        label: 'Move the kernel',
        displayType: 'accent',
        callback: () => {
          parts.builder
            .settle({ model, notebook }, { job: done, sent }, true)
            .catch((error: unknown) => {
              tell(stopOf(error));
            });
        }
      }
    ]
  });
}

function tell(stop: Stop): void {
  if (!stop.quiet) {
    const { message, hint } = stop.said;
    Notification.error(`${message} ${hint}`.trim(), { autoClose: false });
  }
}
