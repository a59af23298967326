/** The error that ends a run of cells. */

import { RequestError } from '../api/request';
import type { IServerError } from '../api/types';

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
