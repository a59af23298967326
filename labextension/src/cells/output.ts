/** What a build leaves in its cell. */

import type { ICodeCellModel } from '@jupyterlab/cells';

import { BUILD_VIEW } from '../constants';
import type { LiveBuild } from './builds';
import type { Stop } from './runerror';
import { errorOutput, outputOf, readSummary, summaryOf } from './summary';

/** A code cell's state and outputs, while it is built. Does nothing once the cell is gone. */
export class CellOutput {
  constructor(private readonly model: ICodeCellModel) {}

  /** The build in the outputs that the notebook was saved with; null without one. */
  get saved(): { job: string; state: string } | null {
    for (let at = 0; at < this.model.outputs.length; at++) {
      const found = readSummary(this.model.outputs.get(at).data[BUILD_VIEW]);
      if (found) {
        return found;
      }
    }
    return null;
  }

  /** The cell is at work: its prompt has a star. */
  begin(): void {
    if (!this.model.isDisposed) {
      this.model.executionState = 'running';
    }
  }

  /** The cell is at rest. */
  end(): void {
    if (!this.model.isDisposed) {
      this.model.executionState = 'idle';
    }
  }

  /** Nothing of an earlier run is left. */
  clear(): void {
    if (!this.model.isDisposed) {
      this.model.sharedModel.transact(() => {
        this.model.clearExecution();
      }, false);
      this.model.trusted = true;
    }
  }

  /** Show a build: live where the page follows it, its summary in the file. */
  show(build: LiveBuild): void {
    if (this.model.isDisposed) {
      return;
    }
    const { outputs } = this.model;
    const summary = summaryOf(build.job, build.fold, build.elapsed);
    const output = outputOf(summary);
    for (let at = 0; at < outputs.length; at++) {
      const shown = readSummary(outputs.get(at).data[BUILD_VIEW]);
      if (shown?.job === summary.job) {
        outputs.set(at, output);
        return;
      }
    }
    outputs.clear();
    outputs.add(output);
  }

  /** Say why it ended. */
  fail(stop: Stop): void {
    if (!this.model.isDisposed && !stop.quiet) {
      this.model.outputs.add(errorOutput(stop.said));
    }
  }
}
