/** The plugins for Dockerfile cells: running, output, completion and linting. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, ISessionContextDialogs } from '@jupyterlab/apputils';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import {
  CodeMirrorEditor,
  IEditorExtensionRegistry
} from '@jupyterlab/codemirror';
import {
  CompletionProviderManager,
  ICompletionProviderManager
} from '@jupyterlab/completer';
import { ILauncher } from '@jupyterlab/launcher';
import { IMainMenu } from '@jupyterlab/mainmenu';
import {
  INotebookCellExecutor,
  INotebookTracker,
  NotebookActions
} from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';

import { type Api, IApi } from '../api/api';
import { CATEGORY, CommandIDs } from '../commandids';
import { DOCKERFILE_CELL, PLUGIN_ID } from '../constants';
import { type ContainersModel, IContainersModel } from '../models/model';
import {
  askBuildApproval,
  askCell,
  askMove,
  askReading
} from '../notebook/dialogs';
import {
  describeOther,
  IOtherExecutor,
  notifyOnce
} from '../notebook/otherexecutor';
import { setSave, untilSaved } from '../notebook/saving';
import { CellBuilder } from './builder';
import { LiveBuilds } from './builds';
import { claimsOf } from './claims';
import { addCommands } from './commands';
import { findExecutor, SAVES_ON_SERVER } from './delegate';
import { DockerfileCompleter, keepOut } from './completer';
import { CellExecutor } from './executor';
import { FailedLines } from './failedlines';
import { Explainer } from './hover';
import { offerInstalled } from './installed';
import { KernelCells } from './kernelcells';
import { lintExtension } from './lint';
import { LintRules } from './lintrules';
import { UsedKernels } from './panelnotebook';
import { buildRendererFactory } from './renderer';
import { keepRuns } from './keptruns';
import { type IResumeContext, resumeBuilds, waitForPage } from './resume';
import type { IPrompts } from './switchkernel';
import { SystemNotifications } from './systemnotifications';
import { TypedCells, typedCellsExtension } from './typedcells';
import { watchBuilds } from './watch';

/** The place of the commands in menus. */
const RANK = 40;

/** The commands of cells that the palette offers. */
const IN_PALETTE = [
  CommandIDs.cancel,
  CommandIDs.buildAndRunAll,
  CommandIDs.newCell,
  CommandIDs.showCell
];

const PROMPTS: IPrompts = {
  askApproval: askBuildApproval,
  askCell,
  askReading,
  confirmMove: askMove
};

/** What the plugins for cells share. */
interface ICells {
  readonly builds: LiveBuilds;
  readonly failedLines: FailedLines;
  readonly typedCells: TypedCells;
}

const ICells = new Token<ICells>('jupyter-containers:ICells');

const cells: JupyterFrontEndPlugin<ICells> = {
  id: 'jupyter-containers:cells',
  description: 'The builds of Dockerfile cells, shown in their outputs.',
  autoStart: true,
  provides: ICells,
  requires: [IApi, IRenderMimeRegistry],
  activate: (app, api: Api, rendermime: IRenderMimeRegistry) => {
    const builds = new LiveBuilds(api);
    rendermime.addFactory(buildRendererFactory(builds, app.commands), 0);
    return {
      builds,
      failedLines: new FailedLines(),
      typedCells: new TypedCells()
    };
  }
};

const executor: JupyterFrontEndPlugin<INotebookCellExecutor> = {
  id: 'jupyter-containers:executor',
  description:
    'Builds Dockerfile cells, and runs all others as JupyterLab does.',
  autoStart: true,
  provides: INotebookCellExecutor,
  activate: async app => new CellExecutor(await findExecutor(app))
};

const builder: JupyterFrontEndPlugin<IOtherExecutor | null> = {
  id: 'jupyter-containers:builder',
  description: 'Moves notebooks into the images that their cells build.',
  autoStart: true,
  provides: IOtherExecutor,
  requires: [IApi, ICells, INotebookTracker, INotebookCellExecutor],
  optional: [ISessionContextDialogs, ICommandPalette, IMainMenu],
  activate: (
    app,
    api: Api,
    { builds, failedLines, typedCells }: ICells,
    tracker: INotebookTracker,
    runner: INotebookCellExecutor,
    sessionDialogs: ISessionContextDialogs | null,
    palette: ICommandPalette | null,
    menu: IMainMenu | null
  ) => {
    if (!(runner instanceof CellExecutor)) {
      return notifyOnce(describeOther(app), tracker);
    }
    if (app.hasPlugin(SAVES_ON_SERVER)) {
      setSave(context => untilSaved(api, context));
    }
    const usedKernels = new UsedKernels();
    const kernelCells = new KernelCells();
    const cellBuilder = new CellBuilder(
      api,
      builds,
      failedLines,
      typedCells,
      kernelCells,
      PROMPTS
    );
    const context = {
      api,
      builds,
      builder: cellBuilder,
      usedKernels,
      queueOf: runner.queueOf.bind(runner),
      runCells: runBy(sessionDialogs)
    };
    runner.attach({
      builder: cellBuilder,
      usedKernels,
      kernelCells,
      panelOf: one => tracker.find(panel => panel.sessionContext === one),
      waitForPage: (panel, claim) => waitForPage(context, panel, claim)
    });
    resumeOpened(context, tracker);
    addCommands({
      commands: app.commands,
      tracker,
      api,
      builds,
      dialogs: sessionDialogs,
      activate: panel => app.shell.activateById(panel.id),
      interrupt: panel => {
        cellBuilder.interrupt(panel.content.model?.cells ?? []);
        claimsOf(panel).giveUp();
      },
      runWithOptions: runner.runWithOptions.bind(runner)
    });
    addToMenus(palette, menu);
    return null;
  }
};

