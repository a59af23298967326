/** A yes holds for the list that somebody has read, and for nothing else. */

import type { Api } from '../api/api';
import { RequestError } from '../api/request';
import type { INotebook, Settings } from '../api/types';

/** Shows a list and asks for a yes to it. */
export type Ask = (items: readonly string[]) => Promise<boolean>;

/** What is to be approved: settings of a notebook. */
export interface IApproval {
  readonly path: string;
  readonly settings: Settings;
  /** What of them needs a yes, as far as is known. */
  readonly missing: readonly string[];
  /** The list that stands on the screen; what else is missing is asked first. */
  readonly shown: readonly string[];
}

/** Whether all of it was read before, or is agreed to now. */
export async function agreed(
  missing: readonly string[],
  shown: readonly string[],
  ask: Ask
): Promise<boolean> {
  return missing.every(item => shown.includes(item)) || ask(missing);
}

/**
 * Approve what was read: the server's view of the notebook, or null where the person says no.
 *
 * Between reading and yes, code in the kernel may have made the same words mean more, such as a
 * link lead elsewhere: then the server answers with the new list, and that is asked.
 */
export async function approveShown(
  api: Api,
  { path, settings, missing, shown }: IApproval,
  ask: Ask
): Promise<INotebook | null> {
  let items = missing;
  let read = shown;
  for (;;) {
    if (!(await agreed(items, read, ask))) {
      return null;
    }
    read = items;
    try {
      return await api.approve(path, settings, read);
    } catch (error) {
      const more = error instanceof RequestError && error.status === 409;
      if (!more || !error.said.items) {
        throw error;
      }
      items = error.said.items;
    }
  }
}
