/** Builds a Dockerfile cell and lets its notebook run in the image. */

import type { ICodeCellModel } from '@jupyterlab/cells';

import type { Api } from '../api';
import type { IBuildRequest, IJob } from '../tokens';
import { decide, earlierDockerfiles } from './decide';
import type { LiveBuild, LiveBuilds } from './live';
import type { FailedLines } from './marks';
import { CellOutput } from './output';
import { settle, type IBuildNotebook, type IQuestions } from './settle';
import { Stop, stopOf } from './stop';

/** A cell of a notebook, to be built. */
export interface IBuildCell {
  readonly notebook: IBuildNotebook;
  readonly model: ICodeCellModel;
  /** Whether a kernel that has run cells may go without a question. */
  readonly isWholeRun: () => boolean;
  /** What the run asks of its builds. */
  readonly options: IBuildOptions;
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

  /** Build and settle. Throws Stop, after the cell has said why. */
  async build(cell: IBuildCell): Promise<void> {
    const { model, notebook } = cell;
    const output = new CellOutput(model);
    output.begin();
    this.marks.clear(model);
    await this.orStop(model, output, async () => {
      await notebook.save().finally(() => {
        // After it: a notebook that was saved need not be saved again for an empty output.
        output.clear();
        output.begin();
      });
      const request = { ...requestOf(notebook, model.id), ...cell.options };
      const build = this.builds.follow(await this.api.build(request), true);
      const job = await this.finish(model, output, build);
      await this.settle(notebook, job, !cell.isWholeRun());
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

  /** Let the notebook run in what a job built. Throws Stop. */
  async settle(
    notebook: IBuildNotebook,
    job: IJob,
    askToDrop: boolean
  ): Promise<void> {
    if (job.result && !notebook.isDisposed) {
      const { result } = job;
      await settle(this.api, notebook, this.questions, { result, askToDrop });
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
      output.end();
    }
  }
}

/** What the server is asked to build. */
export function requestOf(
  notebook: IBuildNotebook,
  cell: string
): IBuildRequest {
  const { cells, path, settings } = notebook;
  const index = cells.findIndex(one => one.id === cell);
  const source = cells[index]?.source ?? '';
  const earlier = earlierDockerfiles(cells, cell);
  return { path, source, index, cell_id: cell, settings, earlier };
}

const UNSAID = {
  type: 'BuildError',
  message: 'The build ended without an image.',
  hint: 'Run the cell again; the log of the Jupyter server may say more.'
};
