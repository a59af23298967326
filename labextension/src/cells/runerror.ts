/** The error that ends a run of cells. */

import { RequestError } from '../api/request';
import type { IServerError } from '../api/types';
import { cellLine } from './move';

/** Ends a run of cells. `silent`: the user caused it, so it need not be shown. */
export class RunError extends Error {
  constructor(
    readonly detail: IServerError,
    readonly silent = false
  ) {
    super(detail.message);
    this.name = detail.type;
  }
}

/** The error with its lines counted in the cell, as the editor shows them. */
export function countInCell(error: RunError, source: string): RunError {
  const message = error.detail.message.replace(
    /^Dockerfile line (\d+)/,
    (_, line: string) => `Line ${cellLine(source, Number(line)).toString()}`
  );
  return new RunError({ ...error.detail, message }, error.silent);
}

/** Any error as a RunError. */
export function toRunError(error: unknown): RunError {
  if (error instanceof RunError) {
    return error;
  }
  if (error instanceof RequestError) {
    return new RunError(error.detail);
  }
  const message = error instanceof Error ? error.message : String(error);
  const type = error instanceof Error ? error.name : 'Error';
  return new RunError({ type, message, hint: '' });
}
