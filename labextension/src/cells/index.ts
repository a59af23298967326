/** The plugins for Dockerfile cells: running, output, completion and linting. */

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, ISessionContextDialogs } from '@jupyterlab/apputils';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import { IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { IMainMenu } from '@jupyterlab/mainmenu';
import { INotebookCellExecutor, INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Token } from '@lumino/coreutils';

import { type Api, IApi } from '../api/api';
import { CATEGORY, CommandIDs } from '../commandids';
import { DOCKERFILE_CELL } from '../constants';
import { askBuildApproval, askMove, askReading } from '../notebook/dialogs';
import { CellBuilder } from './builder';
import { LiveBuilds } from './builds';
import { addCommands } from './commands';
import { DockerfileCompleter } from './completer';
import { CellExecutor } from './executor';
import { FailedLines } from './failedlines';
import { lintExtension } from './lint';
import { UsedKernels } from './panelnotebook';
import { buildRendererFactory } from './renderer';
import { resumeBuilds } from './resume';

/** The place of the commands in menus. */
const RANK = 40;

/** The commands of cells that the palette offers. */
const IN_PALETTE = [
  CommandIDs.cancel,
  CommandIDs.buildAndRunAll,
  CommandIDs.newCell
];

/** What the plugins for cells share. */
interface ICells {
  readonly builds: LiveBuilds;
  readonly failedLines: FailedLines;
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
    return { builds, failedLines: new FailedLines() };
  }
};

const executor: JupyterFrontEndPlugin<INotebookCellExecutor> = {
  id: 'jupyter-containers:executor',
  description:
    'Builds Dockerfile cells, and runs all others as JupyterLab does.',
  autoStart: true,
  provides: INotebookCellExecutor,
  activate: () => new CellExecutor()
};

const builder: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:builder',
  description: 'Moves notebooks into the images that their cells build.',
  autoStart: true,
  requires: [IApi, ICells, INotebookTracker, INotebookCellExecutor],
  optional: [ISessionContextDialogs, ICommandPalette, IMainMenu],
  activate: (
    app,
    api: Api,
    { builds, failedLines }: ICells,
    tracker: INotebookTracker,
    runner: INotebookCellExecutor,
    sessionDialogs: ISessionContextDialogs | null,
    palette: ICommandPalette | null,
    menu: IMainMenu | null
  ) => {
    if (!(runner instanceof CellExecutor)) {
      console.warn(
        'jupyter-containers: another extension runs cells, so %%dockerfile cells are not built. ' +
          'Disable that extension to have them built.'
      );
      return;
    }
    const usedKernels = new UsedKernels();
    const cellBuilder = new CellBuilder(api, builds, failedLines, {
      askApproval: askBuildApproval,
      askReading,
      confirmMove: askMove
    });
    runner.attach({
      builder: cellBuilder,
      usedKernels,
      panelOf: context =>
        tracker.find(panel => panel.sessionContext === context)
    });
    const context = {
      api,
      builds,
      builder: cellBuilder,
      usedKernels,
      queueOf: runner.queueOf.bind(runner)
    };
    tracker.widgetAdded.connect((_, panel) => {
      resumeBuilds(context, panel).catch((error: unknown) => {
        console.warn('jupyter-containers: no builds to take up', error);
      });
    });
    addCommands({
      commands: app.commands,
      tracker,
      api,
      builds,
      dialogs: sessionDialogs,
      interrupt: cellBuilder.interrupt.bind(cellBuilder),
      runWithOptions: runner.runWithOptions.bind(runner)
    });
    for (const command of IN_PALETTE) {
      palette?.addItem({ command, category: CATEGORY });
    }
    menu?.runMenu.addGroup(
      [{ command: CommandIDs.buildAndRunAll }, { command: CommandIDs.cancel }],
      RANK
    );
    menu?.editMenu.addGroup([{ command: CommandIDs.newCell }], RANK);
  }
};

const editor: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-containers:editor',
  description: 'Remarks and completions in Dockerfile cells.',
  autoStart: true,
  requires: [IApi, ICells, IEditorExtensionRegistry, INotebookTracker],
  optional: [ICompletionProviderManager],
  activate: (
    _app,
    api: Api,
    { failedLines }: ICells,
    extensions: IEditorExtensionRegistry,
    tracker: INotebookTracker,
    completion: ICompletionProviderManager | null
  ) => {
    const panelOf = (model: CodeEditor.IModel) =>
      tracker.find(({ content }) =>
        [...(content.model?.cells ?? [])].some(cell => cell === model)
      );
    const pathOf = (model: CodeEditor.IModel) =>
      panelOf(model)?.context.localPath;
    extensions.addExtension(lintExtension({ api, failedLines, pathOf }));
    const completer = new DockerfileCompleter(api);
    completion?.registerProvider(completer);
    tracker.activeCellChanged.connect((_, cell) => {
      if (cell?.model.mimeType === DOCKERFILE_CELL) {
        completer.prepare();
      }
    });
  }
};

/** All plugins of this folder. */
const plugins: JupyterFrontEndPlugin<unknown>[] = [
  cells,
  executor,
  builder,
  editor
];

export default plugins;
