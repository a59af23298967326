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
import { ContainersModel, IContainersModel } from '../models/model';
import { ContainersPanel } from './panel';
import { Preferences, remember } from '../models/preferences';
import { askApproval } from '../notebook/dialogs';
import { runningContainers } from './running';
import { PLUGIN_ID } from '../constants';
import { toolbarItem } from './toolbar';

/** The state of it all, fed by the server's events. */
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
    events.stream.connect((_, event) => found.heard(event));
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
      show: () => shell.activateById(panel.id),
      dialogs: dialogs ?? new SessionContextDialogs(),
      ask: askApproval,
      confirmRemove: () => preferences.confirmRemove
    };
    addCommands(context, palette);
    if (browsers) {
      addMountFolder(context, browsers);
    }
    shell.add(panel, 'left', { rank: 510, type: 'Containers' });
    restorer?.add(panel, panel.id);
    void preferences.load(registry, PLUGIN_ID);
    void remember(state, database);
  }
};

/** The notebook toolbar's item. */
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
      toolbarItem(state, app.commands, panel)
    );
  }
};

/** Containers among what runs. */
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
      managers.add(runningContainers(state, app.commands));
      // No engine is asked before the page stands.
      void app.restored.then(() => {
        state.containers.wanted = true;
      });
    }
  }
};

/** All of them. */
export const sidebarPlugins: JupyterFrontEndPlugin<unknown>[] = [
  model,
  sidebar,
  toolbar,
  running
];
