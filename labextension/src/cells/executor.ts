/** Runs the cells of notebooks: builds Dockerfile cells, and runs others as JupyterLab does. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { Cell, CodeCell } from '@jupyterlab/cells';
import {
  KernelError,
  runCell,
  type INotebookCellExecutor,
  type NotebookPanel
} from '@jupyterlab/notebook';

import { isDockerfileCell } from '../notebook/highlight';
import type { CellBuilder, IBuildOptions } from './builder';
import { claimsOf, type IClaim } from './claims';
import type { KernelCells } from './kernelcells';
import { startsWholeRun } from './move';
import { PanelNotebook, type UsedKernels } from './panelnotebook';
import { RunQueue } from './queue';
import { type RunError, toRunError } from './runerror';

type Options = INotebookCellExecutor.IRunCellOptions;

/** The services that the executor needs. */
export interface IExecutorServices {
  readonly builder: CellBuilder;
  readonly usedKernels: UsedKernels;
  readonly kernelCells: KernelCells;
  /** The panel of a session. */
  readonly panelOf: (context: ISessionContext) => NotebookPanel | undefined;
  /** Wait for a build of another page; resolves to whether cells may run after it. */
  readonly waitForPage: (
    panel: NotebookPanel,
    claim: IClaim
  ) => Promise<boolean>;
}

/**
 * Replaces JupyterLab's cell executor, or another extension's, which still runs plain cells.
 *
 * The notebook tracker requires the executor, so the executor gets what needs the tracker later,
 * by `attach`. Until then, all cells run as in JupyterLab.
 */
export class CellExecutor implements INotebookCellExecutor {
  private services: IExecutorServices | null = null;
  private readonly queues = new WeakMap<NotebookPanel, RunQueue>();
  private readonly buildOptions = new WeakMap<NotebookPanel, IBuildOptions>();
  private readonly awaited = new Set<string>();

  /** `plain` runs what is no Dockerfile cell. */
  constructor(
    private readonly plain: INotebookCellExecutor = Object.freeze({ runCell })
  ) {}

  /** Set the services, once there is a tracker. */
  attach(services: IExecutorServices): void {
    this.services = services;
  }

  /** A panel's queue; always the same object. */
  queueOf(panel: NotebookPanel): RunQueue {
    const queue = this.queues.get(panel) ?? new RunQueue();
    this.queues.set(panel, queue);
    return queue;
  }

  /** Use these options for the builds that begin during `run` in a panel. */
  async runWithOptions(
    panel: NotebookPanel,
    options: IBuildOptions,
    run: () => Promise<boolean>
  ): Promise<boolean> {
    this.buildOptions.set(panel, options);
    try {
      return await run();
    } finally {
      this.buildOptions.delete(panel);
    }
  }

  /** See `INotebookCellExecutor`. */
  runCell(options: Options): Promise<boolean> {
    const { cell, sessionContext } = options;
    const panel = sessionContext && this.services?.panelOf(sessionContext);
    if (!this.services || !panel || !isCode(cell)) {
      return this.plain.runCell(options);
    }
    const queue = this.queueOf(panel);
    const { plain, services } = this;
    const id = cell.model.id;
    this.waitForPages(panel, queue);
    if (isDockerfileCell(cell.model.sharedModel.getSource())) {
      showQueued(cell);
      const buildOptions = this.buildOptions.get(panel) ?? {};
      const run = () =>
        buildCell(services, panel, options, queue, buildOptions);
      const release = claimsOf(panel).claim(id);
      const built = queue.runBuild(id, run).finally(release);
      return resetIfSkipped(cell, built);
    }
    const run = () => runOrdinaryCell(services, plain, options);
    const isWaiting = queue.isBuilding;
    const ran = queue.runCell(id, run, () => {
      showQueued(cell);
    });
    return isWaiting ? resetIfSkipped(cell, ran) : ran;
  }

  /** Let cells that are run from now on wait for the builds of other pages. */
  private waitForPages(panel: NotebookPanel, queue: RunQueue): void {
    for (const claim of claimsOf(panel).others) {
      if (!this.awaited.has(claim.run)) {
        this.awaited.add(claim.run);
        const run = () => this.services?.waitForPage(panel, claim) ?? false;
        queue.resumeBuild(claim.cell, async () => run()).catch(() => undefined);
      }
    }
  }
}

function isCode(cell: Cell): cell is CodeCell {
  return cell.model.type === 'code';
}

/** Show the prompt of a queued cell, as for cells in a kernel's queue. */
function showQueued(cell: CodeCell): void {
  cell.model.executionState = 'running';
}

/** Reset the prompt of a cell that did not run. */
async function resetIfSkipped(
  cell: CodeCell,
  run: Promise<boolean>
): Promise<boolean> {
  const ran = await run;
  if (!ran && !cell.isDisposed) {
    cell.model.executionState = 'idle';
  }
  return ran;
}

async function runOrdinaryCell(
  services: IExecutorServices,
  plain: INotebookCellExecutor,
  options: Options
): Promise<boolean> {
  const { cell, sessionContext } = options;
  if (cell.isDisposed) {
    return false;
  }
  services.kernelCells.watch(sessionContext?.session?.kernel);
  const ran = plain.runCell(options);
  if (sessionContext && cell.model.sharedModel.getSource().trim()) {
    services.usedKernels.markUsed(sessionContext);
  }
  return ran.finally(() => services.kernelCells.mark(options.notebook.cells));
}

async function buildCell(
  services: IExecutorServices,
  panel: NotebookPanel,
  options: Options,
  queue: RunQueue,
  buildOptions: IBuildOptions
): Promise<boolean> {
  const { onCellExecuted, onCellExecutionScheduled } = options;
  const cell = options.cell as CodeCell;
  const isGone = () => cell.isDisposed || panel.isDisposed;
  if (isGone()) {
    return false;
  }
  const { model } = cell;
  const notebook = new PanelNotebook(panel, services.usedKernels);
  const isWholeRun = () =>
    startsWholeRun(notebook.cells, model.id, id => queue.isQueued(id));
  onCellExecutionScheduled({ cell });
  try {
    await services.builder.build({
      notebook,
      model,
      isWholeRun,
      options: buildOptions
    });
  } catch (reason) {
    if (isGone()) {
      return false;
    }
    const error = toKernelError(toRunError(reason));
    onCellExecuted({ cell, success: false, error });
    throw error;
  }
  onCellExecuted({ cell, success: true });
  return true;
}

/** The error as one of a kernel: JupyterLab ends a run for no other. */
function toKernelError({ detail }: RunError): KernelError {
  return new KernelError({
    status: 'error',
    execution_count: 0,
    ename: detail.type,
    evalue: detail.message,
    traceback: []
  });
}
