/** Builds, pulls and conversions: the list, and the events of those that run or are open. */

import { VDomModel } from '@jupyterlab/ui-components';

import type { Api } from '../api/api';
import { toProblem } from '../api/request';
import type { IImageReference, IJob, IJobEvent, IProblem } from '../api/types';
import type { Connection } from './connection';
import { Resource } from './resource';

/** Log lines that are kept of one job. */
const MAX_LINES = 400;

/** Milliseconds between two signals of a job that prints fast. */
const SIGNAL_DELAY = 100;

/** Jobs that are followed at the same time: a browser opens six connections to a server. */
const MAX_FOLLOWED = 2;

/** A transfer inside a job: a layer of a pull. */
export interface ITransfer {
  readonly name: string;
  readonly done: number;
  readonly total: number;
}

/** One job's log and progress, from its events. */
export class JobView extends VDomModel {
  constructor(
    private readonly api: Api,
    readonly id: string,
    private readonly onEnded: (job: IJob) => void
  ) {
    super();
  }

  /** The last lines that it printed. */
  readonly lines: string[] = [];
  /** Transfers by name, in the order in which they began. */
  readonly transfers = new Map<string, ITransfer>();
  /** The running instruction: its number, the number of all, its text. */
  step = 0;
  steps = 0;
  text = '';
  /** Why its events cannot be read. */
  error: IProblem | null = null;

  /** Whether its events are being followed. */
  get following(): boolean {
    return this._abort !== null;
  }

  /** Whether its last event was read. */
  get complete(): boolean {
    return this._complete;
  }

  /** Follow its events, from the last one that was read. */
  async follow(): Promise<void> {
    if (this._abort || this._complete || this.error) {
      return;
    }
    const abort = (this._abort = new AbortController());
    try {
      for await (const event of this.api.events(
        this.id,
        this._next,
        abort.signal
      )) {
        this.handleEvent(event);
      }
    } catch (error) {
      if (!abort.signal.aborted) {
        this.error = toProblem(error);
      }
    }
    if (this._abort === abort) {
      this._abort = null;
    }
    this.emitChange();
  }

  /** Stop following, which frees a connection; the job runs on. */
  unfollow(): void {
    this._abort?.abort();
    this._abort = null;
    this.error = null;
  }

  override dispose(): void {
    this.unfollow();
    clearTimeout(this._timer);
    super.dispose();
  }

  private handleEvent(event: IJobEvent): void {
    this._next = event.n + 1;
    switch (event.kind) {
      case 'step':
      case 'cached':
        this.step = event.step || this.step;
        this.steps = event.steps || this.steps;
        this.text = event.text || this.text;
        break;
      case 'bytes':
        this.transfers.set(event.text || event.stage, {
          name: event.text || event.stage,
          done: event.done,
          total: event.total
        });
        break;
      case 'end':
        this._complete = true;
        if (event.job) {
          this.onEnded(event.job);
        }
        break;
    }
    const line = logLine(event);
    if (line !== null) {
      this.lines.push(line);
      this.lines.splice(0, this.lines.length - MAX_LINES);
    }
    this._timer ??= setTimeout(() => this.emitChange(), SIGNAL_DELAY);
  }

  private emitChange(): void {
    clearTimeout(this._timer);
    this._timer = undefined;
    if (!this.isDisposed) {
      this.stateChanged.emit();
    }
  }

  private _abort: AbortController | null = null;
  private _complete = false;
  private _next = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}

function logLine(event: IJobEvent): string | null {
  switch (event.kind) {
    case 'log':
    case 'notice':
      return event.text;
    case 'step':
      return `${String(event.step)}/${String(event.steps)}  ${event.text}`;
    case 'cached':
      return `${event.text} (from the cache)`;
    default:
      return null;
  }
}

/** A job, and how many times its image was found up to date. */
export interface IJobGroup {
  readonly job: IJob;
  readonly count: number;
}

