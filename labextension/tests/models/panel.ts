/** An open notebook, as far as the sidebar touches it. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';

import type { IKernel, INotebook } from '../../src/api/types';
import { METADATA } from '../../src/constants';

/** A code cell. */
class FakeCell {
  readonly id: string;
  readonly type = 'code';
  readonly sharedModel;

  constructor(source: string, at: number) {
    this.id = `cell ${String(at)}`;
    const shared = {
      source,
      getSource: () => shared.source,
      setSource: (text: string) => {
        shared.source = text;
      },
      transact: (change: () => void) => change()
    };
    this.sharedModel = shared;
  }
}

/** Writes down what is done to it, in order. */
export class FakePanel {
  readonly done: string[] = [];
  readonly metadata: Record<string, unknown>;
  readonly kernel = { name: '', status: 'idle' };
  /** What saving and starting throw. */
  fails: Error | null = null;
  /** Whether the server does not know its kernel any more, which nobody has noticed yet. */
  lost = false;

  private readonly models: FakeCell[];

  constructor(
    kernel = 'container',
    settings?: unknown,
    cells: readonly string[] = []
  ) {
    this.models = cells.map((source, at) => new FakeCell(source, at));
    this.kernel.name = kernel;
    this.metadata = { kernelspec: { name: kernel }, [METADATA]: settings };
  }

  readonly signals = {
    path: new Signal<FakePanel, string>(this),
    file: new Signal<FakePanel, unknown>(this),
    content: new Signal<FakePanel, unknown>(this),
    metadata: new Signal<FakePanel, { key: string }>(this),
    kernel: new Signal<FakePanel, unknown>(this),
    status: new Signal<FakePanel, string>(this),
    specs: new Signal<FakePanel, unknown>(this),
    disposed: new Signal<FakePanel, unknown>(this)
  };

  get panel(): NotebookPanel {
    return this.made as unknown as NotebookPanel;
  }

  /** The sources of its cells. */
  get cells(): readonly string[] {
    return this.models.map(({ sharedModel }) => sharedModel.source);
  }

  addCell(source: string): void {
    this.models.push(new FakeCell(source, this.models.length));
  }

  private act(what: string): Promise<void> {
    this.done.push(what);
    return this.fails ? Promise.reject(this.fails) : Promise.resolve();
  }

  private readonly made = {
    isDisposed: false,
    disposed: this.signals.disposed,
    content: {
      model: {
        cells: {
          [Symbol.iterator]: () => this.models[Symbol.iterator]()
        }
      }
    },
    context: {
      path: 'n.ipynb',
      localPath: 'n.ipynb',
      pathChanged: this.signals.path,
      fileChanged: this.signals.file,
      ready: Promise.resolve(),
      save: () => this.act('save'),
      model: {
        dirty: true,
        contentChanged: this.signals.content,
        metadataChanged: this.signals.metadata,
        getMetadata: (key: string) => this.metadata[key],
        setMetadata: (key: string, value: unknown) => {
          this.done.push(`set ${JSON.stringify(value)}`);
          this.metadata[key] = value;
          this.signals.metadata.emit({ key });
        }
      }
    },
    sessionContext: this.session()
  };

  private session() {
    const context = {
      session: { kernel: this.kernel } as { kernel: { name: string } } | null,
      get kernelDisplayName() {
        return `shown as ${this.session?.kernel.name ?? ''}`;
      },
      sessionManager: {
        refreshRunning: () => {
          context.session = this.lost ? null : context.session;
          return Promise.resolve();
        }
      },
      kernelChanged: this.signals.kernel,
      statusChanged: this.signals.status,
      specsManager: {
        specsChanged: this.signals.specs,
        specs: {
          kernelspecs: {
            container: spec('container-provisioner'),
            pinned: spec('container-provisioner'),
            python3: spec('local-provisioner')
          }
        }
      },
      restartKernel: () => this.act('restart'),
      changeKernel: ({ name }: { name: string }) => this.act(`change ${name}`),
      shutdown: () => this.act('shutdown')
    };
    return context;
  }
}

function spec(provisioner: string) {
  return {
    metadata: { kernel_provisioner: { provisioner_name: provisioner } }
  };
}

/** What the server says of a notebook. */
export function notebook(more: Partial<INotebook> = {}): INotebook {
  return {
    path: 'n.ipynb',
    asked: { version: 1, image: 'a:1' },
    error: null,
    missing: [],
    missing_keys: [],
    asks: [],
    engine: 'podman',
    image_here: true,
    build_same: null,
    warning: null,
    changed: false,
    building: false,
    lacking: [],
    kernel: null,
    ...more
  };
}

/** A kernel of ours that runs. */
export function kernel(more: Partial<IKernel> = {}): IKernel {
  return {
    id: 'k',
    state: 'running',
    phase: '',
    trouble: null,
    container: 'c',
    engine: 'podman',
    image: 'docker.io/library/a:1',
    applied: null,
    running: null,
    placement: null,
    ...more
  };
}
