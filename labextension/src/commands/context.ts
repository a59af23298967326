/** What the commands of the sidebar share. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import type { ContainersModel } from '../models/model';
import type { AskApproval } from '../notebook/approval';

/** The services that commands need. */
export interface ICommandContext {
  readonly commands: CommandRegistry;
  readonly model: ContainersModel;
  /** Show the sidebar. */
  readonly showSidebar: () => void;
  readonly dialogs: ISessionContext.IDialogs;
  readonly askApproval: AskApproval;
  /** Whether to ask before an image is removed. */
  readonly shouldConfirmRemove: () => boolean;
}

/** A command's label: a short one on its button, a long one in the palette. */
export function labelled(
  short: string,
  long: string
): CommandRegistry.CommandFunc<string> {
  return args => (args.isPalette ? long : short);
}
