/** Approvals: they hold for the list that the user has read, and for nothing else. */

import type { Api } from '../api/api';
import { RequestError } from '../api/request';
import type { INotebook, Settings } from '../api/types';

/** Shows a list, and resolves to whether the user approves it. */
export type AskApproval = (items: readonly string[]) => Promise<boolean>;

/** Settings of a notebook that are to be approved. */
export interface IApprovalRequest {
  readonly path: string;
  readonly settings: Settings;
  /** What of them is not approved, as far as is known. */
  readonly missing: readonly string[];
  /** The list that the user has read; the user is asked about other items first. */
  readonly shown: readonly string[];
}

/** Whether the user has read all items, or approves them now. */
export async function confirmItems(
  missing: readonly string[],
  shown: readonly string[],
  ask: AskApproval
): Promise<boolean> {
  return missing.every(item => shown.includes(item)) || ask(missing);
}

/**
 * Approve what the user has read; the server's view of the notebook, or null if the user declines.
 *
 * Code in the kernel may change what the settings mean while the user reads, such as the target of
 * a symbolic link. The server then answers with the new list, about which the user is asked again.
 */
export async function approveItems(
  api: Api,
  { path, settings, missing, shown }: IApprovalRequest,
  ask: AskApproval
): Promise<INotebook | null> {
  let items = missing;
  let confirmed = shown;
  for (;;) {
    if (!(await confirmItems(items, confirmed, ask))) {
      return null;
    }
    confirmed = items;
    try {
      return await api.approve(path, settings, confirmed);
    } catch (error) {
      const isIncomplete =
        error instanceof RequestError && error.status === 409;
      if (!isIncomplete || !error.detail.items) {
        throw error;
      }
      items = error.detail.items;
    }
  }
}
