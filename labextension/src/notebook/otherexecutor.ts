/** Tells the user that an extension which we do not know runs the cells of the page. */

import type { JupyterFrontEnd, JupyterLab } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import {
  INotebookCellExecutor,
  type INotebookTracker
} from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';

import { trans } from '../trans';
import { isDockerfileCell } from './highlight';

/** That an extension runs all cells in place of ours, and what to do. */
export interface IOtherExecutor {
  readonly title: string;
  readonly hint: string;
}

/** What runs all cells in place of our executor; the service is null where nothing does. */
export const IOtherExecutor = new Token<IOtherExecutor | null>(
  'jupyter-containers:IOtherExecutor'
);

/** An extension's name in the id of its plugin. */
export function extensionOf(id: string): string {
  return id.split(':', 1)[0] ?? id;
}

/** Describe the executor that took the place of ours; JupyterLab tells whose it is. */
export function describeOther(app: JupyterFrontEnd): IOtherExecutor {
  const { info } = app as { info?: Partial<JupyterLab.IInfo> };
  const plugins = [...(info?.availablePlugins ?? [])].reverse();
  const found = plugins.find(
    ({ enabled, id, provides }) =>
      enabled &&
      provides?.name === INotebookCellExecutor.name &&
      extensionOf(id) !== 'jupyter-containers'
  );
  const name = found && extensionOf(found.id);
  return {
    title: trans.__(
      '%%%%dockerfile cells are not built on this page: %1 runs its cells.',
      name ?? trans.__('another extension')
    ),
    hint: name
      ? trans.__(
          'To have them built, type "jupyter labextension disable %1" in a terminal and load the page again; or run the notebook with "jupyter containers run".',
          name
        )
      : trans.__(
          'To have them built, disable that extension and load the page again; or run the notebook with "jupyter containers run".'
        )
  };
}

/** Say it in a notification, once, as soon as a notebook is open that has a Dockerfile cell. */
export function notifyOnce(
  other: IOtherExecutor,
  tracker: INotebookTracker
): IOtherExecutor {
  let isSaid = false;
  const check = () => {
    const cells = [...(tracker.currentWidget?.content.model?.cells ?? [])];
    if (
      !isSaid &&
      cells.some(({ sharedModel }) => isDockerfileCell(sharedModel.getSource()))
    ) {
      isSaid = true;
      Notification.warning(`${other.title} ${other.hint}`, {
        autoClose: false
      });
    }
  };
  tracker.currentChanged.connect((_, panel) => {
    void panel?.context.ready.then(check);
  });
  tracker.activeCellChanged.connect(check);
  return other;
}
