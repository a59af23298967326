/** Whether the Jupyter server answers, and asking again until it does. */

import { VDomModel } from '@jupyterlab/ui-components';
import { type ISignal, Signal } from '@lumino/signaling';

import { RequestError } from '../api/request';

/** Milliseconds before the first try, which doubles up to the longest. */
const FIRST = 1000;
const LONGEST = 15_000;

/** The server's reachability. `ask` is any cheap request. */
export class Server extends VDomModel {
  constructor(private readonly ask: () => Promise<unknown>) {
    super();
  }

  /** Whether the last request got no answer. */
  get gone(): boolean {
    return this._gone;
  }

  /** Emitted when the server answers again: what is shown may be old. */
  get back(): ISignal<this, void> {
    return this._back;
  }

  /** Called with every failed request; true where it failed because the server is gone. */
  noticed(error: unknown): boolean {
    if (!(error instanceof RequestError) || this.isDisposed) {
      return false;
    }
    if (!error.unanswered) {
      return false;
    }
    if (!this._gone) {
      this._gone = true;
      this._wait = FIRST;
      this.later();
      this.stateChanged.emit();
    }
    return true;
  }

  /** Ask now rather than at the next turn. */
  async retry(): Promise<void> {
    clearTimeout(this._timer);
    try {
      await this.ask();
    } catch (error) {
      if (this.noticed(error)) {
        this.later();
        return;
      }
      // It answered, if only with an error.
    }
    if (this._gone && !this.isDisposed) {
      this._gone = false;
      this._back.emit();
      this.stateChanged.emit();
    }
  }

  override dispose(): void {
    clearTimeout(this._timer);
    super.dispose();
  }

  private later(): void {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => void this.retry(), this._wait);
    this._wait = Math.min(this._wait * 2, LONGEST);
  }

  private readonly _back = new Signal<this, void>(this);
  private _gone = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _wait = FIRST;
}
