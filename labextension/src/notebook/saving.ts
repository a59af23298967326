/** Saves of one document, one after the other. */

import type { DocumentRegistry } from '@jupyterlab/docregistry';

const last = new WeakMap<DocumentRegistry.Context, Promise<unknown>>();

/**
 * Save in turn, if `needed` still holds then.
 *
 * JupyterLab compares a file's time with that of its own last save. A save that begins while
 * another one is on its way sees a newer file, and asks whether to overwrite it: "File Changed".
 */
export function saveInTurn(
  context: DocumentRegistry.Context,
  needed: () => boolean = () => true
): Promise<void> {
  const before = last.get(context) ?? Promise.resolve();
  const turn = before
    .catch(() => undefined)
    .then(() => (needed() ? save(context) : undefined));
  last.set(context, turn);
  return turn;
}

/** Save, and once more where the file got another name meanwhile: its old one is not there. */
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
