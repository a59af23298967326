/** The kernel of a notebook, as the server knows it. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel } from '@jupyterlab/services';

/**
 * The kernel of a session, after asking the server which sessions it has.
 *
 * A server that was killed and started again does not know the earlier sessions. JupyterLab would
 * restart or change a kernel that does not exist until it polls the sessions the next time.
 */
export async function getLiveKernel(
  context: ISessionContext
): Promise<Kernel.IKernelConnection | null> {
  await context.sessionManager.refreshRunning();
  return context.session?.kernel ?? null;
}
