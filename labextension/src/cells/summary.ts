/** The summary of a build, and what of it is saved in its cell's output: never the log. Pure. */

import type { IDisplayData, IError } from '@jupyterlab/nbformat';

import type { IJob, IServerError } from '../api/types';
import { BUILD_VIEW } from '../constants';
import { formatDuration, stripControls } from '../ui/format';
import type { IBuildState, StepState } from './buildstate';

/** Steps and characters that are saved. */
const MAX_STEPS = 60;
const MAX_TEXT = 200;

/** Lines of a failed instruction's output that are saved. */
const MAX_TAIL = 30;

/** The summary of an instruction. */
export interface IStepSummary {
  readonly number: number;
  readonly text: string;
  readonly state: StepState;
  readonly seconds: number;
}

/** The summary of a build. */
export interface ISummary {
  /** Empty in the saved one of a build that has ended: each run has another. */
  readonly job: string;
  /** The cell's id. */
  readonly cell: string;
  readonly state: IJob['state'];
  readonly engine: string;
  /** The image's name; empty before there is one. */
  readonly image: string;
  readonly reused: boolean;
  readonly seconds: number;
  /** The number of all steps; `steps` may have fewer. */
  readonly total: number;
  readonly steps: readonly IStepSummary[];
}

/** Summarize a build. */
export function summarize(
  job: IJob,
  build: IBuildState,
  seconds: number
): ISummary {
  return {
    job: job.id,
    cell: job.cell_id,
    state: job.state,
    engine: job.engine,
    image: job.result?.reference ?? '',
    reused: job.result?.reused ?? false,
    seconds: Math.round(seconds * 10) / 10,
    total: Math.max(build.total, build.steps.length),
    steps: build.steps.slice(-MAX_STEPS).map(step => ({
      number: step.number,
      text: step.text.slice(0, MAX_TEXT),
      state: step.state,
      seconds: Math.round(step.seconds * 10) / 10
    }))
  };
}

/** A summary in one sentence. */
export function describeSummary(summary: ISummary): string {
  const { state, engine, image, reused, seconds } = summary;
  const parts = [engine, seconds >= 1 ? formatDuration(seconds) : ''];
  const shown = parts.filter(part => part).join(', ');
  const details = shown ? ` (${shown})` : '';
  switch (state) {
    case 'waiting':
    case 'running':
      return `Building an image${engine ? ` (${engine})` : ''} …`;
    case 'done':
      return `${image} is ${reused ? 'up to date' : 'built'}${details}.`;
    case 'failed':
      return `The build failed${details}.`;
    case 'cancelled':
      return `The build was cancelled${details}.`;
  }
}

/** Whether a summary is of a build that has not ended. */
export function isRunning({ state }: Pick<ISummary, 'state'>): boolean {
  return state === 'running' || state === 'waiting';
}

/**
 * The cell's output for a summary. Of a build that has ended it holds nothing that another run of
 * the same cell would change: neither times, nor steps, nor whether the image was there already.
 */
export function createOutput(summary: ISummary): IDisplayData {
  const saved = isRunning(summary)
    ? summary
    : { ...summary, job: '', reused: false, seconds: 0, total: 0, steps: [] };
  return {
    output_type: 'display_data',
    data: {
      'text/plain': stripControls(describeSummary(saved)),
      [BUILD_VIEW]: saved as unknown as IDisplayData['data'][string]
    },
    metadata: {}
  };
}

/** The cell's output for an error: the message, the last lines of output, the hint. */
export function createErrorOutput(error: IServerError): IError {
  const ename = stripControls(error.type);
  const evalue = stripControls(error.message.split('\n', 1)[0] ?? '');
  const traceback = [`\u001b[0;31m${ename}\u001b[0m: ${evalue}`];
  const tail = tailOf(error);
  if (tail) {
    traceback.push('', tail);
  }
  if (error.hint) {
    traceback.push('', `\u001b[1m${stripControls(error.hint)}\u001b[0m`);
  }
  return { output_type: 'error', ename, evalue, traceback };
}

/** The last lines of output: those of the error, or those after its message's first line. */
function tailOf(error: IServerError): string {
  const [, ...rest] = error.message.split('\n');
  const text =
    stripControls(error.tail ?? '').trim() ||
    stripControls(rest.join('\n')).trim();
  return text.split('\n').slice(-MAX_TAIL).join('\n');
}

/** Parse a summary from a notebook, which may hold anything; null if it is none. */
export function parseSummary(data: unknown): ISummary | null {
  if (typeof data !== 'object' || data === null) {
    return null;
  }
  const given = data as Record<string, unknown>;
  const state = STATES.find(known => known === given.state);
  const { job = '' } = given;
  if (!state || typeof job !== 'string') {
    return null;
  }
  const steps = Array.isArray(given.steps) ? given.steps : [];
  return {
    job,
    cell: asText(given.cell),
    state,
    engine: asText(given.engine),
    image: asText(given.image),
    reused: given.reused === true,
    seconds: asNumber(given.seconds),
    total: asNumber(given.total),
    steps: steps.slice(0, MAX_STEPS).flatMap(parseStep)
  };
}

const STATES = ['waiting', 'running', 'done', 'failed', 'cancelled'] as const;
const STEP_STATES = ['running', 'done', 'cached', 'failed', 'stopped'] as const;

function parseStep(data: unknown): IStepSummary[] {
  if (typeof data !== 'object' || data === null) {
    return [];
  }
  const given = data as Record<string, unknown>;
  const state = STEP_STATES.find(known => known === given.state) ?? 'stopped';
  const { number: position, text: instruction, seconds } = given;
  return [
    {
      number: asNumber(position),
      text: asText(instruction),
      state,
      seconds: asNumber(seconds)
    }
  ];
}

function asText(value: unknown): string {
  return typeof value === 'string'
    ? stripControls(value).slice(0, MAX_TEXT)
    : '';
}

function asNumber(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}
