/** The plugin that isolates outputs. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { toProblem } from '../api/request';
import type { IOutputs } from '../api/types';
import { CATEGORY, CommandIDs } from '../commandids';
import { type ContainersModel, IContainersModel } from '../models/model';
import type { NotebookState } from '../models/notebookstate';
import { askTrust } from '../notebook/dialogs';
import { trans } from '../trans';
import { guardComms } from './comms';
import { guard } from './gate';
import { findState, OutputGates } from './panels';

/** Isolates what kernels in containers display. */
const outputs: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:outputs',
  description:
    'Draws what kernels in containers display without the rights of the page.',
  autoStart: true,
  requires: [IContainersModel, INotebookTracker, IRenderMimeRegistry],
  optional: [ICommandPalette, IConsoleTracker],
  activate: (
    app,
    model: ContainersModel,
    tracker: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    palette: ICommandPalette | null,
    consoles: IConsoleTracker | null
  ) => {
    const { commands, docRegistry, serviceManager } = app;
    const gates = new OutputGates(model, commands, serviceManager);
    docRegistry.addWidgetExtension('Notebook', gates);
    guard(rendermime, gates.shared, gates.cloned);
    consoles?.widgetAdded.connect((_, panel) => gates.guardConsole(panel));
    guardComms(serviceManager.kernels, kernel => gates.mayConnect(kernel));

    const find = (path: unknown) => findState(model, tracker, path);
    commands.addCommand(CommandIDs.trustOutputs, {
      label: trans.__('Trust Outputs of This Notebook'),
      caption: trans.__('Draw outputs as JupyterLab does, and connect widgets'),
      isEnabled: ({ path }) => {
        const found = find(path)?.outputs;
        return !!found?.isolated && found.mayTrust;
      },
      execute: async ({ path }) => {
        const state = find(path);
        const isIsolated = state?.path && state.outputs.isolated;
        if (isIsolated && (await askTrust(state.path))) {
          await decide(state, 'trusted');
        }
      }
    });
    commands.addCommand(CommandIDs.isolateOutputs, {
      label: trans.__('Isolate Outputs of This Notebook'),
      caption: trans.__('Run what outputs bring only where it reaches nothing'),
      isEnabled: ({ path }) => {
        const found = find(path)?.outputs;
        return !!found?.applies && !found.isolated;
      },
      execute: async ({ path }) => {
        const state = find(path);
        if (state && (await decide(state, 'isolated'))) {
          const text = trans.__(
            'Outputs are isolated from now on. Scripts that have run before end when you reload this page.'
          );
          Notification.info(text, { autoClose: false });
        }
      }
    });
    for (const command of [
      CommandIDs.trustOutputs,
      CommandIDs.isolateOutputs
    ]) {
      palette?.addItem({ command, category: CATEGORY });
    }
    model.stateChanged.connect(() => {
      commands.notifyCommandChanged(CommandIDs.trustOutputs);
      commands.notifyCommandChanged(CommandIDs.isolateOutputs);
    });
  }
};

/** Keep a decision; whether the server did. */
async function decide(
  state: NotebookState,
  decision: IOutputs['outputs']
): Promise<boolean> {
  try {
    await state.outputs.decide(decision);
    return true;
  } catch (error) {
    const { message, hint } = toProblem(error);
    Notification.error(`${message} ${hint}`.trim(), { autoClose: false });
    return false;
  }
}

export default outputs;
