/** What the current notebook's container has that its image has not. */

import type { Api } from '../api/api';
import type { IChanges } from '../api/types';
import type { Connection } from './connection';
import { KernelResource } from './kernelresource';

/** The changes of the container that is watched: asked for only while somebody looks at them. */
export class Changes extends KernelResource<IChanges> {
  constructor(api: Api, connection: Connection) {
    super(container => api.changes(container), connection);
  }

  /** Whether the list is open. */
  get isOpen(): boolean {
    return this._isOpen;
  }

  set isOpen(open: boolean) {
    this._isOpen = open;
    this.update();
    if (open) {
      this.refresh();
    }
    this.stateChanged.emit();
  }

  /** Whether the place of the list is shown. */
  set shown(shown: boolean) {
    this._shown = shown;
    this.update();
  }

  /** Ask again. */
  refresh(): void {
    this.invalidate(this.kernel);
  }

  private update(): void {
    this.active = this._isOpen && this._shown;
  }

  private _isOpen = false;
  private _shown = false;
}
