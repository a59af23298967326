/** A notebook panel, as builds use it. */

import { trans } from '../trans';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

import type { Settings } from '../api/types';
import { GENERIC_KERNEL, METADATA } from '../constants';
import { getLiveKernel } from '../notebook/livekernel';
import { queueSave } from '../notebook/saving';
import type { ICodeCell } from './move';
import { RunError } from './runerror';
import type { IBuildNotebook } from './switchkernel';

/** Milliseconds to wait for JupyterLab to write the kernel spec, or for a kernel to answer. */
const TIMEOUT = 2000;

/** The kernels that have run cells since their start. */
export class UsedKernels {
  private readonly ids = new Set<string>();
  private readonly watched = new WeakSet<ISessionContext>();

  /** Call this before a cell runs. */
  markUsed(context: ISessionContext): void {
    const kernel = context.session?.kernel;
    if (kernel) {
      this.ids.add(kernel.id);
    }
    if (!this.watched.has(context)) {
      this.watched.add(context);
      context.statusChanged.connect(this.onStatus);
    }
  }

  /**
   * Whether the kernel is alive and has run cells. Another page may have run them, so the kernel
   * is asked: every reply has an execution count, which a silent request does not increase.
   */
  async hasRun(context: ISessionContext): Promise<boolean> {
    const kernel = context.session?.kernel;
    if (!kernel || WITHOUT_STATE.has(kernel.status)) {
      return false;
    }
    if (this.ids.has(kernel.id) || kernel.status === 'busy') {
      return true;
    }
    return hasExecuted(kernel);
  }

  private readonly onStatus = (
    context: ISessionContext,
    status: Kernel.Status
  ) => {
    const id = context.session?.kernel?.id;
    if (id && WITHOUT_STATE.has(status)) {
      this.ids.delete(id);
    }
  };
}

/** The statuses of kernels that have no variables. */
const WITHOUT_STATE: ReadonlySet<Kernel.Status> = new Set<Kernel.Status>([
  'dead',
  'terminating',
  'restarting',
  'autorestarting',
  'starting'
]);

async function hasExecuted(kernel: Kernel.IKernelConnection): Promise<boolean> {
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false
  });
  const timeout = new Promise<null>(resolve => {
    setTimeout(resolve, TIMEOUT, null);
  });
  const reply = await Promise.race([future.done.catch(() => null), timeout]);
  future.dispose();
  // A kernel that does not answer is busy.
  return (reply?.content.execution_count ?? 1) > 0;
}

const readOnly = () => ({
  type: 'NotebookReadOnly',
  message: trans.__(
    'You may not write this notebook, so it cannot keep what it runs in.'
  ),
  hint: trans.__('Save a copy of it (File, Save Notebook As…) and run that.')
});

/** The notebook of a panel. */
export class PanelNotebook implements IBuildNotebook {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly usedKernels: UsedKernels
  ) {}

  get path(): string {
    return this.panel.context.localPath;
  }

  get isDisposed(): boolean {
    return this.panel.isDisposed;
  }

  get cells(): readonly ICodeCell[] {
    const { model } = this.panel.content;
    return [...(model?.cells ?? [])].map(cell => ({
      id: cell.id,
      type: cell.type,
      source: cell.sharedModel.getSource()
    }));
  }

  get kernelName(): string {
    return this.panel.sessionContext.session?.kernel?.name ?? '';
  }

  get settings(): Settings | null {
    const found: unknown = this.panel.context.model.getMetadata(METADATA);
    return (found ?? null) as Settings | null;
  }

  set settings(settings: Settings | null) {
    if (settings) {
      this.panel.context.model.setMetadata(METADATA, settings);
    } else {
      this.panel.context.model.deleteMetadata(METADATA);
    }
  }

  async save(): Promise<void> {
    const { context } = this.panel;
    await context.ready;
    // A collaborative model is never dirty.
    const needed = () =>
      context.model.dirty || context.model.collaborative === true;
    if (needed() && context.contentsModel?.writable === false) {
      throw new RunError(readOnly());
    }
    await queueSave(context, needed);
  }

  hasRun(): Promise<boolean> {
    return this.usedKernels.hasRun(this.panel.sessionContext);
  }

  async switchKernel(): Promise<void> {
    await getLiveKernel(this.panel.sessionContext);
    await this.panel.sessionContext.changeKernel({ name: GENERIC_KERNEL });
    await this.waitForKernelSpec();
  }

  async restartKernel(): Promise<void> {
    await this.panel.sessionContext.restartKernel();
  }

  /** Wait for JupyterLab to write the kernel spec into the metadata after a change. */
  private async waitForKernelSpec(): Promise<void> {
    const { model } = this.panel.context;
    const isWritten = () => {
      const spec: unknown = model.getMetadata('kernelspec');
      return (spec as { name?: unknown } | undefined)?.name === GENERIC_KERNEL;
    };
    const deadline = Date.now() + TIMEOUT;
    while (!this.panel.isDisposed && !isWritten() && Date.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }
}
