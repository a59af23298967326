/** Follows builds that this page did not start: those of a page that was closed, or of another. */

import { Notification } from '@jupyterlab/apputils';
import type { Cell, ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Api } from '../api/api';
import type { IJob } from '../api/types';
import { isDockerfileCell } from '../notebook/highlight';
import { getLiveKernel } from '../notebook/livekernel';
import { trans } from '../trans';
import { shortImage } from '../ui/format';
import { type CellBuilder, type ICompletedBuild, readSource } from './builder';
import { hasEnded, type LiveBuilds } from './builds';
import { claimsOf, type IClaim } from './claims';
import { takeRun } from './keptruns';
import { startsWholeRun } from './move';
import { CellOutput } from './output';
import { PanelNotebook, type UsedKernels } from './panelnotebook';
import type { RunQueue } from './queue';
import { toRunError } from './runerror';
import { isRunning } from './summary';

/** Milliseconds to wait for what other pages publish. */
const TIMEOUT = 2000;

/** The services that resuming needs. */
export interface IResumeContext {
  readonly api: Api;
  readonly builds: LiveBuilds;
  readonly builder: CellBuilder;
  readonly usedKernels: UsedKernels;
  /** A panel's queue. */
  readonly queueOf: (panel: NotebookPanel) => RunQueue;
  /** Run cells, as by the user. */
  readonly runCells: (
    panel: NotebookPanel,
    cells: readonly Cell[]
  ) => Promise<boolean>;
}

/** Resume the builds of a notebook that was opened. */
export async function resumeBuilds(
  context: IResumeContext,
  panel: NotebookPanel
): Promise<void> {
  await panel.context.ready;
  if (panel.isDisposed) {
    return;
  }
  // JupyterLab asks for its sessions every ten seconds; until then this page has the old kernel.
  const claims = claimsOf(panel);
  claims.watch(() => void getLiveKernel(panel.sessionContext));
  const cells = dockerfileCells(panel);
  if (cells.length === 0) {
    return;
  }
  const kept = takeRun(panel.context.localPath);
  const jobs = await context.api.jobs();
  const find = (model: ICodeCellModel) =>
    findUnfinished(jobs, panel, model, kept);
  const isBuilding = cells.some(find);
  if (isBuilding && panel.context.model.collaborative) {
    await waitUntil(() => claims.others.length > 0);
  }
  const resumed = new Set<string>();
  for (const model of cells) {
    const job = find(model);
    if (job && !claims.others.some(({ cell }) => cell === model.id)) {
      resumed.add(model.id);
      void resume(context, panel, model, job);
    }
  }
  if (resumed.size > 0 && kept.length > 0) {
    runKept(context, panel, kept, resumed);
  }
}

/** Run the cells again that waited for a build when the page was loaded anew. */
function runKept(
  context: IResumeContext,
  panel: NotebookPanel,
  kept: readonly string[],
  resumed: ReadonlySet<string>
): void {
  const waiting = panel.content.widgets.filter(
    ({ model }) => kept.includes(model.id) && !resumed.has(model.id)
  );
  // The cells have shown their errors.
  context.runCells(panel, waiting).catch(() => undefined);
}

/**
 * Wait for the build of another page, which moves the kernel; or go on with it if the page has
 * left. Resolves to whether this page's cells may run.
 */
export async function waitForPage(
  context: IResumeContext,
  panel: NotebookPanel,
  claim: IClaim
): Promise<boolean> {
  if (!(await claimsOf(panel).ended(claim))) {
    return false;
  }
  const model = panel.isDisposed
    ? undefined
    : dockerfileCells(panel).find(({ id }) => id === claim.cell);
  if (!model) {
    return !panel.isDisposed;
  }
  const output = new CellOutput(model);
  // Outputs may come after the word that the run has ended.
  await waitUntil(() => !isUnfinished(output));
  const job = isUnfinished(output)
    ? findUnfinished(await context.api.jobs(), panel, model)
    : undefined;
  if (job) {
    return continueBuild(context, panel, model, job);
  }
  await getLiveKernel(panel.sessionContext);
  return output.saved?.state === 'done';
}

/** Wait for what another page publishes, if it does. */
async function waitUntil(isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + TIMEOUT;
  while (!isTrue() && Date.now() < deadline) {
    await new Promise(resolve => setTimeout(resolve, 50));
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

/** The job of a cell that runs, or has ended while somebody still waits for it. */
function findUnfinished(
  jobs: readonly IJob[],
  panel: NotebookPanel,
  model: ICodeCellModel,
  kept: readonly string[] = []
): IJob | undefined {
  const job = jobs.find(candidate =>
    buildsCell(candidate, panel.context.localPath, model.id)
  );
  if (!job || model.isDisposed) {
    return undefined;
  }
  const output = new CellOutput(model);
  const isSaved = isUnfinished(output) && output.saved?.job === job.id;
  // It may have ended while the page was loaded anew, with cells that waited for it.
  const isKept = kept[0] === model.id;
  return !hasEnded(job) || isSaved || isKept ? job : undefined;
}

function isUnfinished({ saved }: CellOutput): boolean {
  return saved !== null && isRunning(saved);
}

/** Resume one build. Cells that are run meanwhile wait for it. */
async function resume(
  context: IResumeContext,
  panel: NotebookPanel,
  model: ICodeCellModel,
  job: IJob
): Promise<void> {
  const release = claimsOf(panel).claim(model.id);
  const run = () => continueBuild(context, panel, model, job);
  await context
    .queueOf(panel)
    .resumeBuild(model.id, run)
    // The cell or a notification has shown the error.
    .catch(() => undefined)
    .finally(release);
}

/**
 * Go on with a build that no page follows. Cells that were run meanwhile run in its image, as if
 * its page had not been closed; if there are none, the user is asked whether to move the notebook.
 */
async function continueBuild(
  context: IResumeContext,
  panel: NotebookPanel,
  model: ICodeCellModel,
  job: IJob
): Promise<boolean> {
  const notebook = new PanelNotebook(panel, context.usedKernels);
  // Without settings: those of the request are unknown here.
  const source = readSource(notebook, model.id);
  const { builder, builds } = context;
  const queue = context.queueOf(panel);
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
  Notification.success(
    trans.__('%1 is built. Run this notebook in it?', image),
    {
      autoClose: false,
      actions: [
        {
          label: trans.__('Move the kernel'),
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
    }
  );
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
