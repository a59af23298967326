/** A build's events, folded into what can be shown of it. Pure. */

import type { IJob, IProgress } from '../api/types';

/** Lines of output that are kept; the rest is only counted. */
export const LOG_LINES = 2000;

/** Characters of one line that are kept. */
const LINE = 1000;

/** Transfers that are remembered. */
const TRANSFERS = 100;

/** How far an instruction is. */
export type StepState = 'running' | 'done' | 'cached' | 'failed' | 'stopped';

/** One instruction of the Dockerfile. */
export interface IStep {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** The Dockerfile's line, from 1; 0 where it is not known. */
  readonly line: number;
  readonly state: StepState;
  /** When its first event came, and how long it took, in seconds. */
  readonly since: number;
  readonly seconds: number;
}

/** Something that is fetched. */
export interface ITransfer {
  readonly text: string;
  readonly done: number;
  /** 0 where it is not known. */
  readonly total: number;
}

/** What is known of a build. Grows in place: an event costs no copy of the log. */
export interface IFold {
  readonly steps: IStep[];
  /** How many steps there will be. */
  total: number;
  readonly log: string[];
  /** Lines that came before those of `log`. */
  dropped: number;
  readonly transfers: Map<string, ITransfer>;
  /** The last line of output or notice. */
  current: string;
  /** The number of the event that comes next. */
  next: number;
}

/** Before the first event. */
export function emptyFold(): IFold {
  return {
    steps: [],
    total: 0,
    log: [],
    dropped: 0,
    transfers: new Map(),
    current: '',
    next: 0
  };
}

/** Takes one event in. `now` is in seconds. An event that came before is left out. */
export function addEvent(fold: IFold, event: IProgress, now: number): void {
  if (event.n < fold.next) {
    return;
  }
  fold.next = event.n + 1;
  fold.total = Math.max(fold.total, event.steps);
  switch (event.kind) {
    case 'step':
      begin(fold, event, now);
      break;
    case 'cached':
      begin(fold, event, now);
      change(fold, event.step, now, 'cached');
      break;
    case 'log':
      change(fold, event.step, now, 'running');
      say(fold, event.text);
      break;
    case 'notice':
      if (fold.steps.some(step => step.number === fold.total)) {
        endBefore(fold, Infinity, now); // the image is being written, a kernel fitted
      }
      say(fold, event.text);
      break;
    case 'bytes':
      transfer(fold, event);
      break;
    case 'end':
      if (event.job) {
        finish(fold, event.job, now);
      }
  }
}

/** Bytes that have come and that will, of all that is fetched; the total is 0 where unknown. */
export function fetched(fold: IFold): { done: number; total: number } {
  const all = [...fold.transfers.values()];
  const sum = (key: 'done' | 'total') =>
    all.reduce((found, one) => found + one[key], 0);
  const known = all.every(one => one.total > 0);
  return { done: sum('done'), total: known ? sum('total') : 0 };
}

function begin(fold: IFold, event: IProgress, now: number): void {
  if (event.text) {
    say(
      fold,
      event.step ? `[${String(event.step)}] ${event.text}` : event.text
    );
  }
  if (!event.step) {
    return;
  }
  // Engines say when an instruction begins, not when it ends: the earlier ones have.
  endBefore(fold, event.step, now);
  const known = fold.steps.some(step => step.number === event.step);
  if (known) {
    change(fold, event.step, now, 'running');
    return;
  }
  fold.steps.push({
    number: event.step,
    text: event.text,
    line: event.line,
    state: 'running',
    since: now,
    seconds: 0
  });
  fold.steps.sort((a, b) => a.number - b.number);
}

function endBefore(fold: IFold, number: number, now: number): void {
  for (const step of fold.steps) {
    if (step.number < number && step.state === 'running') {
      change(fold, step.number, now, 'done');
    }
  }
}

function change(
  fold: IFold,
  number: number,
  now: number,
  state: StepState
): void {
  const at = fold.steps.findIndex(step => step.number === number);
  const step = fold.steps[at];
  if (step && step.state !== state) {
    fold.steps[at] = { ...step, state, seconds: now - step.since };
  }
}

function say(fold: IFold, text: string): void {
  const line = text.slice(0, LINE);
  fold.current = line.trim() ? line : fold.current;
  fold.log.push(line);
  // Cut in large pieces: one line at a time would move all others each time.
  if (fold.log.length >= 2 * LOG_LINES) {
    fold.dropped += fold.log.splice(0, fold.log.length - LOG_LINES).length;
  }
}

function transfer(fold: IFold, event: IProgress): void {
  const { text, done, total } = event;
  const name = `${String(event.step)} ${text}`;
  if (fold.transfers.size < TRANSFERS || fold.transfers.has(name)) {
    fold.transfers.set(name, { text, done, total });
  }
}

/** Ends the steps as the job ended: the one that is to blame, or the last, has failed. */
function finish(fold: IFold, job: IJob, now: number): void {
  const running = fold.steps.filter(step => step.state === 'running');
  const line = job.error?.line ?? 0;
  const blamed =
    running.find(step => step.line === line && line > 0) ??
    running[running.length - 1];
  for (const step of running) {
    let state: StepState = 'done';
    if (job.state === 'cancelled') {
      state = 'stopped';
    } else if (job.state === 'failed') {
      state = step === blamed ? 'failed' : 'stopped';
    }
    change(fold, step.number, now, state);
  }
}
