/** Our containers in JupyterLab's own panel of what runs. */

import { showErrorMessage } from '@jupyterlab/apputils';
import type { IRunningSessions } from '@jupyterlab/running';
import type { CommandRegistry } from '@lumino/commands';

import { basename, plain, shortImage, tinyImage } from '../ui/format';
import { containerIcon } from '../ui/icon';
import type { ContainersModel } from '../models/model';
import { problemOf } from '../api/request';
import type { IContainer } from '../api/types';

/** What the panel of running things asks of us. */
export function runningContainers(
  model: ContainersModel,
  commands: CommandRegistry
): IRunningSessions.IManager {
  const { containers } = model;
  // Another server of the same person looks after its own.
  const running = () =>
    (containers.data ?? []).filter(
      one => one.running && (one.mine || one.orphan)
    );
  return {
    name: 'Containers',
    running: () =>
      running().map(container => itemOf(container, model, commands)),
    shutdownAll: () => {
      running().forEach(one => void stop(model, one));
    },
    refreshRunning: () => void containers.refresh(),
    runningChanged: containers.stateChanged,
    shutdownLabel: 'Stop',
    shutdownAllLabel: 'Stop All',
    shutdownAllConfirmationText:
      'Stop all containers of this server? Their kernels end, and variables are lost.'
  };
}

async function stop(
  model: ContainersModel,
  container: IContainer
): Promise<void> {
  try {
    await model.stop(container.name);
  } catch (error) {
    const { hint, message } = problemOf(error);
    await showErrorMessage('Not stopped', `${message} ${hint}`.trim());
  }
  await model.containers.refresh();
}

function itemOf(
  container: IContainer,
  model: ContainersModel,
  commands: CommandRegistry
): IRunningSessions.IRunningItem {
  const image = shortImage(container.image);
  const notebook = plain(container.path ?? container.notebook);
  const name = basename(notebook) || plain(container.name);
  const orphan = container.orphan ? ', left behind' : '';
  return {
    icon: () => containerIcon,
    label: () => `${name} – ${tinyImage(container.image)}${orphan}`,
    labelTitle: () =>
      [
        `Image: ${image}`,
        `Engine: ${plain(container.engine)}`,
        `Container: ${plain(container.name)}`,
        notebook && `Notebook: ${notebook}`
      ]
        .filter(Boolean)
        .join('\n'),
    ...(container.path && {
      open: () =>
        void commands.execute('docmanager:open', { path: container.path })
    }),
    shutdown: () => void stop(model, container)
  };
}
