/** Why a run ends before its time, in words for people. */

import { RequestError } from '../api/request';
import type { IServerError } from '../api/types';

/** Ends a run of cells. `quiet`: the person knows already, since they asked for it. */
export class Stop extends Error {
  constructor(
    readonly said: IServerError,
    readonly quiet = false
  ) {
    super(said.message);
    this.name = said.type;
  }
}

/** Whatever was thrown, as a reason to stop. */
export function stopOf(error: unknown): Stop {
  if (error instanceof Stop) {
    return error;
  }
  if (error instanceof RequestError) {
    return new Stop(error.said);
  }
  const message = error instanceof Error ? error.message : String(error);
  const type = error instanceof Error ? error.name : 'Error';
  return new Stop({ type, message, hint: '' });
}
