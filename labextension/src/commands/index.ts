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
import { Debouncer } from '@lumino/polling';

import { CATEGORY, CommandIDs } from '../commandids';
import * as kernelActions from '../models/kernelactions';
import type { SectionName } from '../models/model';
import { SECTIONS } from '../models/model';
import type { NotebookState } from '../models/notebookstate';
import { getLiveKernel } from '../notebook/livekernel';
import { trans } from '../trans';
import { containerIcon } from '../ui/icon';
import { type ICommandContext, labelled } from './context';
import { addImageCommands } from './imagecommands';
import { addChangesCommand, addPackageCommand } from './packagecommands';

/** The commands in the palette; the others need arguments. */
const IN_PALETTE = [
  CommandIDs.open,
  CommandIDs.refresh,
  CommandIDs.approve,
  CommandIDs.apply,
  CommandIDs.revert,
  CommandIDs.run,
  CommandIDs.restart,
  CommandIDs.rebuild,
  CommandIDs.updateBases,
  CommandIDs.addPackage,
  CommandIDs.stop,
  CommandIDs.logs,
  CommandIDs.choose,
  CommandIDs.pull,
  CommandIDs.cleanUp
];

/** Milliseconds in which several changes are joined into one update of menus and palette. */
const NOTIFY_DELAY = 200;

/** Register all commands of the sidebar. */
export function addCommands(
  context: ICommandContext,
  palette: ICommandPalette | null
): void {
  addPanelCommands(context);
  addApprovalCommands(context);
  addSettingsCommands(context);
  addKernelCommands(context);
  addBuildCommands(context);
  addImageCommands(context);
  addPackageCommand(context);
  addChangesCommand(context);
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
    label: trans.__('Show Containers'),
    caption: trans.__('Show the sidebar of containers, images and builds'),
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
    label: trans.__('Refresh Containers'),
    caption: trans.__('Ask the server again for all that is shown'),
    icon: refreshIcon,
    execute: () => model.refresh()
  });
  commands.addCommand(CommandIDs.retry, {
    label: trans.__('Try now'),
    caption: trans.__('Ask the server now whether it answers'),
    execute: () => model.connection.retry()
  });
  commands.addCommand(CommandIDs.copy, {
    label: trans.__('Copy'),
    caption: trans.__('Copy to the clipboard'),
    icon: copyIcon,
    execute: args => {
      Clipboard.copyToSystem(typeof args.text === 'string' ? args.text : '');
      Notification.success(trans.__('Copied.'), { autoClose: 1500 });
    }
  });
}

function addApprovalCommands({ commands, model }: ICommandContext): void {
  const { approvalAction } = model;
  commands.addCommand(CommandIDs.revoke, {
    label: trans.__('Revoke'),
    caption: trans.__(
      'Take back all that is approved for this notebook. A container that runs goes on until its kernel ends.'
    ),
    icon: undoIcon,
    isEnabled: () => !approvalAction.pending,
    execute: ({ id }) =>
      typeof id === 'string'
        ? approvalAction.run(trans.__('Revoking…'), () => model.revoke(id))
        : false
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
    label: labelled(
      trans.__('Approve'),
      trans.__('Approve What This Notebook Asks For')
    ),
    caption: trans.__('Say yes to all of this, and start the kernel with it'),
    icon: checkIcon,
    isEnabled: () =>
      isIdle(model.notebook) && !!model.notebook.status.data?.missing.length,
    execute: () =>
      model.notebook && kernelActions.approve(model.notebook, prompt)
  });
  commands.addCommand(CommandIDs.apply, {
    label: labelled(
      trans.__('Apply and restart'),
      trans.__('Apply the Container’s Settings')
    ),
    caption: trans.__(
      'Save these settings in the notebook, approve them, and start its kernel anew with them'
    ),
    icon: checkIcon,
    isEnabled: () =>
      isIdle(model.notebook) &&
      model.notebook.draft.changed &&
      model.notebook.draft.valid,
    execute: () => model.notebook && kernelActions.apply(model.notebook, prompt)
  });
  commands.addCommand(CommandIDs.revert, {
    label: labelled(
      trans.__('Revert'),
      trans.__('Revert the Container’s Settings')
    ),
    caption: trans.__('Drop what was edited and not applied'),
    icon: undoIcon,
    isEnabled: () => isIdle(model.notebook) && model.notebook.draft.changed,
    execute: () => model.notebook?.draft.revert()
  });
}

