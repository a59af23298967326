/** The commands of the sidebar: for the panel, the notebook's settings, its kernel and builds. */

import type { ICommandPalette } from '@jupyterlab/apputils';
import {
  checkIcon,
  copyIcon,
  historyIcon,
  refreshIcon,
  runIcon,
  stopIcon,
  undoIcon
} from '@jupyterlab/ui-components';
import { buildIcon, listIcon } from '@jupyterlab/ui-components';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { CommandRegistry } from '@lumino/commands';
import { Debouncer } from '@lumino/polling';

import { CATEGORY, CommandIDs } from '../commandids';
import type { IMountInput } from '../models/form';
import * as kernelActions from '../models/kernelactions';
import type { SectionName } from '../models/model';
import { SECTIONS } from '../models/model';
import type { NotebookState } from '../models/notebookstate';
import { getLiveKernel } from '../notebook/livekernel';
import { basename } from '../ui/format';
import { containerIcon } from '../ui/icon';
import type { ICommandContext } from './context';
import { addImageCommands } from './imagecommands';

/** The commands in the palette; the others need arguments. */
const IN_PALETTE = [
  CommandIDs.open,
  CommandIDs.refresh,
  CommandIDs.approve,
  CommandIDs.apply,
  CommandIDs.revert,
  CommandIDs.run,
  CommandIDs.restart,
  CommandIDs.updateBases,
  CommandIDs.stop,
  CommandIDs.logs,
  CommandIDs.choose,
  CommandIDs.pull
];

/** A command's label: a short one on its button, a long one in the palette. */
function labelled(
  short: string,
  long: string
): CommandRegistry.CommandFunc<string> {
  return args => (args.isPalette ? long : short);
}

/** Milliseconds in which several changes are joined into one update of menus and palette. */
const NOTIFY_DELAY = 200;

/** Register all commands of the sidebar. */
export function addCommands(
  context: ICommandContext,
  palette: ICommandPalette | null
): void {
  addPanelCommands(context);
  addSettingsCommands(context);
  addKernelCommands(context);
  addBuildCommands(context);
  addImageCommands(context);
  for (const command of IN_PALETTE) {
    palette?.addItem({
      command,
      category: CATEGORY,
      args: { isPalette: true }
    });
  }
  const { commands, model } = context;
  const notifyLater = new Debouncer(
    () => IN_PALETTE.forEach(id => commands.notifyCommandChanged(id)),
    NOTIFY_DELAY
  );
  model.stateChanged.connect(() => void notifyLater.invoke());
}

function addPanelCommands({
  commands,
  model,
  showSidebar
}: ICommandContext): void {
  commands.addCommand(CommandIDs.open, {
    label: 'Show Containers',
    caption: 'Show the sidebar of containers, images and builds',
    icon: containerIcon,
    execute: args => {
      const section = SECTIONS.find(name => name === args.section);
      if (section) {
        model.setOpen(section, true);
      }
      showSidebar();
      if (section) {
        focusSection(section);
      }
    }
  });
  commands.addCommand(CommandIDs.refresh, {
    label: 'Refresh Containers',
    caption: 'Ask the server again for all that is shown',
    icon: refreshIcon,
    execute: () => model.refresh()
  });
  commands.addCommand(CommandIDs.retry, {
    label: 'Try now',
    caption: 'Ask the server now whether it answers',
    execute: () => model.connection.retry()
  });
  commands.addCommand(CommandIDs.copy, {
    label: 'Copy',
    caption: 'Copy this command',
    icon: copyIcon,
    execute: args => {
      Clipboard.copyToSystem(typeof args.text === 'string' ? args.text : '');
      Notification.success('Copied.', { autoClose: 1500 });
    }
  });
}

/** Scroll to a section after it was rendered, and focus it. */
function focusSection(section: SectionName): void {
  setTimeout(() => {
    const title = document.getElementById(
      `jp-Containers-section-${section}-title`
    );
    title?.scrollIntoView({ block: 'start' });
    title?.focus({ preventScroll: true });
  }, 100);
}

/** Whether an action can be started on the notebook. */
function isIdle(state: NotebookState | null): state is NotebookState {
  return typeof state?.path === 'string' && !state.action.pending;
}

/**
 * A command may be executed by anyone, even by the HTML of a cell's output, with any arguments.
 * So commands that approve ask first; only the sidebar's buttons stand below the list itself.
 */
function addSettingsCommands(context: ICommandContext): void {
  const { askApproval: ask, commands, model } = context;
  const prompt = { shown: [], ask };
  commands.addCommand(CommandIDs.approve, {
    label: labelled('Approve', 'Approve What This Notebook Asks For'),
    caption: 'Say yes to all of this, and start the kernel with it',
    icon: checkIcon,
    isEnabled: () =>
      isIdle(model.notebook) && !!model.notebook.status.data?.missing.length,
    execute: () =>
      model.notebook && kernelActions.approve(model.notebook, prompt)
  });
  commands.addCommand(CommandIDs.apply, {
    label: labelled('Apply and restart', 'Apply the Container’s Settings'),
    caption:
      'Save these settings in the notebook, approve them, and start its kernel anew with them',
    icon: checkIcon,
    isEnabled: () =>
      isIdle(model.notebook) &&
      model.notebook.draft.changed &&
      model.notebook.draft.valid,
    execute: () => model.notebook && kernelActions.apply(model.notebook, prompt)
  });
  commands.addCommand(CommandIDs.revert, {
    label: labelled('Revert', 'Revert the Container’s Settings'),
    caption: 'Drop what was edited and not applied',
    icon: undoIcon,
    isEnabled: () => isIdle(model.notebook) && model.notebook.draft.changed,
    execute: () => model.notebook?.draft.revert()
  });
}

