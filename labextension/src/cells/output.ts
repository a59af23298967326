/** The outputs and the prompt of a cell that is built. */

import type { ICodeCellModel } from '@jupyterlab/cells';

import { BUILD_VIEW } from '../constants';
import type { LiveBuild } from './builds';
import type { RunError } from './runerror';
import {
  createErrorOutput,
  createOutput,
  type ISummary,
  parseSummary,
  summarize
} from './summary';

/** A cell's prompt and outputs during a build. Does nothing after the cell was removed. */
export class CellOutput {
  constructor(private readonly model: ICodeCellModel) {}

  /** The build in the saved outputs, or null. */
  get saved(): ISummary | null {
    for (let at = 0; at < this.model.outputs.length; at++) {
      const found = parseSummary(this.model.outputs.get(at).data[BUILD_VIEW]);
      if (found) {
        return found;
      }
    }
    return null;
  }

  /** Show the prompt of a running cell. */
  showRunning(): void {
    if (!this.model.isDisposed) {
      this.model.executionState = 'running';
    }
  }

  /** Show the prompt of an idle cell. */
  showIdle(): void {
    if (!this.model.isDisposed) {
      this.model.executionState = 'idle';
    }
  }

  /** Remove the outputs of an earlier run. */
  clear(): void {
    if (!this.model.isDisposed) {
      this.model.sharedModel.transact(() => {
        this.model.clearExecution();
      }, false);
      this.model.trusted = true;
    }
  }

  /** Show a build: its summary is saved, the renderer adds what this page follows. */
  show(build: LiveBuild): void {
    if (this.model.isDisposed) {
      return;
    }
    build.isShown = true;
    const { outputs } = this.model;
    const summary = summarize(build.job, build.progress, build.elapsed);
    const output = createOutput(summary);
    for (let at = 0; at < outputs.length; at++) {
      const shown = parseSummary(outputs.get(at).data[BUILD_VIEW]);
      if (shown?.job === summary.job) {
        outputs.set(at, output);
        return;
      }
    }
    outputs.clear();
    outputs.add(output);
  }

  /** Show an error, unless it is silent. */
  showError({ detail, silent }: RunError): void {
    if (!this.model.isDisposed && !silent) {
      this.model.outputs.add(createErrorOutput(detail));
    }
  }
}
