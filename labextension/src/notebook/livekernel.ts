/** The kernel that a notebook really has. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';

/**
 * The kernel of a session, as far as the server knows it.
 *
 * A server that was killed and started anew knows none of before. JupyterLab finds out with its
 * next look at the sessions; until then it would restart or change what is not there.
 */
export async function liveKernel(
  context: ISessionContext
): Promise<Kernel.IKernelConnection | null> {
  await context.sessionManager.refreshRunning();
  return context.session?.kernel ?? null;
}