const labelStart = () =>
  labelled(trans.__('Start'), trans.__('Start the Container’s Kernel'));

const labelRestart = () =>
  labelled(trans.__('Restart'), trans.__('Restart the Container’s Kernel'));

function addKernelCommands(context: ICommandContext): void {
  const { commands, dialogs, model } = context;
  const kernel = () => model.notebook?.status.data?.kernel ?? null;
  commands.addCommand(CommandIDs.run, {
    label: labelled(
      trans.__('Run in its container'),
      trans.__('Run the Kernel in Its Container')
    ),
    caption: trans.__(
      'Move the kernel into the container that the notebook asks for'
    ),
    icon: runIcon,
    isEnabled: () => isIdle(model.notebook) && model.notebook.settings !== null,
    execute: () => model.notebook && kernelActions.start(model.notebook)
  });
  commands.addCommand(CommandIDs.restart, {
    label: args => (kernel() ? labelRestart() : labelStart())(args),
    caption: trans.__('Start the kernel in its container, anew where it runs'),
    icon: refreshIcon,
    isVisible: () =>
      !!model.notebook?.inContainer &&
      !model.notebook.isEmpty &&
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
    label: labelled(trans.__('Stop'), trans.__('Stop the Container')),
    caption: trans.__('End the kernel and its container; variables are lost'),
    icon: stopIcon,
    isVisible: () => !!kernel()?.container,
    isEnabled: () =>
      kernel()?.state === 'starting' ||
      (isIdle(model.notebook) &&
        !!model.notebook.panel.sessionContext.session?.kernel),
    execute: () => model.notebook && kernelActions.stop(model.notebook)
  });
  addLog(context);
}

function addLog({ commands, model }: ICommandContext): void {
  commands.addCommand(CommandIDs.logs, {
    label: labelled(trans.__('Log'), trans.__('Show the Container’s Log')),
    caption: trans.__('Show or hide what the container printed'),
    icon: listIcon,
    isToggleable: true,
    isToggled: () => model.stats.showLogs,
    isVisible: () => !!model.notebook?.status.data?.kernel?.container,
    execute: () => {
      model.stats.showLogs = !model.stats.showLogs;
    }
  });
}

function addBuildCommands({ commands, model }: ICommandContext): void {
  const build = (options: Record<string, boolean>) =>
    commands.execute(CommandIDs.buildCells, options);
  const isEnabled = () =>
    commands.hasCommand(CommandIDs.buildCells) &&
    commands.isEnabled(CommandIDs.buildCells) &&
    isIdle(model.notebook);
  commands.addCommand(CommandIDs.rebuild, {
    label: labelled(trans.__('Build'), trans.__('Build the Image')),
    caption: trans.__(
      'Build the image from this notebook’s Dockerfile cell, and move the kernel into it. No other cell runs.'
    ),
    icon: buildIcon,
    isVisible: () => !!model.notebook?.hasDockerfile,
    isEnabled,
    execute: () => build({})
  });
  commands.addCommand(CommandIDs.updateBases, {
    label: labelled(
      trans.__('Update bases'),
      trans.__('Build on the Newest Base Images')
    ),
    caption: trans.__(
      'Build on the newest base images rather than the recorded ones, and move the kernel. No other cell runs.'
    ),
    icon: historyIcon,
    isVisible: () =>
      !!model.notebook?.hasDockerfile && !!model.notebook.settings?.build,
    isEnabled,
    execute: () => build({ update_bases: true })
  });
}
