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
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { type Api, IApi } from '../api/api';
import { addCommands } from '../commands';
import { addFolderCommands } from '../commands/foldercommands';
import { PLUGIN_ID } from '../constants';
import { ContainersModel, IContainersModel } from '../models/model';
import { Preferences, restoreSections } from '../models/preferences';
import { askApproval } from '../notebook/dialogs';
import { IOtherExecutor } from '../notebook/otherexecutor';
import { ContainersPanel } from './panel';
import { createRunningManager } from './running';
import {
  createKernelName,
  createNewCellButton,
  createToolbarItem,
  nameImageInDialogs,
  StatusItem
} from './toolbar';

/** The model, updated by the server's events. */
const model: JupyterFrontEndPlugin<ContainersModel> = {
  id: 'jupyter-containers:model',
  description: 'What containers, images, builds and notebooks are known.',
  autoStart: true,
  provides: IContainersModel,
  requires: [IApi],
  optional: [INotebookTracker, IOtherExecutor],
  activate: (
    app: JupyterFrontEnd,
    api: Api,
    tracker: INotebookTracker | null,
    other: IOtherExecutor | null
  ) => {
    const { contents, events, kernelspecs } = app.serviceManager;
    const found = new ContainersModel(api, contents);
    found.otherExecutor = other;
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
      addFolderCommands(context, browsers);
    }
    shell.add(panel, 'left', { rank: 510, type: 'Containers' });
    restorer?.add(panel, panel.id);
    void preferences.load(registry, PLUGIN_ID);
    void restoreSections(state, database);
  }
};

/** The items in the notebook's toolbar. */
const toolbar: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:toolbar',
  description: 'What a notebook runs in, in its toolbar.',
  autoStart: true,
  requires: [IContainersModel],
  // The tracker comes after JupyterLab's own items, of which one is replaced.
  optional: [
    INotebookTracker,
    ISessionContextDialogs,
    IToolbarWidgetRegistry,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    state: ContainersModel,
    _: INotebookTracker | null,
    found: ISessionContextDialogs | null,
    registry: IToolbarWidgetRegistry | null,
    translator: ITranslator | null
  ) => {
    registry?.addFactory<NotebookPanel>('Notebook', 'container', panel =>
      createToolbarItem(state, app.commands, panel)
    );
    registry?.addFactory<NotebookPanel>('Notebook', 'container-cell', panel =>
      createNewCellButton(state.stateOf(panel), app.commands)
    );
    const dialogs = found ?? new SessionContextDialogs();
    const trans = (translator ?? nullTranslator).load('jupyterlab');
    registry?.addFactory<NotebookPanel>('Notebook', 'kernelName', panel =>
      createKernelName(state.stateOf(panel), dialogs, trans)
    );
    nameImageInDialogs(state);
  }
};

/** The item in the status bar, where there is one: Notebook 7 has none. */
const statusBar: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:status-bar',
  description: 'What the current notebook runs in, in the status bar.',
  autoStart: true,
  requires: [IContainersModel],
  optional: [IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    state: ContainersModel,
    bar: IStatusBar | null
  ) => {
    if (!bar) {
      return;
    }
    const item = new StatusItem(state, app.commands);
    bar.registerStatusItem('jupyter-containers:status-bar', {
      item,
      align: 'left',
      rank: 3,
      isActive: () => item.isActive,
      activeStateChanged: state.stateChanged
    });
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
  statusBar,
  running
];
