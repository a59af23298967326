/** Builds, pulls and conversions: the list, and the events of those that run or that somebody looks into. */

import { VDomModel } from '@jupyterlab/ui-components';

import type { Api } from '../api/api';
import { problemOf } from '../api/request';
import type { IImageReference, IJob, IProblem, IProgress } from '../api/types';
import { Source } from './resource';
import type { Server } from './connection';

/** Log lines that are kept of one job. */
const LINES = 400;

/** Milliseconds between two paintings of a job that prints fast. */
const PAINT = 100;

/** Jobs whose events are followed at once: a browser has six connections to a server. */
const FOLLOWED = 2;

/** A transfer inside a job: a layer of a pull. */
export interface ITransfer {
  readonly name: string;
  readonly done: number;
  readonly total: number;
}

/** One job as far as its events tell. */
export class JobView extends VDomModel {
  constructor(
    private readonly api: Api,
    readonly id: string,
    private readonly ended: (job: IJob) => void
  ) {
    super();
  }

  /** The last lines that it printed. */
  readonly lines: string[] = [];
  /** Transfers by name, in the order that they began. */
  readonly transfers = new Map<string, ITransfer>();
  /** The instruction that runs: its number, of how many, its text. */
  step = 0;
  steps = 0;
  text = '';
  /** Why its events cannot be read. */
  error: IProblem | null = null;

  /** Whether events are awaited. */
  get following(): boolean {
    return this._abort !== null;
  }

  /** Whether the last event was seen. */
  get complete(): boolean {
    return this._complete;
  }

  /** Follow from where it was left. */
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
        this.take(event);
      }
    } catch (error) {
      if (!abort.signal.aborted) {
        this.error = problemOf(error);
      }
    }
    if (this._abort === abort) {
      this._abort = null;
    }
    this.paint();
  }

  /** Follow no longer, which frees a connection; the job goes on. */
  leave(): void {
    this._abort?.abort();
    this._abort = null;
    this.error = null;
  }

  override dispose(): void {
    this.leave();
    clearTimeout(this._timer);
    super.dispose();
  }

  private take(event: IProgress): void {
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
          this.ended(event.job);
        }
        break;
    }
    const line = lineOf(event);
    if (line !== null) {
      this.lines.push(line);
      this.lines.splice(0, this.lines.length - LINES);
    }
    this._timer ??= setTimeout(() => this.paint(), PAINT);
  }

  private paint(): void {
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

function lineOf(event: IProgress): string | null {
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

/** A job, and how often the same was asked for and found done. */
export interface ITold {
  readonly job: IJob;
  readonly times: number;
}

/** All jobs of this server. */
export class Jobs extends Source<readonly IJob[]> {
  constructor(
    private readonly api: Api,
    server: Server
  ) {
    super(() => api.jobs(), server);
    this.stateChanged.connect(() => this.attend());
  }

  /** Newest first. */
  get jobs(): readonly IJob[] {
    return this.data ?? [];
  }

  /** The same as one list for people: what was only found to be up to date stands once. */
  get told(): readonly ITold[] {
    const found = new Map<string, ITold>();
    for (const job of this.jobs) {
      const again = job.kind === 'build' && job.result?.reused;
      const { path, cell_id: cell, result } = job;
      const key = again
        ? `${path ?? ''} ${cell} ${result?.name ?? ''}`
        : job.id;
      const newest = found.get(key);
      found.set(
        key,
        newest ? { ...newest, times: newest.times + 1 } : { job, times: 1 }
      );
    }
    return [...found.values()];
  }

  /** Those that have not ended. */
  get running(): readonly IJob[] {
    return this.jobs.filter(isRunning);
  }

  /** A job's events; the same object each time. */
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

  /** Fetch an image. Throws RequestError. */
  async pull(engine: string, reference: string): Promise<IJob> {
    return this.begun(await this.api.pull(engine, reference));
  }

  /** Make an image of one engine another's. Throws RequestError. */
  async convert(image: IImageReference, to: string): Promise<IJob> {
    return this.begun(await this.api.convert(image, to));
  }

  /** Pulls and conversions that run, and the one that was asked for last here if it failed. */
  get fetching(): readonly IJob[] {
    return this.jobs.filter(
      job =>
        job.kind !== 'build' &&
        (isRunning(job) || (job.id === this._asked && job.state === 'failed'))
    );
  }

  private begun(job: IJob): IJob {
    this._asked = job.id;
    this.put([job, ...this.jobs.filter(one => one.id !== job.id)]);
    return job;
  }

  private replace(job: IJob): void {
    this.put(this.jobs.map(one => (one.id === job.id ? job : one)));
  }

  /** Follow the newest running jobs and those whose log is open; leave the others. */
  private attend(): void {
    const ids = this.wanted
      ? new Set([
          ...this.running.slice(0, FOLLOWED).map(job => job.id),
          ...[...this._open].slice(-FOLLOWED)
        ])
      : new Set<string>();
    for (const [id, view] of this._views) {
      if (!ids.has(id)) {
        view.leave();
      }
    }
    for (const id of ids) {
      if (this.jobs.some(job => job.id === id)) {
        void this.view(id).follow();
      }
    }
  }

  override get wanted(): boolean {
    return super.wanted;
  }

  override set wanted(wanted: boolean) {
    super.wanted = wanted;
    this.attend();
  }

  override dispose(): void {
    this._views.forEach(view => view.dispose());
    super.dispose();
  }

  private readonly _open = new Set<string>();
  private _asked = '';
  private readonly _views = new Map<string, JobView>();
}

/** Whether a job has not ended. */
export function isRunning(job: IJob): boolean {
  return job.state === 'waiting' || job.state === 'running';
}