function addKernelCommands(context: ICommandContext): void {
  const { commands, dialogs, model } = context;
  const kernel = () => model.notebook?.status.data?.kernel ?? null;
  commands.addCommand(CommandIDs.run, {
    label: labelled('Run in its container', 'Run the Kernel in Its Container'),
    caption: 'Move the kernel into the container that the notebook asks for',
    icon: runIcon,
    isEnabled: () => isIdle(model.notebook) && model.notebook.settings !== null,
    execute: () => model.notebook && kernelActions.start(model.notebook)
  });
  commands.addCommand(CommandIDs.restart, {
    label: args =>
      `${kernel() ? 'Restart' : 'Start'}${args.isPalette ? ' the Container’s Kernel' : ''}`,
    caption: 'Start the kernel in its container, anew where it runs',
    icon: refreshIcon,
    isVisible: () =>
      !!model.notebook?.inContainer &&
      !model.notebook.status.data?.missing.length,
    isEnabled: () => isIdle(model.notebook) && model.notebook.inContainer,
    execute: async () => {
      const state = model.notebook;
      if (state && (await getLiveKernel(state.panel.sessionContext))) {
        await dialogs.restart(state.panel.sessionContext);
        state.invalidate();
      } else if (state) {
        await kernelActions.start(state);
      }
    }
  });
  commands.addCommand(CommandIDs.stop, {
    label: labelled('Stop', 'Stop the Container'),
    caption: 'End the kernel and its container; variables are lost',
    icon: stopIcon,
    isVisible: () => !!kernel()?.container,
    isEnabled: () =>
      kernel()?.state === 'starting' ||
      (isIdle(model.notebook) &&
        !!model.notebook.panel.sessionContext.session?.kernel),
    execute: () => model.notebook && kernelActions.stop(model.notebook)
  });
  commands.addCommand(CommandIDs.logs, {
    label: labelled('Log', 'Show the Container’s Log'),
    caption: 'Show or hide what the container printed',
    icon: listIcon,
    isToggleable: true,
    isToggled: () => model.stats.showLogs,
    isVisible: () => !!kernel()?.container,
    execute: () => {
      model.stats.showLogs = !model.stats.showLogs;
    }
  });
}

function addBuildCommands({ commands, model }: ICommandContext): void {
  const build = (options: Record<string, boolean>) =>
    commands.execute(CommandIDs.buildAndRunAll, options);
  const isEnabled = () =>
    commands.hasCommand(CommandIDs.buildAndRunAll) &&
    commands.isEnabled(CommandIDs.buildAndRunAll) &&
    isIdle(model.notebook);
  commands.addCommand(CommandIDs.rebuild, {
    label: 'Build',
    caption:
      'Build the image from this notebook’s Dockerfile cell, and run all cells in it',
    icon: buildIcon,
    isVisible: () => !!model.notebook?.hasDockerfile,
    isEnabled,
    execute: () => build({})
  });
  commands.addCommand(CommandIDs.updateBases, {
    label: labelled('Update bases', 'Update Base Images and Run All Cells'),
    caption:
      'Build on the newest base images rather than the recorded ones, and run all cells',
    icon: historyIcon,
    isVisible: () =>
      !!model.notebook?.hasDockerfile && !!model.notebook.settings?.build,
    isEnabled,
    execute: () => build({ update_bases: true })
  });
}

/** A read-only mount for a folder of the file browser. */
export function mountForFolder(notebook: string, folder: string): IMountInput {
  const source = PathExt.relative(PathExt.dirname(notebook), folder) || '.';
  const name = basename(folder).replace(/[^A-Za-z0-9._-]+/g, '-') || 'files';
  return { source, target: `/mnt/${name}`, writable: false };
}

/** Register "Mount in This Notebook's Kernel", for the file browser's context menu. */
export function addMountFolder(
  context: ICommandContext,
  browsers: IFileBrowserFactory
): void {
  const { commands, model } = context;
  const folders = () =>
    [...(browsers.tracker.currentWidget?.selectedItems() ?? [])].filter(
      item => item.type === 'directory'
    );
  commands.addCommand(CommandIDs.mountFolder, {
    label: 'Mount in This Notebook’s Kernel',
    caption: 'Put this folder into the container of the notebook, read-only',
    icon: containerIcon.bindprops({ stylesheet: 'menuItem' }),
    isVisible: () => !!model.notebook?.path && folders().length > 0,
    execute: async () => {
      const state = model.notebook;
      if (!state?.path) {
        return;
      }
      await model.fields.ensure();
      for (const folder of folders()) {
        const path = folder.path.replace(/^RTC:/, '');
        state.draft.addMount(mountForFolder(state.path, path));
      }
      await commands.execute(CommandIDs.open, { section: 'notebook' });
    }
  });
}
