/** Builds a Dockerfile cell and moves its notebook into the image. */

import { trans } from '../trans';
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';

import type { Api } from '../api/api';
import type { IBuildRequest, IJob, Settings } from '../api/types';
import type { LiveBuild, LiveBuilds } from './builds';
import type { AskApproval } from '../notebook/approval';
import type { FailedLines } from './failedlines';
import { chooseMove, earlierDockerfiles, sameSettings } from './move';
import { CellOutput } from './output';
import { countInCell, RunError, toRunError } from './runerror';
import {
  type IBuildNotebook,
  type IPrompts,
  moveToImage
} from './switchkernel';
import type { KernelCells } from './kernelcells';
import type { TypedCells } from './typedcells';

/** A cell to build. */
export interface IBuildCell {
  readonly notebook: IBuildNotebook;
  readonly model: ICodeCellModel;
  /** Whether all cells run, so that a used kernel may end without a question. */
  readonly isWholeRun: () => boolean;
  /** The options of this run. */
  readonly options: IBuildOptions;
}

/** What is built: a request without the notebook's settings. */
export type IBuildSource = Omit<IBuildRequest, 'settings'>;

/** A build that succeeded. */
export interface ICompletedBuild {
  readonly job: IJob;
  /** The request for it; without settings if another page sent it. */
  readonly source: IBuildSource & Partial<Pick<IBuildRequest, 'settings'>>;
}

/** Options of a run for its builds, beside those in the cells. */
export interface IBuildOptions {
  readonly no_cache?: boolean;
  readonly update_bases?: boolean;
}

/** Builds cells; one for each application. */
export class CellBuilder {
  constructor(
    private readonly api: Api,
    private readonly builds: LiveBuilds,
    private readonly failedLines: FailedLines,
    private readonly typedCells: TypedCells,
    private readonly kernelCells: KernelCells,
    private readonly prompts: IPrompts
  ) {}

  /** Cells whose builds have no id so far, and whether Stop was pressed. */
  private readonly pending = new Map<ICellModel, boolean>();

  /** Cancel the builds of these cells as soon as their ids are known. */
  interrupt(cells: Iterable<ICellModel>): void {
    for (const cell of cells) {
      if (this.pending.has(cell)) {
        this.pending.set(cell, true);
      }
    }
  }

  /** Build a cell and move its notebook. Throws RunError, after the cell has shown it. */
  async build(cell: IBuildCell): Promise<void> {
    const { model, notebook } = cell;
    const output = new CellOutput(model);
    output.showRunning();
    this.failedLines.clear(model);
    this.pending.set(model, false);
    await this.reportErrors(model, output, async () => {
      await notebook.save().finally(() => {
        // After saving, so that an empty output does not make the notebook dirty again.
        output.clear();
        output.showRunning();
      });
      const request = {
        ...createRequest(notebook, model.id),
        ...(this.typedCells.has(model) && { typed: true }),
        ...(this.kernelCells.has(model) && { foreign: true })
      };
      const approved: string[] = [];
      const job = await this.buildApproved(
        model,
        output,
        { ...request, ...cell.options },
        approved
      );
      await this.moveNotebook(
        cell,
        { job, source: approved.length ? { ...request, approved } : request },
        !cell.isWholeRun()
      );
    });
  }

  /** Follow a build that this page did not start; resolves to its job when it succeeded. */
  async resume(model: ICodeCellModel, build: LiveBuild): Promise<IJob> {
    const output = new CellOutput(model);
    output.showRunning();
    return this.reportErrors(model, output, () =>
      this.waitFor(model, output, build)
    );
  }

  /** Whether the notebook would have to move to run in a job's image. */
  async wouldMove(notebook: IBuildNotebook, job: IJob): Promise<boolean> {
    if (!job.result?.settings) {
      return false;
    }
    const { kernel } = await this.api.notebook(notebook.path);
    return (
      chooseMove(job.result, { spec: notebook.kernelName, kernel }) !== 'stay'
    );
  }

  /** Move the notebook into the image that was built. Throws RunError. */
  async moveNotebook(
    cell: Pick<IBuildCell, 'model' | 'notebook'>,
    completed: ICompletedBuild,
    confirmMove: boolean
  ): Promise<void> {
    const { notebook } = cell;
    const { result } = await this.updateJob(cell, completed);
    if (!result || notebook.isDisposed) {
      return;
    }
    const { path } = notebook;
    try {
      await moveToImage(this.api, notebook, this.prompts, {
        result,
        confirmMove
      });
    } catch (error) {
      // The notebook was renamed meanwhile: repeat it for the new path.
      if (toRunError(error).silent || notebook.path === path) {
        throw error;
      }
      await this.moveNotebook(cell, completed, confirmMove);
    }
  }