/** All jobs of the server. */
export class Jobs extends Resource<readonly IJob[]> {
  constructor(
    private readonly api: Api,
    connection: Connection
  ) {
    super(() => api.jobs(), connection);
    this.stateChanged.connect(() => this.updateFollowed());
  }

  /** All jobs, the newest first. */
  get jobs(): readonly IJob[] {
    return this.data ?? [];
  }

  /**
   * The jobs; one group is the build of an image with those that found it up to date, so that
   * its log and steps stay.
   */
  get groups(): readonly IJobGroup[] {
    const groups = new Map<string, IJobGroup>();
    for (const job of this.jobs) {
      const { cell_id: cell, path, result } = job;
      const name = job.kind === 'build' ? result?.name : undefined;
      const key = name ? `${path ?? ''} ${cell} ${name}` : job.id;
      const group = groups.get(key);
      const count = result?.reused ? 1 : 0;
      if (!group) {
        groups.set(key, { job, count });
      } else if (count) {
        groups.set(key, { ...group, count: group.count + 1 });
      } else if (group.job.result?.reused) {
        groups.set(key, { ...group, job });
      } else {
        groups.set(job.id, { job, count });
      }
    }
    return [...groups.values()];
  }

  /** The jobs that have not ended. */
  get running(): readonly IJob[] {
    return this.jobs.filter(isRunning);
  }

  /** A job's log and progress; always the same object. */
  view(id: string): JobView {
    let view = this._views.get(id);
    if (!view) {
      view = new JobView(this.api, id, job => this.replace(job));
      this._views.set(id, view);
    }
    return view;
  }

  /** Whether a job's log is open. */
  isOpen(id: string): boolean {
    return this._open.has(id);
  }

  /** Open or close a job's log. */
  toggle(id: string): void {
    if (!this._open.delete(id)) {
      this._open.add(id);
    }
    this.stateChanged.emit();
  }

  /** Pull an image. Throws RequestError. */
  async pull(engine: string, reference: string): Promise<IJob> {
    return this.addJob(await this.api.pull(engine, reference));
  }

  /** Copy an image to another engine. Throws RequestError. */
  async convert(image: IImageReference, to: string): Promise<IJob> {
    return this.addJob(await this.api.convert(image, to));
  }

  /** Pulls and conversions that run, and the last one that was started here if it failed. */
  get transfers(): readonly IJob[] {
    return this.jobs.filter(
      job =>
        job.kind !== 'build' &&
        (isRunning(job) ||
          (job.id === this._lastStarted && job.state === 'failed'))
    );
  }

  private addJob(job: IJob): IJob {
    this._lastStarted = job.id;
    this.set([job, ...this.jobs.filter(other => other.id !== job.id)]);
    return job;
  }

  private replace(job: IJob): void {
    this.set(this.jobs.map(other => (other.id === job.id ? job : other)));
  }

  /** Follow the newest running jobs and those whose log is open, and no others. */
  private updateFollowed(): void {
    const ids = this.active
      ? new Set([
          ...this.running.slice(0, MAX_FOLLOWED).map(job => job.id),
          ...[...this._open].slice(-MAX_FOLLOWED)
        ])
      : new Set<string>();
    for (const [id, view] of this._views) {
      if (!ids.has(id)) {
        view.unfollow();
      }
    }
    for (const id of ids) {
      if (this.jobs.some(job => job.id === id)) {
        void this.view(id).follow();
      }
    }
  }

  override get active(): boolean {
    return super.active;
  }

  override set active(active: boolean) {
    super.active = active;
    this.updateFollowed();
  }

  override dispose(): void {
    this._views.forEach(view => view.dispose());
    super.dispose();
  }

  private readonly _open = new Set<string>();
  private _lastStarted = '';
  private readonly _views = new Map<string, JobView>();
}

/** Whether a job has not ended. */
export function isRunning(job: IJob): boolean {
  return job.state === 'waiting' || job.state === 'running';
}
