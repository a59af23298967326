/** The user action that runs in a section, and why the last one failed. */

import { VDomModel } from '@jupyterlab/ui-components';

import { toProblem } from '../api/request';
import type { IProblem } from '../api/types';
import type { Connection } from './connection';

/** Runs one action at a time, and keeps the last error until it is dismissed. */
export class Action extends VDomModel {
  constructor(private readonly connection: Connection) {
    super();
  }

  /** The label of the running action, such as `Removing…`; null if none runs. */
  get pending(): string | null {
    return this._pending;
  }

  /** Why the last action failed. */
  get problem(): IProblem | null {
    return this._problem;
  }

  /** Run an operation; false if it throws or resolves to false. */
  async run(
    label: string,
    operation: () => Promise<unknown>
  ): Promise<boolean> {
    this._pending = label;
    this._problem = null;
    this.stateChanged.emit();
    try {
      return (await operation()) !== false;
    } catch (error) {
      this.connection.reportError(error);
      this._problem = toProblem(error);
      return false;
    } finally {
      this._pending = null;
      this.stateChanged.emit();
    }
  }

  /** Forget the last error. */
  dismiss(): void {
    this._problem = null;
    this.stateChanged.emit();
  }

  private _pending: string | null = null;
  private _problem: IProblem | null = null;
}
