/** Data fetched from the server: the last answer, whether a request runs, the last error. */

import { VDomModel } from '@jupyterlab/ui-components';

import { toProblem } from '../api/request';
import type { IProblem } from '../api/types';
import type { Connection } from './connection';

/**
 * One piece of data on the server.
 *
 * It is fetched only while it is active; a change in the meantime is remembered. After an error
 * the last answer stays, so that a short failure does not clear the display.
 */
export class Resource<T> extends VDomModel {
  constructor(
    private readonly fetch: () => Promise<T>,
    protected readonly connection: Connection
  ) {
    super();
    connection.restored.connect(this.onRestored);
  }

  /** The last answer; null before the first. */
  get data(): T | null {
    return this._data;
  }

  /** Why the last request failed; null if it succeeded. */
  get error(): IProblem | null {
    return this._error;
  }

  /** Whether a request is running. */
  get loading(): boolean {
    return this._running !== null;
  }

  /** Whether it is shown, and so kept up to date. */
  get active(): boolean {
    return this._active;
  }

  set active(active: boolean) {
    if (active === this._active) {
      return;
    }
    this._active = active;
    if (active && this._stale) {
      void this.refresh();
    }
  }

  /** Call this when the data has changed: fetch it now, or when it becomes active. */
  invalidate(): void {
    this._stale = true;
    if (this._active) {
      void this.refresh();
    }
  }

  /** Set the data from another request's answer. */
  set(data: T): void {
    this._request += 1;
    this._data = data;
    this._error = null;
    this.stateChanged.emit();
  }

  /** Fetch the data. During a request, one more follows it, whose answer is newer. */
  refresh(): Promise<void> {
    this._repeat = this._running !== null;
    this._running ??= this.run();
    return this._running;
  }

  /** Fetch the data unless it is there already. */
  async ensure(): Promise<void> {
    if (this._data === null) {
      await this.refresh();
    }
  }

  override dispose(): void {
    this.connection.restored.disconnect(this.onRestored);
    super.dispose();
  }

  private readonly onRestored = (): void => this.invalidate();

  private async run(): Promise<void> {
    // `_running` must be set before the first signal.
    await Promise.resolve();
    do {
      this._repeat = false;
      this._stale = false;
      this.stateChanged.emit();
      await this.fetchOnce();
    } while (this.shouldRepeat());
    this._running = null;
    this.stateChanged.emit();
  }

  private shouldRepeat(): boolean {
    return this._repeat && !this.isDisposed;
  }

  private async fetchOnce(): Promise<void> {
    const request = (this._request += 1);
    try {
      const data = await this.fetch();
      if (request === this._request) {
        this._data = data;
        this._error = null;
      }
    } catch (error) {
      if (this.connection.reportError(error)) {
        this._stale = true;
      } else if (request === this._request) {
        this._error = toProblem(error);
      }
    }
  }

  private _repeat = false;
  private _data: T | null = null;
  private _error: IProblem | null = null;
  private _running: Promise<void> | null = null;
  private _stale = true;
  private _request = 0;
  private _active = false;
}
