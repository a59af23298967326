/** "Mount in This Notebook's Kernel", in the file browser's context menu. */

import { PathExt } from '@jupyterlab/coreutils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';

import { CommandIDs } from '../commandids';
import type { ICommandContext } from '.';
import type { IMountInput } from '../models/form';
import { basename } from '../ui/format';
import { fields } from './imagecommands';
import { containerIcon } from '../ui/icon';

/** A folder of the file browser as a mount of a notebook, read-only, at a place of its own. */
export function mountOf(notebook: string, folder: string): IMountInput {
  const source = PathExt.relative(PathExt.dirname(notebook), folder) || '.';
  const name = basename(folder).replace(/[^A-Za-z0-9._-]+/g, '-') || 'files';
  return { source, target: `/mnt/${name}`, writable: false };
}

/** Register it. */
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
      await fields(model);
      for (const folder of folders()) {
        const path = folder.path.replace(/^RTC:/, '');
        state.draft.addMount(mountOf(state.path, path));
      }
      await commands.execute(CommandIDs.open, { section: 'notebook' });
    }
  });
}
