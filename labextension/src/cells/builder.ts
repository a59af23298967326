/** Builds a Dockerfile cell and lets its notebook run in the image. */

import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';

import type { Api } from '../api/api';
import type { IBuildRequest, IJob, Settings } from '../api/types';
import { decide, earlierDockerfiles, sameSettings } from './move';
import type { LiveBuild, LiveBuilds } from './builds';
import type { FailedLines } from './failedlines';
import { CellOutput } from './output';
import { settle, type IBuildNotebook, type IQuestions } from './switchkernel';
import { Stop, stopOf } from './runerror';

/** A cell of a notebook, to be built. */
export interface IBuildCell {
  readonly notebook: IBuildNotebook;
  readonly model: ICodeCellModel;
  /** Whether a kernel that has run cells may go without a question. */
  readonly isWholeRun: () => boolean;
  /** What the run asks of its builds. */
  readonly options: IBuildOptions;
}

/** What is built of a notebook, whatever its settings are. */
export type ISource = Omit<IBuildRequest, 'settings'>;

/** A build that is done. */
export interface IDone {
  readonly job: IJob;
  /** What was sent for it; of one that another page sent, only its cell is known. */
  readonly sent: ISource & Partial<Pick<IBuildRequest, 'settings'>>;
}

/** What one run may ask of its builds beyond what their cells say. */
export interface IBuildOptions {
  readonly no_cache?: boolean;
  readonly update_bases?: boolean;
}

/** One per application. */
export class CellBuilder {
  constructor(
    private readonly api: Api,
    private readonly builds: LiveBuilds,
    private readonly marks: FailedLines,
    private readonly questions: IQuestions
  ) {}

  /** Cells whose builds the server has not answered for yet, and whether Stop was pressed. */
  private readonly asking = new Map<ICellModel, boolean>();

  /** Called when Stop is pressed: what was asked for is cancelled as soon as it is known. */
  interrupt(cells: Iterable<ICellModel>): void {
    for (const cell of cells) {
      if (this.asking.has(cell)) {
        this.asking.set(cell, true);
      }
    }
  }

  /** Build and settle. Throws Stop, after the cell has said why. */
  async build(cell: IBuildCell): Promise<void> {
    const { model, notebook } = cell;
    const output = new CellOutput(model);
    output.begin();
    this.marks.clear(model);
    this.asking.set(model, false);
    await this.orStop(model, output, async () => {
      await notebook.save().finally(() => {
        // After it: a notebook that was saved need not be saved again for an empty output.
        output.clear();
        output.begin();
      });
      const sent = requestOf(notebook, model.id);
      const build = await this.begin(model, { ...sent, ...cell.options });
      const job = await this.finish(model, output, build);
      await this.settle(cell, { job, sent }, !cell.isWholeRun());
    });
  }

  /** Take up a build that goes on or has ended without us; its job when it is done. */
  async resume(model: ICodeCellModel, build: LiveBuild): Promise<IJob> {
    const output = new CellOutput(model);
    output.begin();
    return this.orStop(model, output, () => this.finish(model, output, build));
  }

  /** Whether a job's image is another one than what the notebook runs in. */
  async wouldMove(notebook: IBuildNotebook, job: IJob): Promise<boolean> {
    if (!job.result?.settings) {
      return false;
    }
    const { kernel } = await this.api.notebook(notebook.path);
    return decide(job.result, { spec: notebook.spec, kernel }) !== 'stay';
  }

  /** Let the notebook run in what was built. Throws Stop. */
  async settle(
    cell: Pick<IBuildCell, 'model' | 'notebook'>,
    done: IDone,
    askToDrop: boolean
  ): Promise<void> {
    const { notebook } = cell;
    const { result } = await this.forNow(cell, done);
    if (!result || notebook.isDisposed) {
      return;
    }
    const { path } = notebook;
    try {
      await settle(this.api, notebook, this.questions, { result, askToDrop });
    } catch (error) {
      // What was approved was approved of its old name: once more, for the new one.
      if (stopOf(error).quiet || notebook.path === path) {
        throw error;
      }
      await this.settle(cell, done, askToDrop);
    }
  }

  /**
   * The job for the notebook as it is by now. What it is to become was computed from what was
   * sent: where it was renamed since, or other settings were applied, the same build is asked
   * for again, which finds its image.
   */
  private async forNow(
    { model, notebook }: Pick<IBuildCell, 'model' | 'notebook'>,
    { job, sent }: IDone
  ): Promise<IJob> {
    let now = job;
    let last = sent;
    while (now.result?.settings && !notebook.isDisposed) {
      const { path, settings } = notebook;
      if (last.path === path && isSame(last.settings, settings)) {
        break;
      }
      last = { ...sent, path, settings };
      const { reused } = now.result;
      const { build } = now.result.settings;
      const pinned = settings && build ? { ...settings, build } : settings;
      const request = { ...sent, path, settings: pinned };
      const again = await this.begin(model, request);
      now = await again.ended;
      if (!now.result?.reused) {
        now = await this.finish(model, new CellOutput(model), again);
      } else if (!reused) {
        now = { ...now, result: { ...now.result, reused } };
      }
    }
    return now;
  }

  private async begin(
    model: ICodeCellModel,
    request: IBuildRequest
  ): Promise<LiveBuild> {
    if (this.asking.get(model)) {
      throw new Stop(STOPPED, true);
    }
    this.asking.set(model, false);
    try {
      const build = this.builds.follow(await this.api.build(request), true);
      if (this.asking.get(model)) {
        await build.cancel();
      }
      return build;
    } finally {
      this.asking.delete(model);
    }
  }

  private async finish(
    model: ICodeCellModel,
    output: CellOutput,
    build: LiveBuild
  ): Promise<IJob> {
    output.show(build);
    const job = await build.ended;
    output.show(build);
    if (job.state !== 'done' || model.isDisposed) {
      throw new Stop(
        job.error ?? UNSAID,
        job.state === 'cancelled' || model.isDisposed
      );
    }
    return job;
  }

  private async orStop<T>(
    model: ICodeCellModel,
    output: CellOutput,
    run: () => Promise<T>
  ): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const stop = stopOf(error);
      output.fail(stop);
      if (!stop.quiet) {
        this.marks.set(model, stop.said);
      }
      throw stop;
    } finally {
      this.asking.delete(model);
      output.end();
    }
  }
}

/** What the server is asked to build. */
export function requestOf(
  notebook: IBuildNotebook,
  cell: string
): IBuildRequest {
  return { ...sourceOf(notebook, cell), settings: notebook.settings };
}

/** A cell with what it may build on. */
export function sourceOf(notebook: IBuildNotebook, cell: string): ISource {
  const { cells, path } = notebook;
  const index = cells.findIndex(one => one.id === cell);
  const source = cells[index]?.source ?? '';
  const earlier = earlierDockerfiles(cells, cell);
  return { path, source, index, cell_id: cell, earlier };
}

/** Undefined is not known, so never the same. */
function isSame(
  sent: Settings | null | undefined,
  settings: Settings | null
): boolean {
  return sent !== undefined && sameSettings(sent, settings);
}

const STOPPED = {
  type: 'BuildCancelled',
  message: 'The build was cancelled.',
  hint: ''
};
const UNSAID = {
  type: 'BuildError',
  message: 'The build ended without an image.',
  hint: 'Run the cell again; the log of the Jupyter server may say more.'
};
