/** A notebook panel of JupyterLab as a build needs it. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

import { liveKernel } from '../notebook/livekernel';
import { saveInTurn } from '../notebook/saving';
import type { Settings } from '../api/types';
import { GENERIC_KERNEL, METADATA } from '../constants';
import type { ICodeCell } from './move';
import type { IBuildNotebook } from './switchkernel';
import { Stop } from './runerror';

/** Milliseconds to wait for what JupyterLab writes, or a kernel answers, by itself. */
const PATIENCE = 2000;

/** The kernels that have run cells since they started, as far as this page knows. */
export class RanKernels {
  private readonly ids = new Set<string>();
  private readonly watched = new WeakSet<ISessionContext>();

  /** A cell is about to run there. */
  note(context: ISessionContext): void {
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
   * Whether the kernel lives and has run cells. One that another page has used is asked: the
   * protocol puts a count into every reply, and a silent request does not raise it.
   */
  async hasRun(context: ISessionContext): Promise<boolean> {
    const kernel = context.session?.kernel;
    if (!kernel || GONE.has(kernel.status)) {
      return false;
    }
    if (this.ids.has(kernel.id) || kernel.status === 'busy') {
      return true;
    }
    return countCells(kernel);
  }

  private readonly onStatus = (
    context: ISessionContext,
    status: Kernel.Status
  ) => {
    const id = context.session?.kernel?.id;
    if (id && GONE.has(status)) {
      this.ids.delete(id);
    }
  };
}

const GONE: ReadonlySet<Kernel.Status> = new Set<Kernel.Status>([
  'dead',
  'terminating',
  'restarting',
  'autorestarting',
  'starting'
]);

async function countCells(kernel: Kernel.IKernelConnection): Promise<boolean> {
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false
  });
  const late = new Promise<null>(resolve => {
    setTimeout(resolve, PATIENCE, null);
  });
  const reply = await Promise.race([future.done.catch(() => null), late]);
  future.dispose();
  // One that does not answer is at work.
  return (reply?.content.execution_count ?? 1) > 0;
}

const READ_ONLY = {
  type: 'NotebookReadOnly',
  message:
    'You may not write this notebook, so it cannot keep what it runs in.',
  hint: 'Save a copy of it (File, Save Notebook As…) and run that.'
};

/** One open notebook. */
export class PanelNotebook implements IBuildNotebook {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly ran: RanKernels
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

  get spec(): string {
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
    // A model that others edit too is never dirty, whatever the file says.
    const needed = () =>
      context.model.dirty || context.model.collaborative === true;
    if (needed() && context.contentsModel?.writable === false) {
      throw new Stop(READ_ONLY);
    }
    await saveInTurn(context, needed);
  }

  hasRun(): Promise<boolean> {
    return this.ran.hasRun(this.panel.sessionContext);
  }

  async switchKernel(): Promise<void> {
    await liveKernel(this.panel.sessionContext);
    await this.panel.sessionContext.changeKernel({ name: GENERIC_KERNEL });
    await this.specWritten();
  }

  async restartKernel(): Promise<void> {
    await this.panel.sessionContext.restartKernel();
  }

  /** The panel writes the kernel spec into the metadata a little after the change. */
  private async specWritten(): Promise<void> {
    const { model } = this.panel.context;
    const written = () => {
      const spec: unknown = model.getMetadata('kernelspec');
      return (spec as { name?: unknown } | undefined)?.name === GENERIC_KERNEL;
    };
    const until = Date.now() + PATIENCE;
    while (!this.panel.isDisposed && !written() && Date.now() < until) {
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }
}
