/** The sidebar's plugins. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  ISessionContextDialogs,
  IToolbarWidgetRegistry,
  SessionContextDialogs
} from '@jupyterlab/apputils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';

import { type Api, IApi } from '../api/api';
import { addCommands, addMountFolder } from '../commands';
import { PLUGIN_ID } from '../constants';
import { ContainersModel, IContainersModel } from '../models/model';
import { Preferences, restoreSections } from '../models/preferences';
import { askApproval } from '../notebook/dialogs';
import { ContainersPanel } from './panel';
import { createRunningManager } from './running';
import { createToolbarItem } from './toolbar';

/** The model, updated by the server's events. */
const model: JupyterFrontEndPlugin<ContainersModel> = {
  id: 'jupyter-containers:model',
  description: 'What containers, images, builds and notebooks are known.',
  autoStart: true,
  provides: IContainersModel,
  requires: [IApi],
  optional: [INotebookTracker],
  activate: (
    app: JupyterFrontEnd,
    api: Api,
    tracker: INotebookTracker | null
  ) => {
    const { contents, events, kernelspecs } = app.serviceManager;
    const found = new ContainersModel(api, contents);
    if (tracker) {
      found.follow(tracker);
    }
    events.stream.connect((_, event) => found.handleEvent(event));
    found.kernelspecsChanged.connect(() => void kernelspecs.refreshSpecs());
    return found;
  }
};

/** The panel, its commands and its settings. */
const sidebar: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:sidebar',
  description: 'A sidebar of containers, images, builds and devices.',
  autoStart: true,
  requires: [IContainersModel],
  optional: [
    ICommandPalette,
    IFileBrowserFactory,
    ILayoutRestorer,
    ISessionContextDialogs,
    ISettingRegistry,
    IStateDB
  ],
  activate: (
    app: JupyterFrontEnd,
    state: ContainersModel,
    palette: ICommandPalette | null,
    browsers: IFileBrowserFactory | null,
    restorer: ILayoutRestorer | null,
    dialogs: ISessionContextDialogs | null,
    registry: ISettingRegistry | null,
    database: IStateDB | null
  ) => {
    const { commands, shell } = app;
    const panel = new ContainersPanel(state, commands);
    const preferences = new Preferences(state);
    const context = {
      commands,
      model: state,
      showSidebar: () => shell.activateById(panel.id),
      dialogs: dialogs ?? new SessionContextDialogs(),
      askApproval,
      shouldConfirmRemove: () => preferences.confirmRemove
    };
    addCommands(context, palette);
    if (browsers) {
      addMountFolder(context, browsers);
    }
    shell.add(panel, 'left', { rank: 510, type: 'Containers' });
    restorer?.add(panel, panel.id);
    void preferences.load(registry, PLUGIN_ID);
    void restoreSections(state, database);
  }
};

/** The item in the notebook's toolbar. */
const toolbar: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:toolbar',
  description: 'What a notebook runs in, in its toolbar.',
  autoStart: true,
  requires: [IContainersModel],
  optional: [IToolbarWidgetRegistry],
  activate: (
    app: JupyterFrontEnd,
    state: ContainersModel,
    registry: IToolbarWidgetRegistry | null
  ) => {
    registry?.addFactory<NotebookPanel>('Notebook', 'container', panel =>
      createToolbarItem(state, app.commands, panel)
    );
  }
};

/** The containers in the panel of running sessions. */
const running: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:running',
  description: 'Containers among what runs.',
  autoStart: true,
  requires: [IContainersModel],
  optional: [IRunningSessionManagers],
  activate: (
    app: JupyterFrontEnd,
    state: ContainersModel,
    managers: IRunningSessionManagers | null
  ) => {
    if (managers) {
      managers.add(createRunningManager(state, app.commands));
      // Engines are not asked before the page is complete.
      void app.restored.then(() => {
        state.containers.active = true;
      });
    }
  }
};

/** All plugins of this folder. */
export const sidebarPlugins: JupyterFrontEndPlugin<unknown>[] = [
  model,
  sidebar,
  toolbar,
  running
];
