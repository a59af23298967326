/** The commands that mount a folder: from the file browser, and for a mount of the form. */

import { PathExt } from '@jupyterlab/coreutils';
import { FileDialog, type IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { folderIcon } from '@jupyterlab/ui-components';

import { CommandIDs } from '../commandids';
import type { IMountInput } from '../models/form';
import { trans } from '../trans';
import { basename } from '../ui/format';
import { containerIcon } from '../ui/icon';
import type { ICommandContext } from './context';

/** A read-only mount for a folder of the file browser. */
export function mountForFolder(notebook: string, folder: string): IMountInput {
  const source = PathExt.relative(PathExt.dirname(notebook), folder) || '.';
  const name = basename(folder).replace(/[^A-Za-z0-9._-]+/g, '-') || 'files';
  return { source, target: `/mnt/${name}`, writable: false };
}

/** A folder's path on the server, without the name of a drive. */
function serverPath(path: string): string {
  return path.replace(/^RTC:/, '');
}

/** Register the commands of folders, which need a file browser. */
export function addFolderCommands(
  context: ICommandContext,
  browsers: IFileBrowserFactory
): void {
  addMountFolder(context, browsers);
  addPickFolder(context, browsers);
}

/** "Mount in This Notebook's Kernel", for the file browser's context menu. */
function addMountFolder(
  context: ICommandContext,
  browsers: IFileBrowserFactory
): void {
  const { commands, model } = context;
  const folders = () =>
    [...(browsers.tracker.currentWidget?.selectedItems() ?? [])].filter(
      item => item.type === 'directory'
    );
  commands.addCommand(CommandIDs.mountFolder, {
    label: trans.__('Mount in This Notebook’s Kernel'),
    caption: trans.__(
      'Put this folder into the container of the notebook, read-only'
    ),
    icon: containerIcon.bindprops({ stylesheet: 'menuItem' }),
    isVisible: () => !!model.notebook?.path && folders().length > 0,
    execute: async () => {
      const state = model.notebook;
      if (!state?.path) {
        return;
      }
      await model.fields.ensure();
      for (const folder of folders()) {
        const path = serverPath(folder.path);
        state.draft.addMount(mountForFolder(state.path, path));
      }
      await commands.execute(CommandIDs.open, { section: 'notebook' });
    }
  });
}

/** The button beside the folder of a mount. */
function addPickFolder(
  context: ICommandContext,
  browsers: IFileBrowserFactory
): void {
  const { commands, model } = context;
  const manager = () => browsers.tracker.currentWidget?.model.manager;
  commands.addCommand(CommandIDs.pickFolder, {
    label: args =>
      trans.__(
        'Choose the folder of mount %1…',
        String(Number(args.mount) + 1)
      ),
    caption: trans.__('Choose a folder of the file browser'),
    icon: folderIcon,
    isVisible: () => !!manager(),
    execute: async args => {
      const state = model.notebook;
      const documents = manager();
      if (!state?.path || !documents) {
        return;
      }
      const { path } = state;
      const { button, value } = await FileDialog.getExistingDirectory({
        manager: documents,
        title: trans.__('Mount a folder'),
        defaultPath: PathExt.dirname(path)
      });
      const [folder] = value ?? [];
      if (button.accept && folder) {
        const mount = mountForFolder(path, serverPath(folder.path));
        state.draft.setFolder(Number(args.mount), mount);
      }
    }
  });
}
