/** Comms of kernels: the channel by which widgets load code into the page. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { INotebookModel } from '@jupyterlab/notebook';
import { type Kernel, KernelMessage } from '@jupyterlab/services';

/** The key of saved widgets in a notebook's metadata. */
const WIDGETS = 'widgets';

/**
 * Let connections to kernels handle comms only while `mayConnect` says so of their kernel.
 *
 * JupyterLab drops the messages of a connection that does not. Targets are registered in any case,
 * so that they are there when a notebook's outputs are trusted later.
 */
export function guardComms(
  kernels: Pick<Kernel.IManager, 'connectTo'>,
  mayConnect: (kernel: Kernel.IModel) => boolean
): void {
  const connectTo = kernels.connectTo.bind(kernels);
  const handling = new Map<string, Kernel.IKernelConnection>();
  kernels.connectTo = options => {
    const { id } = options.model;
    const handles = options.handleComms ?? !handling.has(id);
    const connection = connectTo({ ...options, handleComms: handles });
    if (handles) {
      handling.set(id, connection);
      connection.disposed.connect(() => {
        if (handling.get(id) === connection) {
          handling.delete(id);
        }
      });
      guardConnection(connection, () => mayConnect(connection.model));
    }
    return connection;
  };
}

function guardConnection(
  connection: Kernel.IKernelConnection,
  mayConnect: () => boolean
): void {
  let registering = false;
  const registered = (change: () => void) => {
    registering = true;
    change();
    registering = false;
  };
  const register = connection.registerCommTarget.bind(connection);
  const remove = connection.removeCommTarget.bind(connection);
  Object.defineProperty(connection, 'handleComms', {
    get: () => registering || mayConnect()
  });
  connection.registerCommTarget = (name, callback) => {
    registered(() => register(name, callback));
  };
  connection.removeCommTarget = (name, callback) => {
    registered(() => remove(name, callback));
  };
}

/** Ask a notebook's kernel for the state of a widget, as a page does that has lost it. */
export async function askState(
  sessionContext: ISessionContext,
  model: string
): Promise<void> {
  await sessionContext.ready;
  const kernel = sessionContext.session?.kernel;
  kernel?.sendShellMessage(
    KernelMessage.createMessage<KernelMessage.ICommMsgMsg<'shell'>>({
      channel: 'shell',
      content: { comm_id: model, data: { method: 'request_state' } },
      msgType: 'comm_msg',
      session: kernel.clientId,
      username: kernel.username
    })
  );
}

const guarded = new WeakSet<INotebookModel>();

/** Keep the widgets that are saved in a notebook out of sight, and as they are, while isolated. */
export function guardSavedWidgets(
  model: INotebookModel,
  isIsolated: () => boolean
): void {
  if (guarded.has(model)) {
    return;
  }
  guarded.add(model);
  const get = model.getMetadata.bind(model);
  const set = model.setMetadata.bind(model);
  const isHidden = (key: string) => key === WIDGETS && isIsolated();
  model.getMetadata = key =>
    isHidden(key) ? undefined : (get(key) as unknown);
  model.setMetadata = (key, value) => {
    if (!isHidden(key)) {
      set(key, value);
    }
  };
}
