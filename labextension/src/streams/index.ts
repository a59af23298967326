/** The plugins of what is reached in a running container: its ports, and terminals. */

import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  IThemeManager,
  IToolbarWidgetRegistry
} from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { type Api, IApi } from '../api/api';
import { CATEGORY, CommandIDs } from '../commandids';
import { type ContainersModel, IContainersModel } from '../models/model';
import { createTerminalButton } from '../sidebar/toolbar';
import { addPorts } from './portcommands';
import { addTerminals } from './terminals';

/** The place in the menu File > New, after JupyterLab's Terminal. */
const RANK = 25;

const ports: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:ports',
  description: 'Opens ports of containers in tabs.',
  autoStart: true,
  requires: [IContainersModel, INotebookTracker],
  optional: [ICommandPalette, ILabShell, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: ContainersModel,
    tracker: INotebookTracker,
    palette: ICommandPalette | null,
    lab: ILabShell | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_containers');
    addPorts({ app, hasTabs: lab !== null, model, palette, tracker, trans });
  }
};

const terminals: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:terminals',
  description: 'Terminals in containers.',
  autoStart: true,
  requires: [IApi, IContainersModel, INotebookTracker],
  optional: [
    ICommandPalette,
    ILabShell,
    ILauncher,
    ILayoutRestorer,
    IMainMenu,
    ISettingRegistry,
    IThemeManager,
    IToolbarWidgetRegistry,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    api: Api,
    model: ContainersModel,
    tracker: INotebookTracker,
    palette: ICommandPalette | null,
    lab: ILabShell | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    menu: IMainMenu | null,
    settings: ISettingRegistry | null,
    themes: IThemeManager | null,
    toolbars: IToolbarWidgetRegistry | null,
    maybe: ITranslator | null
  ) => {
    const translator = maybe ?? nullTranslator;
    const trans = translator.load('jupyter_containers');
    addTerminals({
      ...{ api, app, model, restorer, settings, themes, tracker },
      ...{ area: lab ? 'main' : 'down', trans, translator }
    });
    const command = CommandIDs.newTerminal;
    palette?.addItem({
      command,
      category: CATEGORY,
      args: { isPalette: true }
    });
    launcher?.add({
      command,
      category: trans.__('Other'),
      rank: 1,
      args: { isLauncher: true }
    });
    menu?.fileMenu.newMenu.addItem({
      command,
      rank: RANK,
      args: { isMenu: true }
    });
    toolbars?.addFactory<NotebookPanel>(
      'Notebook',
      'container-terminal',
      panel => createTerminalButton(model, app.commands, panel)
    );
  }
};

/** All plugins of this folder. */
export const streamPlugins: JupyterFrontEndPlugin<unknown>[] = [
  ports,
  terminals
];
