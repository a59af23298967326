/** Data of one kernel after the other, such as what the current notebook's container listens on. */

import { VDomModel } from '@jupyterlab/ui-components';

import type { IProblem } from '../api/types';
import type { Connection } from './connection';
import { Resource } from './resource';

/** Data of the kernel that is watched. Of none, and of one that is not ours, nothing is asked. */
export class KernelResource<T> extends VDomModel {
  constructor(
    private readonly fetch: (kernel: string) => Promise<T>,
    private readonly connection: Connection
  ) {
    super();
  }

  /** The id of the kernel that is watched. */
  get kernel(): string | null {
    return this._kernel;
  }

  /** The last answer; null before the first. */
  get data(): T | null {
    return this.resource?.data ?? null;
  }

  /** Why the last request failed; null if it succeeded. */
  get error(): IProblem | null {
    return this.resource?.error ?? null;
  }

  /** Whether a request is running. */
  get loading(): boolean {
    return this.resource?.loading ?? false;
  }

  /** Whether it is kept up to date. */
  get active(): boolean {
    return this._active;
  }

  set active(active: boolean) {
    this._active = active;
    if (this.resource) {
      this.resource.active = active;
    }
  }

  /** Watch this kernel from now on, or none. */
  watch(kernel: string | null): void {
    if (kernel === this._kernel) {
      return;
    }
    this.resource?.dispose();
    this._kernel = kernel;
    this.resource =
      kernel === null
        ? null
        : new Resource(() => this.fetch(kernel), this.connection);
    this.resource?.stateChanged.connect(this.onChanged);
    this.active = this._active;
    this.onChanged();
  }

  /** Call this when data of a kernel has changed. */
  invalidate(kernel: unknown): void {
    if (kernel === this._kernel) {
      this.resource?.invalidate();
    }
  }

  override dispose(): void {
    this.resource?.dispose();
    super.dispose();
  }

  private readonly onChanged = (): void => this.stateChanged.emit();

  private _active = false;
  private _kernel: string | null = null;
  private resource: Resource<T> | null = null;
}
