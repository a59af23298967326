/** The containers in JupyterLab's panel of running sessions. */

import { showErrorMessage } from '@jupyterlab/apputils';
import type { IRunningSessions } from '@jupyterlab/running';
import type { CommandRegistry } from '@lumino/commands';

import { toProblem } from '../api/request';
import type { IContainer } from '../api/types';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import { basename, imageName, shortImage, stripControls } from '../ui/format';
import { containerIcon } from '../ui/icon';

/** The manager of containers for that panel. */
export function createRunningManager(
  model: ContainersModel,
  commands: CommandRegistry
): IRunningSessions.IManager {
  const { containers } = model;
  // Containers of another server of the same user belong to that server.
  const running = () =>
    (containers.data ?? []).filter(
      container => container.running && (container.mine || container.orphan)
    );
  return {
    name: 'Containers',
    running: () =>
      running().map(container => createItem(container, model, commands)),
    shutdownAll: () => {
      running().forEach(container => void stopContainer(model, container));
    },
    refreshRunning: () => void containers.refresh(),
    runningChanged: containers.stateChanged,
    shutdownLabel: trans.__('Stop'),
    shutdownAllLabel: trans.__('Stop All'),
    shutdownAllConfirmationText: trans.__(
      'Stop all containers of this server? Their kernels end, and variables are lost.'
    )
  };
}

async function stopContainer(
  model: ContainersModel,
  container: IContainer
): Promise<void> {
  try {
    await model.stopContainer(container.name);
  } catch (error) {
    const { hint, message } = toProblem(error);
    await showErrorMessage(
      trans.__('Not stopped'),
      `${message} ${hint}`.trim()
    );
  }
  await model.containers.refresh();
}

function createItem(
  container: IContainer,
  model: ContainersModel,
  commands: CommandRegistry
): IRunningSessions.IRunningItem {
  const image = shortImage(container.image);
  const notebook = stripControls(container.path ?? container.notebook);
  const name = basename(notebook) || stripControls(container.name);
  const orphan = container.orphan ? ', left behind' : '';
  return {
    icon: () => containerIcon,
    label: () => `${name} – ${imageName(container.image)}${orphan}`,
    labelTitle: () =>
      [
        `Image: ${image}`,
        `Engine: ${stripControls(container.engine)}`,
        `Container: ${stripControls(container.name)}`,
        notebook && `Notebook: ${notebook}`
      ]
        .filter(Boolean)
        .join('\n'),
    ...(container.path && {
      open: () =>
        void commands.execute('docmanager:open', { path: container.path })
    }),
    shutdown: () => void stopContainer(model, container)
  };
}
