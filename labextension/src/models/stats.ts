/** What the running container uses now, and its log; asked again and again while it is seen. */

import { VDomModel } from '@jupyterlab/ui-components';
import { Poll } from '@lumino/polling';

import type { Api } from '../api/api';
import { problemOf, RequestError } from '../api/request';
import type { IProblem, IStats } from '../api/types';
import type { Server } from './connection';

/** Milliseconds between two looks, if nobody says otherwise. */
export const INTERVAL = 3000;

/** Milliseconds between two looks at a container that does not answer. */
const LONGEST = 30_000;

/** Live figures of one container at a time. */
export class Live extends VDomModel {
  constructor(
    private readonly api: Api,
    private readonly server: Server
  ) {
    super();
    this.poll = new Poll({
      auto: false,
      factory: () => this.look(),
      frequency: { interval: INTERVAL, backoff: true, max: LONGEST },
      name: 'jupyter-containers:live',
      standby: 'when-hidden'
    });
  }

  /** The last figures; null before the first. */
  get stats(): IStats | null {
    return this._stats;
  }

  /** The log's end; null before it was read. */
  get logs(): string | null {
    return this._logs;
  }

  /** Why the last look failed. */
  get error(): IProblem | null {
    return this._error;
  }

  /** The container that is looked at. */
  get container(): string | null {
    return this._container;
  }

  /** Whether the log is shown. */
  get showsLogs(): boolean {
    return this._showsLogs;
  }

  set showsLogs(shows: boolean) {
    this._showsLogs = shows;
    this.stateChanged.emit();
    this.now();
  }

  /** Milliseconds between two looks. */
  set interval(interval: number) {
    this.poll.frequency = {
      interval,
      backoff: true,
      max: Math.max(LONGEST, interval)
    };
  }

  /** Look at this container from now on, or at none. */
  watch(container: string | null): void {
    if (container === this._container) {
      return;
    }
    this._container = container;
    this._stats = null;
    this._logs = null;
    this._error = null;
    this.stateChanged.emit();
    if (container === null) {
      void this.poll.stop();
    } else {
      this.now();
    }
  }

  override dispose(): void {
    this.poll.dispose();
    super.dispose();
  }

  private now(): void {
    if (this._container !== null && !this.isDisposed) {
      void this.poll.start().then(() => this.poll.refresh());
    }
  }

  private async look(): Promise<void> {
    const container = this._container;
    if (container === null) {
      return;
    }
    try {
      const [about, logs] = await Promise.all([
        this.api.container(container),
        this._showsLogs ? this.api.logs(container) : null
      ]);
      if (container === this._container) {
        this._stats = about.stats;
        this._logs = logs ?? this._logs;
        this._error = null;
      }
    } catch (error) {
      // One that has just ended is no trouble: the notebook's state says so.
      const ended = error instanceof RequestError && error.status === 404;
      const gone = this.server.noticed(error) || ended;
      if (container === this._container) {
        this._error = gone ? null : problemOf(error);
      }
      this.stateChanged.emit();
      throw error; // the poll waits longer
    }
    this.stateChanged.emit();
  }

  private _container: string | null = null;
  private _error: IProblem | null = null;
  private _logs: string | null = null;
  private _showsLogs = false;
  private _stats: IStats | null = null;
  private readonly poll: Poll<void>;
}
