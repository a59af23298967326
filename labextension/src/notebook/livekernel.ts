/** The kernel of a notebook, as the server knows it. */

import type { ISessionContext } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { Kernel, KernelSpec } from '@jupyterlab/services';

/** The provisioner of kernels that run in containers. */
const PROVISIONER = 'container-provisioner';

/** Whether the kernels of a spec run in containers; undefined if there is no such spec. */
export function isContainerSpec(
  { specs }: Pick<KernelSpec.IManager, 'specs'>,
  name: string
): boolean | undefined {
  const spec = specs?.kernelspecs[name];
  const provisioner = spec?.metadata?.kernel_provisioner as
    { provisioner_name?: unknown } | undefined;
  return spec && provisioner?.provisioner_name === PROVISIONER;
}

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

/**
 * Tell a session context that its document was renamed.
 *
 * JupyterLab tells it through its session only. Without one, or while one is started, it would
 * start the kernel of the document that had the path before, or of another that has it by now.
 */
export function renameSession({
  localPath,
  sessionContext
}: Pick<DocumentRegistry.Context, 'localPath' | 'sessionContext'>): void {
  if (!sessionContext.session) {
    const _name = PathExt.basename(localPath);
    Object.assign(sessionContext, { _path: localPath, _name });
  }
}
