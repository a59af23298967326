/** Whether the Jupyter server answers; if not, it is asked until it does. */

import { VDomModel } from '@jupyterlab/ui-components';
import { type ISignal, Signal } from '@lumino/signaling';

import { RequestError } from '../api/request';

/** Milliseconds before the first retry; the delay doubles up to the longest one. */
const FIRST_DELAY = 1000;
const LONGEST_DELAY = 15_000;

/** Whether the server can be reached. `ping` is any cheap request. */
export class Connection extends VDomModel {
  constructor(private readonly ping: () => Promise<unknown>) {
    super();
  }

  /** Whether the last request got no answer. */
  get isLost(): boolean {
    return this._isLost;
  }

  /** Emitted when the server answers again; data may be outdated by then. */
  get restored(): ISignal<this, void> {
    return this._restored;
  }

  /** Call this with each error of a request; true if the server could not be reached. */
  reportError(error: unknown): boolean {
    if (!(error instanceof RequestError) || this.isDisposed) {
      return false;
    }
    if (!error.isUnreachable) {
      return false;
    }
    if (!this._isLost) {
      this._isLost = true;
      this._delay = FIRST_DELAY;
      this.scheduleRetry();
      this.stateChanged.emit();
    }
    return true;
  }

  /** Retry now. */
  async retry(): Promise<void> {
    clearTimeout(this._timer);
    try {
      await this.ping();
    } catch (error) {
      if (this.reportError(error)) {
        this.scheduleRetry();
        return;
      }
      // An error is an answer too.
    }
    if (this._isLost && !this.isDisposed) {
      this._isLost = false;
      this._restored.emit();
      this.stateChanged.emit();
    }
  }

  override dispose(): void {
    clearTimeout(this._timer);
    super.dispose();
  }

  private scheduleRetry(): void {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this.retry(), this._delay);
    this._delay = Math.min(this._delay * 2, LONGEST_DELAY);
  }

  private readonly _restored = new Signal<this, void>(this);
  private _isLost = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _delay = FIRST_DELAY;
}
