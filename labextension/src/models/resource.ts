/** What is fetched from the server: the last answer, whether one is awaited, what went wrong. */

import { VDomModel } from '@jupyterlab/ui-components';

import { problemOf } from '../api/request';
import type { IProblem } from '../api/types';
import type { Server } from './connection';

/**
 * One thing on the server.
 *
 * It is fetched only while somebody wants it; a change while nobody does is remembered. An error
 * keeps the last answer, so that a hiccup empties nothing.
 */
export class Source<T> extends VDomModel {
  constructor(
    private readonly fetch: () => Promise<T>,
    private readonly server: Server
  ) {
    super();
    server.back.connect(this.onBack);
  }

  /** The last answer; null before the first. */
  get data(): T | null {
    return this._data;
  }

  /** Why the last request failed; null when it did not. */
  get error(): IProblem | null {
    return this._error;
  }

  /** Whether an answer is awaited. */
  get busy(): boolean {
    return this._run !== null;
  }

  /** Whether somebody looks at it. */
  get wanted(): boolean {
    return this._wanted;
  }

  set wanted(wanted: boolean) {
    if (wanted === this._wanted) {
      return;
    }
    this._wanted = wanted;
    if (wanted && this._stale) {
      void this.refresh();
    }
  }

  /** It changed on the server: fetch it now, or when somebody wants it. */
  invalidate(): void {
    this._stale = true;
    if (this._wanted) {
      void this.refresh();
    }
  }

  /** Take an answer that came another way. */
  put(data: T): void {
    this._turn += 1;
    this._data = data;
    this._error = null;
    this.stateChanged.emit();
  }

  /** Fetch it. One that is asked for while another is under way comes after it: it is newer. */
  refresh(): Promise<void> {
    this._again = this._run !== null;
    this._run ??= this.run();
    return this._run;
  }

  /** Fetch it unless there is an answer already. */
  async ensure(): Promise<void> {
    if (this._data === null) {
      await this.refresh();
    }
  }

  override dispose(): void {
    this.server.back.disconnect(this.onBack);
    super.dispose();
  }

  private readonly onBack = (): void => this.invalidate();

  private async run(): Promise<void> {
    // `_run` must be set before anybody hears of it.
    await Promise.resolve();
    do {
      this._again = false;
      this._stale = false;
      this.stateChanged.emit();
      await this.once();
    } while (this.comesAgain());
    this._run = null;
    this.stateChanged.emit();
  }

  private comesAgain(): boolean {
    return this._again && !this.isDisposed;
  }

  private async once(): Promise<void> {
    const turn = (this._turn += 1);
    try {
      const data = await this.fetch();
      if (turn === this._turn) {
        this._data = data;
        this._error = null;
      }
    } catch (error) {
      if (this.server.noticed(error)) {
        this._stale = true;
      } else if (turn === this._turn) {
        this._error = problemOf(error);
      }
    }
  }

  private _again = false;
  private _data: T | null = null;
  private _error: IProblem | null = null;
  private _run: Promise<void> | null = null;
  private _stale = true;
  private _turn = 0;
  private _wanted = false;
}
