/** Executors of other extensions: plain cells are handed to them. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { INotebookCellExecutor } from '@jupyterlab/notebook';

import { extensionOf } from '../notebook/otherexecutor';
import { trans } from '../trans';

/**
 * The plugins of others that run cells. JupyterLab gives all cells to the one that it registered
 * last, which ours never is, so `disabledExtensions` in package.json names all of these. The first
 * of them that is installed runs plain cells: each replaces those below it.
 */
export const KNOWN_EXECUTORS: readonly string[] = [
  '@jupyter-ai-contrib/server-documents:server-cell-executor',
  '@datalayer/jupyter-server-nbmodel:notebook-cell-executor',
  '@jupyter/docprovider-extension:notebook-cell-executor'
];

/** The plugin of jupyter-server-documents by which the server saves shared documents. */
export const SAVES_ON_SERVER =
  '@jupyter-ai-contrib/server-documents:disable-save-plugin';

/** The modules of extensions, as JupyterLab's bootstrap has loaded them. */
type Modules = Record<
  string,
  { get(module: string): Promise<() => unknown> } | undefined
>;

/** The executor that would run cells without ours; undefined where that is JupyterLab's own. */
export async function findExecutor(
  app: JupyterFrontEnd
): Promise<INotebookCellExecutor | undefined> {
  for (const id of KNOWN_EXECUTORS) {
    try {
      const plugin = await findPlugin(id);
      if (plugin) {
        return await activate(app, plugin);
      }
    } catch (error) {
      // Without an executor there would be no notebooks.
      console.warn(`jupyter-containers: ${id} does not start`, error);
      Notification.warning(
        trans.__(
          "%1 does not start, so JupyterLab itself runs cells. The browser's console says why.",
          extensionOf(id)
        )
      );
    }
  }
  return undefined;
}

/** A plugin of an extension that is installed and not disabled. */
async function findPlugin(
  id: string
): Promise<JupyterFrontEndPlugin<INotebookCellExecutor> | undefined> {
  const modules = (window as { _JUPYTERLAB?: Modules })._JUPYTERLAB ?? {};
  const factory = await modules[extensionOf(id)]?.get('./extension');
  const found = (factory?.() as { default?: unknown } | undefined)?.default;
  const plugins = [found].flat() as (
    JupyterFrontEndPlugin<INotebookCellExecutor> | undefined
  )[];
  return plugins.find(plugin => plugin?.id === id);
}

/** Activate a plugin as JupyterLab does. */
async function activate(
  app: JupyterFrontEnd,
  plugin: JupyterFrontEndPlugin<INotebookCellExecutor>
): Promise<INotebookCellExecutor> {
  const services: unknown[] = await Promise.all([
    ...(plugin.requires ?? []).map(token => app.resolveRequiredService(token)),
    ...(plugin.optional ?? []).map(token => app.resolveOptionalService(token))
  ]);
  return plugin.activate(app, ...services);
}
