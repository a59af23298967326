/** Saves a document one time after the other. */

import type { DocumentRegistry } from '@jupyterlab/docregistry';

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
    await context.save();
  } catch (error) {
    if (context.path === path) {
      throw error;
    }
    await context.save();
  }
}
