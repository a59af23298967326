/** The builds that this page follows. Fetches; draws nothing. */

import { Signal, type ISignal } from '@lumino/signaling';

import type { Api } from '../api/api';
import { RequestError } from '../api/request';
import type { IJob } from '../api/types';
import { addEvent, emptyFold, type IFold } from './buildstate';

/** Milliseconds between two drawings. */
const PACE = 100;

/** Milliseconds of reading after which the page gets its turn. */
const BREATH = 8;

/** Ended builds whose log can still be shown without asking the server. */
const KEPT = 20;

/** Whether a job has ended, one way or another. */
export function hasEnded(job: IJob): boolean {
  return job.state !== 'waiting' && job.state !== 'running';
}

/** One build (or pull), from its first event on. */
export class LiveBuild {
  /** What its events come to so far. */
  readonly fold: IFold = emptyFold();
  /** The job when it has ended; rejects if the server no longer knows it. */
  readonly ended: Promise<IJob>;
  /** Whether somebody asked to cancel it. */
  cancelling = false;

  private readonly signal = new Signal<this, void>(this);
  private timer: ReturnType<typeof setTimeout> | null = null;
  private latest: IJob;
  private readonly skew: number;

  /** `fresh`: it was started just now, so its clock and ours can be compared. */
  constructor(
    private readonly api: Api,
    job: IJob,
    fresh = false
  ) {
    this.latest = job;
    this.skew = fresh ? Date.now() / 1000 - job.started : 0;
    this.ended = this.follow();
    this.ended.catch(() => undefined);
  }

  /** Something can be drawn anew; at most ten times a second. */
  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** As far as it is known. */
  get job(): IJob {
    return this.latest;
  }

  /** Seconds since its start, or that it took. */
  get elapsed(): number {
    const now = Date.now() / 1000 - this.skew;
    return Math.max(0, (this.latest.ended ?? now) - this.latest.started);
  }

  /** End it; returns when every process of it is gone. Throws RequestError. */
  async cancel(): Promise<void> {
    this.cancelling = true;
    this.draw();
    try {
      await this.api.cancel(this.latest.id);
    } catch (error) {
      this.cancelling = false;
      this.draw();
      throw error;
    }
  }

  private async follow(): Promise<IJob> {
    let turn = performance.now();
    for await (const event of this.api.events(this.latest.id)) {
      addEvent(this.fold, event, Date.now() / 1000);
      if (event.job) {
        this.latest = event.job;
      } else if (this.latest.state === 'waiting' && event.kind !== 'notice') {
        this.latest = { ...this.latest, state: 'running' };
      }
      this.draw();
      if (performance.now() - turn > BREATH) {
        await new Promise(resolve => setTimeout(resolve));
        turn = performance.now();
      }
    }
    return this.latest;
  }

  private draw(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.signal.emit();
    }, PACE);
  }
}

/** All that are followed; one per application. */
export class LiveBuilds {
  private readonly builds = new Map<string, LiveBuild>();
  private readonly signal = new Signal<this, LiveBuild>(this);

  constructor(private readonly api: Api) {}

  /** One more is followed, or one has ended. */
  get changed(): ISignal<this, LiveBuild> {
    return this.signal;
  }

  /** The build of that id, if this page follows it. */
  find(id: string): LiveBuild | undefined {
    return this.builds.get(id);
  }

  /** Those that run. */
  get running(): LiveBuild[] {
    return [...this.builds.values()].filter(build => !hasEnded(build.job));
  }

  /** Follow a job from its first event on. Twice is fine. */
  follow(job: IJob, fresh = false): LiveBuild {
    const known = this.builds.get(job.id);
    if (known) {
      return known;
    }
    const build = new LiveBuild(this.api, job, fresh);
    this.builds.set(job.id, build);
    const tell = () => {
      this.signal.emit(build);
    };
    build.ended.then(tell, () => {
      this.builds.delete(job.id);
      tell();
    });
    this.forgetOld();
    tell();
    return build;
  }

  /** Follow a build by its id; undefined where the server does not know it any more. */
  async watch(id: string): Promise<LiveBuild | undefined> {
    const known = this.builds.get(id);
    if (known) {
      return known;
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

  private forgetOld(): void {
    const ended = [...this.builds.values()].filter(one => hasEnded(one.job));
    for (const old of ended.slice(0, Math.max(0, ended.length - KEPT))) {
      this.builds.delete(old.job.id);
    }
  }
}
