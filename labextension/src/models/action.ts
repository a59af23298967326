/** What is being done for the person at a section, and why the last thing failed. */

import { VDomModel } from '@jupyterlab/ui-components';

import type { IProblem } from '../api/types';
import { problemOf } from '../api/request';
import type { Server } from './connection';

/** One section's deeds: one at a time, and the last failure until it is read. */
export class Acting extends VDomModel {
  constructor(private readonly server: Server) {
    super();
  }

  /** What is being done, as `Removing…`; null when nothing is. */
  get doing(): string | null {
    return this._doing;
  }

  /** Why the last deed failed. */
  get problem(): IProblem | null {
    return this._problem;
  }

  /** Do something that the server may refuse, or that resolves to false; true where it was done. */
  async run(doing: string, deed: () => Promise<unknown>): Promise<boolean> {
    this._doing = doing;
    this._problem = null;
    this.stateChanged.emit();
    try {
      return (await deed()) !== false;
    } catch (error) {
      this.server.noticed(error);
      this._problem = problemOf(error);
      return false;
    } finally {
      this._doing = null;
      this.stateChanged.emit();
    }
  }

  /** Called when the failure has been read. */
  dismiss(): void {
    this._problem = null;
    this.stateChanged.emit();
  }

  private _doing: string | null = null;
  private _problem: IProblem | null = null;
}
