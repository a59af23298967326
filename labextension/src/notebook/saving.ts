/** Saves a document one time after the other. */

import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import { JSONExt, type PartialJSONValue } from '@lumino/coreutils';

import type { Api } from '../api/api';
import { METADATA } from '../constants';
import { trans } from '../trans';

/** Milliseconds to wait for a server that saves by itself, and between two questions. */
const TIMEOUT = 30000;
const INTERVAL = 250;

type Save = (context: DocumentRegistry.Context) => Promise<void>;

let saveDocument: Save = context => context.save();

/** Save otherwise from now on. */
export function setSave(save: Save): void {
  saveDocument = save;
}

/**
 * Wait until the server has saved a shared document by itself.
 *
 * With jupyter-server-documents, JupyterLab's own save finds a file that it does not know and asks
 * whether to overwrite it. Nothing says when that extension has saved, so the server is asked for
 * the settings in the file, which are what is read there.
 */
export async function untilSaved(
  api: Pick<Api, 'notebook'>,
  context: DocumentRegistry.Context
): Promise<void> {
  if (!context.model.collaborative) {
    return context.save();
  }
  const deadline = Date.now() + TIMEOUT;
  const isSaved = async () => {
    const { asked, error } = await api.notebook(context.localPath);
    const model = context.model as INotebookModel;
    const settings: unknown = model.getMetadata(METADATA) ?? null;
    // Settings that cannot be read are none that can be compared: whoever reads them next says so.
    return (
      Boolean(error) ||
      JSONExt.deepEqual(asked as PartialJSONValue, settings as PartialJSONValue)
    );
  };
  while (!context.isDisposed && !(await isSaved())) {
    if (Date.now() > deadline) {
      throw new Error(
        trans.__(
          'The server has not saved the notebook. Its log may say why; then run the cell again.'
        )
      );
    }
    await new Promise(resolve => setTimeout(resolve, INTERVAL));
  }
}

const pending = new WeakMap<DocumentRegistry.Context, Promise<unknown>>();

/**
 * Save after the running save, if `needed` is still true then.
 *
 * JupyterLab compares a file's time with that of its own last save. A save that begins
 * during another one finds a newer file and asks whether to overwrite it: "File Changed".
 */
export function queueSave(
  context: DocumentRegistry.Context,
  needed: () => boolean = () => true
): Promise<void> {
  const previous = pending.get(context) ?? Promise.resolve();
  const next = previous
    .catch(() => undefined)
    .then(() => (needed() ? save(context) : undefined));
  pending.set(context, next);
  return next;
}

/** Save, and once more if the file was renamed meanwhile, so that the old path is gone. */
async function save(context: DocumentRegistry.Context): Promise<void> {
  const { path } = context;
  try {
    await saveDocument(context);
  } catch (error) {
    if (context.path === path) {
      throw error;
    }
    await saveDocument(context);
  }
}
