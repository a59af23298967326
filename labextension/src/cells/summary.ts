/** What of a build stands in its cell's output and is saved: small, and never the log. Pure. */

import type { IDisplayData, IError } from '@jupyterlab/nbformat';

import { duration, plain } from '../ui/format';
import type { IJob, IServerError } from '../api/types';
import { BUILD_VIEW } from '../constants';
import type { IFold, StepState } from './buildstate';

/** Steps and characters that are saved. */
const STEPS = 60;
const TEXT = 200;

/** Lines of a failed instruction's output that are saved. */
const TAIL = 30;

/** One instruction, as it is saved. */
export interface IStepSummary {
  readonly number: number;
  readonly text: string;
  readonly state: StepState;
  readonly seconds: number;
}

/** A build, as it is saved. */
export interface ISummary {
  readonly job: string;
  readonly state: IJob['state'];
  readonly engine: string;
  /** The image's name, once there is one. */
  readonly image: string;
  readonly reused: boolean;
  readonly seconds: number;
  /** How many steps there are; not all of them need be in `steps`. */
  readonly total: number;
  readonly steps: readonly IStepSummary[];
}

/** The summary of a job. */
export function summaryOf(job: IJob, fold: IFold, seconds: number): ISummary {
  return {
    job: job.id,
    state: job.state,
    engine: job.engine,
    image: job.result?.reference ?? '',
    reused: job.result?.reused ?? false,
    seconds: Math.round(seconds * 10) / 10,
    total: Math.max(fold.total, fold.steps.length),
    steps: fold.steps.slice(-STEPS).map(step => ({
      number: step.number,
      text: step.text.slice(0, TEXT),
      state: step.state,
      seconds: Math.round(step.seconds * 10) / 10
    }))
  };
}

/** It in one sentence, for readers that know no more than text. */
export function sentence(summary: ISummary): string {
  const { state, engine, image, reused, seconds } = summary;
  const parts = [engine, seconds >= 1 ? duration(seconds) : ''];
  const how = parts.filter(part => part).join(', ');
  const told = how ? ` (${how})` : '';
  switch (state) {
    case 'waiting':
    case 'running':
      return `Building an image${engine ? ` (${engine})` : ''} …`;
    case 'done':
      return `${image} is ${reused ? 'up to date' : 'built'}${told}.`;
    case 'failed':
      return `The build failed${told}.`;
    case 'cancelled':
      return `The build was cancelled${told}.`;
  }
}

/** The cell's output. */
export function outputOf(summary: ISummary): IDisplayData {
  return {
    output_type: 'display_data',
    data: {
      'text/plain': plain(sentence(summary)),
      [BUILD_VIEW]: summary as unknown as IDisplayData['data'][string]
    },
    metadata: {}
  };
}

/** An error as the cell's output: what happened, what to do, the last lines. */
export function errorOutput(error: IServerError): IError {
  const ename = plain(error.type);
  const evalue = plain(error.message.split('\n', 1)[0] ?? '');
  const traceback = [`\u001b[0;31m${ename}\u001b[0m: ${evalue}`];
  const tail = tailOf(error);
  if (tail) {
    traceback.push('', tail);
  }
  if (error.hint) {
    traceback.push('', `\u001b[1m${plain(error.hint)}\u001b[0m`);
  }
  return { output_type: 'error', ename, evalue, traceback };
}

/** The last output of what failed; some messages bring it along behind their first line. */
function tailOf(error: IServerError): string {
  const [, ...rest] = error.message.split('\n');
  const text = plain(error.tail ?? '').trim() || plain(rest.join('\n')).trim();
  return text.split('\n').slice(-TAIL).join('\n');
}

/** Reads a summary out of a notebook, which anybody may have written. */
export function readSummary(data: unknown): ISummary | null {
  if (typeof data !== 'object' || data === null) {
    return null;
  }
  const given = data as Record<string, unknown>;
  const state = STATES.find(one => one === given.state);
  if (!state || typeof given.job !== 'string') {
    return null;
  }
  const steps = Array.isArray(given.steps) ? given.steps : [];
  return {
    job: given.job,
    state,
    engine: text(given.engine),
    image: text(given.image),
    reused: given.reused === true,
    seconds: number(given.seconds),
    total: number(given.total),
    steps: steps.slice(0, STEPS).flatMap(readStep)
  };
}

const STATES = ['waiting', 'running', 'done', 'failed', 'cancelled'] as const;
const STEP_STATES = ['running', 'done', 'cached', 'failed', 'stopped'] as const;

function readStep(data: unknown): IStepSummary[] {
  if (typeof data !== 'object' || data === null) {
    return [];
  }
  const given = data as Record<string, unknown>;
  const state = STEP_STATES.find(one => one === given.state) ?? 'stopped';
  const { number: n, text: what, seconds } = given;
  return [
    { number: number(n), text: text(what), state, seconds: number(seconds) }
  ];
}

function text(value: unknown): string {
  return typeof value === 'string' ? plain(value).slice(0, TEXT) : '';
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
