/** What the commands of the sidebar share. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import type { ContainersModel } from '../models/model';
import type { Ask } from '../notebook/approval';

/** What commands act on. */
export interface ICommandContext {
  readonly commands: CommandRegistry;
  readonly model: ContainersModel;
  /** Show the sidebar. */
  readonly show: () => void;
  readonly dialogs: ISessionContext.IDialogs;
  readonly ask: Ask;
  /** Whether removing an image asks first. */
  readonly confirmRemove: () => boolean;
}
