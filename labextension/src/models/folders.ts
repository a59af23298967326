/** Folders below the server's root, which complete the path of a mount as it is typed. */

import { PathExt } from '@jupyterlab/coreutils';
import type { Contents } from '@jupyterlab/services';
import { VDomModel } from '@jupyterlab/ui-components';

/** Suggestions for one input. */
const MOST = 100;

/** Milliseconds after which a folder is listed again. */
const STALE = 10_000;

/** The folders that were listed, for the suggestions of all inputs. */
export class Folders extends VDomModel {
  constructor(private readonly contents: Pick<Contents.IManager, 'get'>) {
    super();
  }

  /** Ask for the folder that a typed path is about to name a part of. */
  load(notebook: string, typed: string): void {
    const folder = folderOf(notebook, typed);
    const now = Date.now();
    if (folder !== null && now - (this._asked.get(folder) ?? 0) > STALE) {
      this._asked.set(folder, now);
      void this.list(folder);
    }
  }

  /** The paths that may be meant, relative to the notebook as what is typed; empty if unknown. */
  suggest(notebook: string, typed: string): readonly string[] {
    const folder = folderOf(notebook, typed);
    const above = typed.slice(0, typed.lastIndexOf('/') + 1);
    const names = this._names.get(folder ?? '/') ?? [];
    return names.map(name => above + name);
  }

  private async list(folder: string): Promise<void> {
    try {
      const found = await this.contents.get(folder, {
        type: 'directory',
        content: true
      });
      const names = (found.content as readonly Contents.IModel[])
        .filter(({ type }) => type === 'directory')
        .map(({ name }) => name);
      this._names.set(folder, names.slice(0, MOST));
    } catch {
      // There is no such folder while its name is being typed.
      this._names.delete(folder);
    }
    this.stateChanged.emit();
  }

  private readonly _asked = new Map<string, number>();
  private readonly _names = new Map<string, readonly string[]>();
}

/** The folder to list, below the server's root; null for one that is elsewhere. */
function folderOf(notebook: string, typed: string): string | null {
  if (/^[/~$]/.test(typed)) {
    return null;
  }
  const above = typed.slice(0, typed.lastIndexOf('/') + 1);
  const folder = PathExt.join(PathExt.dirname(notebook), above);
  return folder.startsWith('..') ? null : folder.replace(/^\.?\/?$|\/$/, '');
}
