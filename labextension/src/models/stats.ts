/** The current use and the log of a container, polled while they are shown. */

import { VDomModel } from '@jupyterlab/ui-components';
import { Poll } from '@lumino/polling';

import type { Api } from '../api/api';
import { RequestError, toProblem } from '../api/request';
import type { IProblem, IStats } from '../api/types';
import type { Connection } from './connection';

/** Milliseconds between two polls, unless the user's settings say otherwise. */
export const DEFAULT_INTERVAL = 3000;

/** Milliseconds between two polls of a container that does not answer. */
const LONGEST_INTERVAL = 30_000;

/** Polls one container at a time. */
export class ContainerStats extends VDomModel {
  constructor(
    private readonly api: Api,
    private readonly connection: Connection
  ) {
    super();
    this.poll = new Poll({
      auto: false,
      factory: () => this.fetchStats(),
      frequency: {
        interval: DEFAULT_INTERVAL,
        backoff: true,
        max: LONGEST_INTERVAL
      },
      name: 'jupyter-containers:live',
      standby: 'when-hidden'
    });
  }

  /** The last answer; null before the first. */
  get latest(): IStats | null {
    return this._latest;
  }

  /** The end of the log; null before it was read. */
  get logs(): string | null {
    return this._logs;
  }

  /** Why the last poll failed. */
  get error(): IProblem | null {
    return this._error;
  }

  /** The container that is polled. */
  get container(): string | null {
    return this._container;
  }

  /** Whether the log is shown. */
  get showLogs(): boolean {
    return this._showLogs;
  }

  set showLogs(show: boolean) {
    this._showLogs = show;
    this.stateChanged.emit();
    this.pollNow();
  }

  /** Milliseconds between two polls. */
  set interval(interval: number) {
    this.poll.frequency = {
      interval,
      backoff: true,
      max: Math.max(LONGEST_INTERVAL, interval)
    };
  }

  /** Poll this container from now on, or none. */
  watch(container: string | null): void {
    if (container === this._container) {
      return;
    }
    this._container = container;
    this._latest = null;
    this._logs = null;
    this._error = null;
    this.stateChanged.emit();
    if (container === null) {
      void this.poll.stop();
    } else {
      this.pollNow();
    }
  }

  override dispose(): void {
    this.poll.dispose();
    super.dispose();
  }

  private pollNow(): void {
    if (this._container !== null && !this.isDisposed) {
      void this.poll.start().then(() => this.poll.refresh());
    }
  }

  private async fetchStats(): Promise<void> {
    const container = this._container;
    if (container === null) {
      return;
    }
    try {
      const [detail, logs] = await Promise.all([
        this.api.container(container),
        this._showLogs ? this.api.logs(container) : null
      ]);
      if (container === this._container) {
        this._latest = detail.stats;
        this._logs = logs ?? this._logs;
        this._error = null;
      }
    } catch (error) {
      // A container that has just ended is no error: the notebook's state shows that.
      const ended = error instanceof RequestError && error.status === 404;
      const isExpected = this.connection.reportError(error) || ended;
      if (container === this._container) {
        this._error = isExpected ? null : toProblem(error);
      }
      this.stateChanged.emit();
      throw error; // the poll waits longer
    }
    this.stateChanged.emit();
  }

  private _container: string | null = null;
  private _error: IProblem | null = null;
  private _logs: string | null = null;
  private _showLogs = false;
  private _latest: IStats | null = null;
  private readonly poll: Poll<void>;
}
