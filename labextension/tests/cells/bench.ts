/** A Dockerfile cell of a notebook, and what builds it. */

import { CodeCellModel } from '@jupyterlab/cells';
import { expect } from 'vitest';

import type { IJob } from '../../src/api/types';
import { CellBuilder } from '../../src/cells/builder';
import { type LiveBuild, LiveBuilds } from '../../src/cells/builds';
import { FailedLines } from '../../src/cells/failedlines';
import { CellOutput } from '../../src/cells/output';
import { KernelCells } from '../../src/cells/kernelcells';
import { RunError } from '../../src/cells/runerror';
import { TypedCells } from '../../src/cells/typedcells';
import {
  event,
  FakeNotebook,
  FakeQuestions,
  FakeServer,
  type Handler,
  job,
  lines,
  state,
  stream
} from './fakes';

/** What the cell holds. */
export const SOURCE = '%%dockerfile\nFROM a\nRUN false';

/** A notebook of one cell, and a server whose build ends as it is told. */
export class Bench {
  readonly model = new CodeCellModel();
  readonly marks = new FailedLines();
  readonly typedCells = new TypedCells();
  readonly kernelCells = new KernelCells();
  readonly notebook: FakeNotebook;
  readonly server: FakeServer;
  readonly builder: CellBuilder;
  readonly builds: LiveBuilds;
  readonly questions: FakeQuestions;

  constructor(
    end: IJob,
    routes: Record<string, Handler> = {},
    { answer = true } = {}
  ) {
    this.questions = new FakeQuestions(answer);
    this.model.sharedModel.setSource(SOURCE);
    const { id } = this.model;
    this.notebook = new FakeNotebook([{ id, type: 'code', source: SOURCE }]);
    this.server = new FakeServer({
      'POST builds': () => [201, job()],
      'GET builds/j1/events': () =>
        stream([
          lines(
            event(0, 'step', { step: 1, steps: 2, line: 1, text: 'FROM a' }),
            event(1, 'log', { text: 'a secret of the log' }),
            event(2, 'end', { job: end })
          )
        ]),
      'GET notebook': () => [200, state()],
      ...routes
    });
    const { api } = this.server;
    this.builds = new LiveBuilds(api);
    this.builder = new CellBuilder(
      api,
      this.builds,
      this.marks,
      this.typedCells,
      this.kernelCells,
      this.questions
    );
  }

  /** The build that the cell's output shows, by what is saved. */
  get shown(): LiveBuild | undefined {
    const { saved } = new CellOutput(this.model);
    return saved ? this.builds.findEnded(saved) : undefined;
  }

  async run(): Promise<RunError | null> {
    try {
      await this.builder.build({
        notebook: this.notebook,
        model: this.model,
        isWholeRun: () => true,
        options: { no_cache: true }
      });
      return null;
    } catch (error) {
      expect(error).toBeInstanceOf(RunError);
      return error as RunError;
    }
  }

  get outputs() {
    return this.model.outputs.toJSON();
  }
}
