/** The builds that this page follows. */

import { Signal, type ISignal } from '@lumino/signaling';

import type { Api } from '../api/api';
import { RequestError } from '../api/request';
import type { IJob } from '../api/types';
import { applyEvent, createBuildState, type IBuildState } from './buildstate';

/** Milliseconds between two signals of a build. */
const SIGNAL_DELAY = 100;

/** Milliseconds of reading events after which the page may handle others. */
const MAX_BLOCKING = 8;

/** Ended builds that are kept, so that their logs can be shown. */
const MAX_ENDED = 20;

/** Whether a job has ended. */
export function hasEnded(job: IJob): boolean {
  return job.state !== 'waiting' && job.state !== 'running';
}

/** How a cell's build has ended, as its output says. */
export interface IEndedBuild {
  readonly cell: string;
  readonly state: IJob['state'];
  /** Empty without an image. */
  readonly image: string;
}

function hasEndedSo(job: IJob, { cell, state, image }: IEndedBuild): boolean {
  return (
    job.kind === 'build' &&
    hasEnded(job) &&
    job.cell_id === cell &&
    job.state === state &&
    (job.result?.reference ?? '') === image
  );
}

/** Follows one build, or another job, from its first event on. */
export class LiveBuild {
  /** Its steps, transfers and log so far. */
  readonly progress: IBuildState = createBuildState();
  /** Resolves to the job when it has ended; rejects if the server no longer knows it. */
  readonly ended: Promise<IJob>;
  /** Whether its cell's output shows it. */
  isShown = false;
  /** Whether it is being cancelled. */
  cancelling = false;

  private readonly _changed = new Signal<this, void>(this);
  private timer: ReturnType<typeof setTimeout> | null = null;
  private _job: IJob;
  private readonly clockOffset: number;

  /** `fresh`: the job was started just now, so its start tells the server's clock. */
  constructor(
    private readonly api: Api,
    job: IJob,
    fresh = false
  ) {
    this._job = job;
    this.clockOffset = fresh ? Date.now() / 1000 - job.started : 0;
    this.ended = this.followEvents();
    this.ended.catch(() => undefined);
  }

  /** Emitted after changes, at most ten times a second. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The job, as far as it is known. */
  get job(): IJob {
    return this._job;
  }

  /** Seconds from its start until now, or until its end. */
  get elapsed(): number {
    const now = Date.now() / 1000 - this.clockOffset;
    return Math.max(0, (this._job.ended ?? now) - this._job.started);
  }

  /** Cancel it; resolves when its processes have ended. Throws RequestError. */
  async cancel(): Promise<void> {
    this.cancelling = true;
    this.emitChange();
    try {
      await this.api.cancel(this._job.id);
    } catch (error) {
      this.cancelling = false;
      this.emitChange();
      throw error;
    }
  }

  private async followEvents(): Promise<IJob> {
    let lastPause = performance.now();
    for await (const event of this.api.events(this._job.id)) {
      applyEvent(this.progress, event, Date.now() / 1000);
      if (event.job) {
        this._job = event.job;
      } else if (this._job.state === 'waiting' && event.kind !== 'notice') {
        this._job = { ...this._job, state: 'running' };
      }
      this.emitChange();
      if (performance.now() - lastPause > MAX_BLOCKING) {
        await new Promise(resolve => setTimeout(resolve));
        lastPause = performance.now();
      }
    }
    return this._job;
  }

  private emitChange(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this._changed.emit();
    }, SIGNAL_DELAY);
  }
}

/** The builds that this page follows; one for each application. */
export class LiveBuilds {
  private readonly builds = new Map<string, LiveBuild>();
  private readonly _changed = new Signal<this, LiveBuild>(this);

  constructor(private readonly api: Api) {}

  /** Emitted when a build is added, and when it ends. */
  get changed(): ISignal<this, LiveBuild> {
    return this._changed;
  }

  /** The build with that id, if this page follows it. */
  find(id: string): LiveBuild | undefined {
    return this.builds.get(id);
  }

  /** The build that a cell's output shows, by how it has ended, if this page follows it. */
  findEnded(ended: IEndedBuild): LiveBuild | undefined {
    return [...this.builds.values()]
      .reverse()
      .find(({ isShown, job }) => isShown && hasEndedSo(job, ended));
  }

  /** The builds that run. */
  get running(): LiveBuild[] {
    return [...this.builds.values()].filter(build => !hasEnded(build.job));
  }

  /** Follow a job from its first event on, unless it is followed already. */
  follow(job: IJob, fresh = false): LiveBuild {
    const existing = this.builds.get(job.id);
    if (existing) {
      return existing;
    }
    const build = new LiveBuild(this.api, job, fresh);
    this.builds.set(job.id, build);
    const emitChange = () => {
      this._changed.emit(build);
    };
    build.ended.then(emitChange, () => {
      this.builds.delete(job.id);
      emitChange();
    });
    this.removeOldest();
    emitChange();
    return build;
  }

  /** Follow a build by its id; undefined if the server no longer knows it. */
  async followById(id: string): Promise<LiveBuild | undefined> {
    const existing = this.builds.get(id);
    if (existing) {
      return existing;
    }
    try {
      return this.follow(await this.api.job(id));
    } catch (error) {
      if (error instanceof RequestError && error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  /** Follow the last build of a cell that has ended so; undefined if the server knows none. */
  async followEnded(ended: IEndedBuild): Promise<LiveBuild | undefined> {
    const jobs = await this.api.jobs();
    const job = jobs.find(one => hasEndedSo(one, ended));
    const build = job && this.follow(job);
    if (build) {
      build.isShown = true;
    }
    return build;
  }

  private removeOldest(): void {
    const ended = [...this.builds.values()].filter(({ job }) => hasEnded(job));
    for (const old of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) {
      this.builds.delete(old.job.id);
    }
  }
}
