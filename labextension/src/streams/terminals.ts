/** Terminals in containers: JupyterLab's widget over a connection of ours. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import {
  type IThemeManager,
  MainAreaWidget,
  Notification,
  WidgetTracker
} from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { ITerminal } from '@jupyterlab/terminal';
import type { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { terminalIcon } from '@jupyterlab/ui-components';

import type { Api } from '../api/api';
import { toProblem } from '../api/request';
import { CommandIDs } from '../commandids';
import { runningKernel } from '../models/kernelstate';
import type { ContainersModel } from '../models/model';
import type { NotebookState } from '../models/notebookstate';
import { TerminalConnection } from '../models/terminalconnection';
import { findState } from '../outputs/panels';
import { basename } from '../ui/format';
import { containerIcon } from '../ui/icon';

/** The plugin of JupyterLab whose settings hold for our terminals, too. */
const JUPYTERLAB = '@jupyterlab/terminal-extension:plugin';

/** A terminal that the server keeps. */
interface IPlace {
  readonly kernel: string;
  readonly name: string;
  /** What the notebook is called. */
  readonly notebook: string;
}

/** What terminals need of the application. */
export interface ITerminalContext {
  readonly api: Api;
  readonly app: JupyterFrontEnd;
  /** Of the shell: Notebook 7 has one tab alone in its main area. */
  readonly area: 'main' | 'down';
  readonly model: ContainersModel;
  readonly restorer: ILayoutRestorer | null;
  readonly settings: ISettingRegistry | null;
  readonly themes: IThemeManager | null;
  readonly tracker: INotebookTracker;
  readonly trans: TranslationBundle;
  readonly translator: ITranslator;
}

/** Why no terminal can be opened for a notebook now; empty if one can. */
export function refusal(
  state: NotebookState | null,
  model: ContainersModel,
  trans: TranslationBundle
): string {
  if (!state) {
    return trans.__('No notebook is open.');
  }
  if (runningKernel(state.status.data) === null) {
    return trans.__('The notebook has no container that runs.');
  }
  return model.terminals.data?.refused ?? '';
}

/** Register the commands, and bring back what was open before the page was reloaded. */
export function addTerminals(context: ITerminalContext): void {
  const { app, model, restorer, trans } = context;
  const { commands } = app;
  const open = new OpenTerminals(context);
  const find = (path: unknown) => findState(model, context.tracker, path);
  const why = (path: unknown) => refusal(find(path), model, trans);
  commands.addCommand(CommandIDs.newTerminal, {
    label: ({ isLauncher, isMenu, isPalette }) =>
      isLauncher || isMenu
        ? trans.__('Container Terminal')
        : isPalette
          ? trans.__('New Terminal in the Container')
          : trans.__('Terminal'),
    caption: ({ path }) =>
      why(path) || trans.__('Open a terminal in the notebook’s container'),
    icon: args => (args.isPalette ? undefined : terminalIcon),
    isVisible: ({ isButton, path }) =>
      !isButton ||
      (!model.terminals.data?.refused &&
        runningKernel(find(path)?.status.data ?? null) !== null),
    isEnabled: ({ path }) => why(path) === '',
    execute: async ({ path }) => {
      const state = find(path);
      const kernel = runningKernel(state?.status.data ?? null);
      const refused = why(path);
      // The Launcher executes commands that are not enabled.
      if (refused || !state || kernel === null) {
        Notification.warning(refused);
        return;
      }
      const notebook = basename(state.path ?? '');
      try {
        const name = await context.api.openTerminal(kernel);
        await open.show({ kernel, name, notebook });
      } catch (error) {
        const { hint, message } = toProblem(error);
        Notification.error(`${message} ${hint}`.trim());
      }
    }
  });
  commands.addCommand(CommandIDs.showTerminal, {
    label: trans.__('Show a Terminal of a Container'),
    execute: ({ kernel, name, notebook }) =>
      typeof kernel === 'string' &&
      typeof name === 'string' &&
      typeof notebook === 'string' &&
      open.showAgain({ kernel, name, notebook })
  });
  const notify = () => commands.notifyCommandChanged(CommandIDs.newTerminal);
  model.stateChanged.connect(notify);
  model.terminals.stateChanged.connect(notify);
  void restorer?.restore(open.tracker, {
    command: CommandIDs.showTerminal,
    args: ({ content }) => ({ ...open.placeOf(content) }),
    name: ({ content }) => {
      const { kernel, name } = open.placeOf(content);
      return `${kernel}:${name}`;
    }
  });
}

/** The terminals that this page shows. */
class OpenTerminals {
  constructor(private readonly context: ITerminalContext) {
    context.themes?.themeChanged.connect(() => this.configure());
    this.settings = this.loadSettings();
  }

  readonly tracker = new WidgetTracker<MainAreaWidget<ITerminal.ITerminal>>({
    namespace: 'jupyter-containers-terminal'
  });

  /** Where a widget's terminal is. */
  placeOf(content: ITerminal.ITerminal): IPlace {
    return this.places.get(content) ?? { kernel: '', name: '', notebook: '' };
  }

  /** Show a terminal, if the server has it still. */
  async showAgain(place: IPlace): Promise<void> {
    try {
      const { terminals } = await this.context.api.terminals(place.kernel);
      if (terminals.some(({ name }) => name === place.name)) {
        await this.show(place);
      }
    } catch {
      // Its kernel has ended since.
    }
  }

  /** Show a terminal in a tab of its own. */
  async show(place: IPlace): Promise<void> {
    const { api, app, trans, translator } = this.context;
    // Loaded when it is needed: a page without JupyterLab's terminals lacks it.
    const [{ Terminal }, settings] = await Promise.all([
      import('@jupyterlab/terminal'),
      this.settings
    ]);
    const title = [place.name, place.notebook].filter(Boolean).join(' · ');
    const content = new Terminal(
      new TerminalConnection(api, place, title),
      optionsOf(settings),
      translator
    );
    this.places.set(content, place);
    content.title.icon = containerIcon;
    content.title.caption = trans.__('In the container of %1', place.notebook);
    const widget = new MainAreaWidget({ content, reveal: content.ready });
    widget.id = `jp-Containers-terminal-${place.kernel}-${place.name}`;
    app.shell.add(widget, this.context.area, { type: 'Terminal' });
    await this.tracker.add(widget);
    app.shell.activateById(widget.id);
  }

  private async loadSettings(): Promise<ISettingRegistry.ISettings | null> {
    try {
      const found = await this.context.settings?.load(JUPYTERLAB);
      found?.changed.connect(() => this.configure());
      return found ?? null;
    } catch {
      return null;
    }
  }

  /** Apply the settings and the theme to all. */
  private configure(): void {
    void this.settings.then(settings => {
      const options = optionsOf(settings);
      this.tracker.forEach(({ content }) => {
        for (const key of Object.keys(options) as (keyof typeof options)[]) {
          content.setOption(key, options[key]);
        }
      });
    });
  }

  private readonly places = new WeakMap<ITerminal.ITerminal, IPlace>();
  private readonly settings: Promise<ISettingRegistry.ISettings | null>;
}

/** JupyterLab's options. A terminal whose tab is closed has no other place, so its shell ends. */
function optionsOf(
  settings: ISettingRegistry.ISettings | null
): Partial<ITerminal.IOptions> {
  return { theme: 'inherit', ...settings?.composite, shutdownOnClose: true };
}
