/** The state of a build, reduced from its events. Pure. */

import type { IJob, IJobEvent } from '../api/types';

/** Lines of output that are kept; earlier ones are only counted. */
export const LOG_LINES = 2000;

/** Characters of one line that are kept. */
const MAX_LINE = 1000;

/** Transfers that are kept. */
const MAX_TRANSFERS = 100;

/** The state of an instruction. */
export type StepState = 'running' | 'done' | 'cached' | 'failed' | 'stopped';

/** One instruction of the Dockerfile. */
export interface IStep {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** The Dockerfile's line, from 1; 0 if unknown. */
  readonly line: number;
  readonly state: StepState;
  /** The time of its first event, and its duration, in seconds. */
  readonly since: number;
  readonly seconds: number;
}

/** A transfer, such as that of a layer. */
export interface ITransfer {
  readonly text: string;
  readonly done: number;
  /** 0 if unknown. */
  readonly total: number;
}

/** The state of a build. It is changed in place, so that an event does not copy the log. */
export interface IBuildState {
  readonly steps: IStep[];
  /** The number of all steps. */
  total: number;
  readonly log: string[];
  /** The number of lines before those of `log`. */
  dropped: number;
  readonly transfers: Map<string, ITransfer>;
  /** The last line of the log that is not empty. */
  current: string;
  /** The number of the next event. */
  next: number;
}

/** The state before the first event. */
export function createBuildState(): IBuildState {
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

/** Update the state with an event, unless it was applied already. `now` is in seconds. */
export function applyEvent(
  state: IBuildState,
  event: IJobEvent,
  now: number
): void {
  if (event.n < state.next) {
    return;
  }
  state.next = event.n + 1;
  state.total = Math.max(state.total, event.steps);
  switch (event.kind) {
    case 'step':
      beginStep(state, event, now);
      break;
    case 'cached':
      beginStep(state, event, now);
      setStepState(state, event.step, now, 'cached');
      break;
    case 'log':
      setStepState(state, event.step, now, 'running');
      appendLog(state, event.text);
      break;
    case 'notice':
      if (state.steps.some(step => step.number === state.total)) {
        finishStepsBefore(state, Infinity, now); // the image is being written
      }
      appendLog(state, event.text);
      break;
    case 'bytes':
      setTransfer(state, event);
      break;
    case 'end':
      if (event.job) {
        finishSteps(state, event.job, now);
      }
  }
}

/** The bytes of all transfers, done and in total; the total is 0 if unknown. */
export function transferTotals(state: IBuildState): {
  done: number;
  total: number;
} {
  const all = [...state.transfers.values()];
  const sum = (key: 'done' | 'total') =>
    all.reduce((total, transfer) => total + transfer[key], 0);
  const isKnown = all.every(({ total }) => total > 0);
  return { done: sum('done'), total: isKnown ? sum('total') : 0 };
}

function beginStep(state: IBuildState, event: IJobEvent, now: number): void {
  if (event.text) {
    appendLog(
      state,
      event.step ? `[${String(event.step)}] ${event.text}` : event.text
    );
  }
  if (!event.step) {
    return;
  }
  // Engines report the begin of an instruction but not its end: the earlier ones have ended.
  finishStepsBefore(state, event.step, now);
  if (state.steps.some(step => step.number === event.step)) {
    setStepState(state, event.step, now, 'running');
    return;
  }
  state.steps.push({
    number: event.step,
    text: event.text,
    line: event.line,
    state: 'running',
    since: now,
    seconds: 0
  });
  state.steps.sort((a, b) => a.number - b.number);
}

function finishStepsBefore(
  state: IBuildState,
  number: number,
  now: number
): void {
  for (const step of state.steps) {
    if (step.number < number && step.state === 'running') {
      setStepState(state, step.number, now, 'done');
    }
  }
}

function setStepState(
  build: IBuildState,
  number: number,
  now: number,
  state: StepState
): void {
  const at = build.steps.findIndex(step => step.number === number);
  const step = build.steps[at];
  if (step && step.state !== state) {
    build.steps[at] = { ...step, state, seconds: now - step.since };
  }
}

function appendLog(state: IBuildState, text: string): void {
  const line = text.slice(0, MAX_LINE);
  state.current = line.trim() ? line : state.current;
  state.log.push(line);
  // Cut in large pieces: to remove a single line moves all others.
  if (state.log.length >= 2 * LOG_LINES) {
    state.dropped += state.log.splice(0, state.log.length - LOG_LINES).length;
  }
}

function setTransfer(state: IBuildState, event: IJobEvent): void {
  const { text, done, total } = event;
  const name = `${String(event.step)} ${text}`;
  if (state.transfers.size < MAX_TRANSFERS || state.transfers.has(name)) {
    state.transfers.set(name, { text, done, total });
  }
}

/** End the running steps as the job ended; the step of the error's line, or the last, has failed. */
function finishSteps(build: IBuildState, job: IJob, now: number): void {
  const running = build.steps.filter(step => step.state === 'running');
  const line = job.error?.line ?? 0;
  const failed =
    running.find(step => step.line === line && line > 0) ??
    running[running.length - 1];
  for (const step of running) {
    let state: StepState = 'done';
    if (job.state === 'cancelled') {
      state = 'stopped';
    } else if (job.state === 'failed') {
      state = step === failed ? 'failed' : 'stopped';
    }
    setStepState(build, step.number, now, state);
  }
}