/** Runs cells as JupyterLab's own commands do. */
function runBy(
  dialogs: ISessionContextDialogs | null
): IResumeContext['runCells'] {
  return ({ content, sessionContext }, cells) =>
    NotebookActions.runCells(
      content,
      cells,
      sessionContext,
      dialogs ?? undefined
    );
}

/** Resume the builds of each notebook that is opened, and keep this page's runs for a reload. */
function resumeOpened(
  context: IResumeContext,
  tracker: INotebookTracker
): void {
  tracker.widgetAdded.connect((_, panel) => {
    resumeBuilds(context, panel).catch((error: unknown) => {
      console.warn('jupyter-containers: no builds to take up', error);
    });
  });
  window.addEventListener('pagehide', () => {
    const runs = new Map<string, readonly string[]>();
    tracker.forEach(panel => {
      const { isBuilding, queued } = context.queueOf(panel);
      if (isBuilding) {
        runs.set(panel.context.localPath, queued);
      }
    });
    keepRuns(runs);
  });
}

const watch: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:build-watch',
  description: 'Builds in the toolbar, in the tab and as notifications.',
  autoStart: true,
  requires: [ICells, IContainersModel, INotebookTracker],
  optional: [ISettingRegistry],
  activate: (
    { commands }: JupyterFrontEnd,
    { builds }: ICells,
    model: ContainersModel,
    tracker: INotebookTracker,
    registry: ISettingRegistry | null
  ) => {
    const system = new SystemNotifications();
    registry?.load(PLUGIN_ID).then(
      settings => system.use(settings),
      (error: unknown) => {
        console.warn('jupyter-containers: no settings of builds', error);
      }
    );
    watchBuilds({ builds, commands, model, system, tracker });
  }
};

const launcher: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:launcher',
  description: 'A notebook with a Dockerfile cell, in the Launcher.',
  autoStart: true,
  optional: [ILauncher],
  activate: (_app: JupyterFrontEnd, found: ILauncher | null) => {
    const args = { isLauncher: true };
    found?.add({ command: CommandIDs.newCell, args, category: 'Notebook' });
  }
};

/** Offer the commands of cells where JupyterLab has them. */
function addToMenus(
  palette: ICommandPalette | null,
  menu: IMainMenu | null
): void {
  for (const command of IN_PALETTE) {
    palette?.addItem({ command, category: CATEGORY });
  }
  menu?.runMenu.addGroup(
    [
      { command: CommandIDs.buildAndRunAll },
      { command: CommandIDs.buildCells },
      { command: CommandIDs.cancel }
    ],
    RANK
  );
  menu?.editMenu.addGroup([{ command: CommandIDs.newCell }], RANK);
  const args = { isPalette: true };
  menu?.kernelMenu.addGroup(
    [
      { command: CommandIDs.run, args },
      { command: CommandIDs.stop, args },
      { command: CommandIDs.open }
    ],
    RANK
  );
}

const editor: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:editor',
  description: 'Remarks, completions and explanations in Dockerfile cells.',
  autoStart: true,
  requires: [
    IApi,
    ICells,
    IEditorExtensionRegistry,
    INotebookTracker,
    IRenderMimeRegistry
  ],
  optional: [ICompletionProviderManager, ISettingRegistry, ITranslator],
  activate: (
    { commands },
    api: Api,
    { failedLines, typedCells }: ICells,
    extensions: IEditorExtensionRegistry,
    tracker: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    completion: ICompletionProviderManager | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_containers');
    const panelOf = (model: CodeEditor.IModel) =>
      tracker.find(({ content }) =>
        [...(content.model?.cells ?? [])].some(cell => cell === model)
      );
    const pathOf = (model: CodeEditor.IModel) =>
      panelOf(model)?.context.localPath;
    const rules = new LintRules();
    registry?.load(PLUGIN_ID).then(
      settings => rules.use(settings),
      (error: unknown) => {
        console.warn('jupyter-containers: no settings of linting', error);
      }
    );
    extensions.addExtension(
      lintExtension({ api, commands, failedLines, rules, trans, pathOf })
    );
    extensions.addExtension(typedCellsExtension(typedCells));
    const completer = new DockerfileCompleter(api, pathOf);
    completion?.registerProvider(completer);
    const explainer = new Explainer(rendermime, () => completer.sources);
    extensions.addExtension(explainer.extension);
    commands.addCommand(CommandIDs.explain, {
      label: trans.__('Explain the Dockerfile Instruction'),
      execute: () => {
        const current = tracker.activeCell?.editor;
        return current instanceof CodeMirrorEditor
          ? explainer.showAtCursor(current.editor)
          : undefined;
      }
    });
    tracker.activeCellChanged.connect((_, cell) => {
      if (completion instanceof CompletionProviderManager) {
        keepOut(completion.getProviders().values());
      }
      if (cell?.model.mimeType === DOCKERFILE_CELL) {
        completer.prepare();
      }
    });
  }
};

const installed: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:installed',
  description: 'Offers to keep in the Dockerfile what cells install.',
  autoStart: true,
  requires: [IApi, INotebookTracker],
  optional: [ITranslator],
  activate: (
    _app,
    api: Api,
    tracker: INotebookTracker,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_containers');
    offerInstalled(api, tracker, trans);
  }
};

/** All plugins of this folder. */
const plugins: JupyterFrontEndPlugin<unknown>[] = [
  cells,
  executor,
  builder,
  watch,
  launcher,
  editor,
  installed
];

export default plugins;