  /**
   * The job for the current path and settings of the notebook.
   *
   * The settings of a result are computed from the request. If the notebook was renamed or got
   * other settings since then, the same build is requested again, which finds its image.
   */
  private async updateJob(
    { model, notebook }: Pick<IBuildCell, 'model' | 'notebook'>,
    { job, source }: ICompletedBuild
  ): Promise<IJob> {
    let current = job;
    let lastSent = source;
    while (current.result?.settings && !notebook.isDisposed) {
      const { path, settings } = notebook;
      if (
        lastSent.path === path &&
        isSameSettings(lastSent.settings, settings)
      ) {
        break;
      }
      lastSent = { ...source, path, settings };
      const { reused } = current.result;
      const { build } = current.result.settings;
      const sameBuild = settings && build ? { ...settings, build } : settings;
      const request = { ...source, path, settings: sameBuild };
      const rebuilt = await this.start(model, request);
      current = await rebuilt.ended;
      if (!current.result?.reused) {
        current = await this.waitFor(model, new CellOutput(model), rebuilt);
      } else if (!reused) {
        current = { ...current, result: { ...current.result, reused } };
      }
    }
    return current;
  }

  /**
   * Build, and ask about a cell that the user did not write, and about what the build would read
   * outside of the notebook's folder; the answers are added to `approved`. Nothing is read before.
   */
  private async buildApproved(
    model: ICodeCellModel,
    output: CellOutput,
    request: IBuildRequest,
    approved: string[]
  ): Promise<IJob> {
    for (;;) {
      try {
        const build = await this.start(
          model,
          approved.length ? { ...request, approved } : request
        );
        return await this.waitFor(model, output, build);
      } catch (error) {
        const { detail } = toRunError(error);
        const ask = this.questionFor(detail.type);
        const items = (ask && detail.items) ?? [];
        if (!ask || items.every(item => approved.includes(item))) {
          throw error;
        }
        // Nothing has failed so far.
        output.clear();
        output.showRunning();
        if (!(await ask(items))) {
          throw error;
        }
        approved.push(...items.filter(item => !approved.includes(item)));
      }
    }
  }

  /** The question that an error stands for. */
  private questionFor(type: string): AskApproval | null {
    switch (type) {
      case 'CellNotApproved':
        return items => this.prompts.askCell(items);
      case 'BuildNotApproved':
        return items => this.prompts.askReading(items);
      default:
        return null;
    }
  }

  private async start(
    model: ICodeCellModel,
    request: IBuildRequest
  ): Promise<LiveBuild> {
    if (this.pending.get(model)) {
      throw new RunError(cancelled(), true);
    }
    this.pending.set(model, false);
    try {
      const build = this.builds.follow(await this.api.build(request), true);
      if (this.pending.get(model)) {
        await build.cancel();
      }
      return build;
    } finally {
      this.pending.delete(model);
    }
  }

  private async waitFor(
    model: ICodeCellModel,
    output: CellOutput,
    build: LiveBuild
  ): Promise<IJob> {
    output.show(build);
    const job = await build.ended;
    output.show(build);
    if (job.state !== 'done' || model.isDisposed) {
      throw new RunError(
        job.error ?? noImage(),
        job.state === 'cancelled' || model.isDisposed
      );
    }
    return job;
  }

  private async reportErrors<T>(
    model: ICodeCellModel,
    output: CellOutput,
    run: () => Promise<T>
  ): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const source = model.sharedModel.getSource();
      const runError = countInCell(toRunError(error), source);
      output.showError(runError);
      if (!runError.silent) {
        this.failedLines.set(model, runError.detail);
      }
      throw runError;
    } finally {
      this.pending.delete(model);
      output.showIdle();
    }
  }
}

/** The request to build a cell. */
export function createRequest(
  notebook: IBuildNotebook,
  cell: string
): IBuildRequest {
  return { ...readSource(notebook, cell), settings: notebook.settings };
}

/** A cell's source, and the Dockerfile cells above it. */
export function readSource(
  notebook: IBuildNotebook,
  cell: string
): IBuildSource {
  const { cells, path } = notebook;
  const index = cells.findIndex(({ id }) => id === cell);
  const source = cells[index]?.source ?? '';
  const earlier = earlierDockerfiles(cells, cell);
  return { path, source, index, cell_id: cell, earlier };
}

/** Whether the settings are those that were sent; never if these are unknown. */
function isSameSettings(
  sent: Settings | null | undefined,
  settings: Settings | null
): boolean {
  return sent !== undefined && sameSettings(sent, settings);
}

const cancelled = () => ({
  type: 'BuildCancelled',
  message: trans.__('The build was cancelled.'),
  hint: ''
});
const noImage = () => ({
  type: 'BuildError',
  message: trans.__('The build ended without an image.'),
  hint: trans.__(
    'Run the cell again; the log of the Jupyter server may say more.'
  )
});
