/** How the cells of a notebook run: Dockerfile cells are built, all others as in JupyterLab. */

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
import { beginsWholeRun } from './move';
import { PanelNotebook, type RanKernels } from './panelnotebook';
import { RunQueue } from './queue';
import { stopOf, type Stop } from './runerror';

type Options = INotebookCellExecutor.IRunCellOptions;

/** What the executor needs, once there are notebooks. */
export interface IExecutorParts {
  readonly builder: CellBuilder;
  readonly ran: RanKernels;
  /** The panel whose session it is. */
  readonly panelOf: (context: ISessionContext) => NotebookPanel | undefined;
}

/**
 * Provides JupyterLab's token.
 *
 * The tracker of notebooks needs the executor, so what the executor needs of the tracker comes
 * later, by `attach`; until then, every cell runs as in JupyterLab.
 */
export class CellExecutor implements INotebookCellExecutor {
  private parts: IExecutorParts | null = null;
  private readonly queues = new WeakMap<NotebookPanel, RunQueue>();
  private readonly options = new WeakMap<NotebookPanel, IBuildOptions>();

  /** Called once, when there is a tracker. */
  attach(parts: IExecutorParts): void {
    this.parts = parts;
  }

  /** The order in which a panel's cells run. */
  queueOf(panel: NotebookPanel): RunQueue {
    const queue = this.queues.get(panel) ?? new RunQueue();
    this.queues.set(panel, queue);
    return queue;
  }

  /** Builds that begin while `run` runs in a panel are asked for with these options. */
  async during(
    panel: NotebookPanel,
    options: IBuildOptions,
    run: () => Promise<boolean>
  ): Promise<boolean> {
    this.options.set(panel, options);
    try {
      return await run();
    } finally {
      this.options.delete(panel);
    }
  }

  /** See `INotebookCellExecutor`. */
  runCell(options: Options): Promise<boolean> {
    const { cell, sessionContext } = options;
    const panel = sessionContext && this.parts?.panelOf(sessionContext);
    if (!this.parts || !panel || !isCode(cell)) {
      return runCell(options);
    }
    const queue = this.queueOf(panel);
    const { parts } = this;
    const id = cell.model.id;
    if (isDockerfileCell(cell.model.sharedModel.getSource())) {
      hold(cell);
      const asked = this.options.get(panel) ?? {};
      const run = () => buildCell(parts, panel, options, queue, asked);
      return atRest(cell, queue.build(id, run));
    }
    const run = () => runPlain(parts, options);
    const waits = queue.isBuilding;
    const ran = queue.plain(id, run, () => {
      hold(cell);
    });
    return waits ? atRest(cell, ran) : ran;
  }
}

function isCode(cell: Cell): cell is CodeCell {
  return cell.model.type === 'code';
}

/** It will run: its prompt has a star, as for cells that a kernel has in its queue. */
function hold(cell: CodeCell): void {
  cell.model.executionState = 'running';
}

/** A cell that did not run has no star. */
async function atRest(cell: CodeCell, run: Promise<boolean>): Promise<boolean> {
  const ran = await run;
  if (!ran && !cell.isDisposed) {
    cell.model.executionState = 'idle';
  }
  return ran;
}

async function runPlain(
  parts: IExecutorParts,
  options: Options
): Promise<boolean> {
  const { cell, sessionContext } = options;
  if (cell.isDisposed) {
    return false;
  }
  const ran = runCell(options);
  if (sessionContext && cell.model.sharedModel.getSource().trim()) {
    parts.ran.note(sessionContext);
  }
  return ran;
}

async function buildCell(
  parts: IExecutorParts,
  panel: NotebookPanel,
  options: Options,
  queue: RunQueue,
  asked: IBuildOptions
): Promise<boolean> {
  const { onCellExecuted, onCellExecutionScheduled } = options;
  const cell = options.cell as CodeCell;
  const isGone = () => cell.isDisposed || panel.isDisposed;
  if (isGone()) {
    return false;
  }
  const { model } = cell;
  const notebook = new PanelNotebook(panel, parts.ran);
  const isWholeRun = () =>
    beginsWholeRun(notebook.cells, model.id, id => queue.isHeld(id));
  onCellExecutionScheduled({ cell });
  try {
    await parts.builder.build({
      notebook,
      model,
      isWholeRun,
      options: asked
    });
  } catch (reason) {
    if (isGone()) {
      return false;
    }
    const error = kernelError(stopOf(reason));
    onCellExecuted({ cell, success: false, error });
    throw error;
  }
  onCellExecuted({ cell, success: true });
  return true;
}

/** As if a kernel had said so: JupyterLab ends a run for no other error. */
function kernelError(stop: Stop): KernelError {
  return new KernelError({
    status: 'error',
    execution_count: 0,
    ename: stop.said.type,
    evalue: stop.said.message,
    traceback: []
  });
}
