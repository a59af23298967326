/** What the sidebar shows and does: one part per section, joined by the server's events. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { VDomModel } from '@jupyterlab/ui-components';
import { Token } from '@lumino/coreutils';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import type { Api } from '../api/api';
import { Acting } from './action';
import { Images } from './images';
import { Jobs } from './jobs';
import { INTERVAL, Live } from './stats';
import { NotebookState } from './notebookstate';
import { Server } from './connection';
import { Source } from './resource';
import { CHANGE_EVENT } from '../constants';
import type { IContainer, IDevice, IEngine, IField } from '../api/types';

/** The sidebar's sections, from the top. */
export const SECTIONS = [
  'notebook',
  'images',
  'builds',
  'devices',
  'engines'
] as const;

/** One of the sidebar's sections. */
export type SectionName = (typeof SECTIONS)[number];

/** An event of Jupyter's event bus; anybody may send one. */
export interface IEmission {
  readonly schema_id: string;
  readonly what?: unknown;
  readonly path?: unknown;
}

/** The model, for other plugins of ours. */
export const IContainersModel = new Token<ContainersModel>(
  'jupyter-containers:IContainersModel'
);

/** All of the front end's state but the cells'. */
export class ContainersModel extends VDomModel {
  constructor(
    private readonly api: Api,
    private readonly contents: Pick<Contents.IManager, 'driveName'>
  ) {
    super();
    this.server = new Server(() => api.fields());
    const { server } = this;
    this.fields = new Source<readonly IField[]>(() => api.fields(), server);
    this.engines = new Source(() => api.engines(), server);
    this.devices = new Source(() => api.devices(), server);
    this.containers = new Source<readonly IContainer[]>(
      () => api.containers(),
      server
    );
    this.images = new Images(api, server);
    this.jobs = new Jobs(api, server);
    this.live = new Live(api, server);
    this.imagesActing = new Acting(server);
    this.ticking = new Poll({
      auto: false,
      factory: () => this.devices.refresh(),
      frequency: { interval: INTERVAL, backoff: false },
      name: 'jupyter-containers:devices',
      standby: 'when-hidden'
    });
  }

  readonly server: Server;
  readonly fields: Source<readonly IField[]>;
  readonly engines: Source<{
    engines: readonly IEngine[];
    default: string | null;
  }>;
  readonly devices: Source<{
    devices: readonly IDevice[];
    looked: readonly string[];
  }>;
  readonly containers: Source<readonly IContainer[]>;
  readonly images: Images;
  readonly jobs: Jobs;
  readonly live: Live;
  readonly imagesActing: Acting;

  /** The notebook that was used last; null where there is none. */
  get notebook(): NotebookState | null {
    return this._notebook;
  }

  /** Emitted when kernel specs of ours came or went. */
  get kernelspecsChanged(): ISignal<this, void> {
    return this._kernelspecsChanged;
  }

  /** Whether the panel is on the screen. */
  get visible(): boolean {
    return this._visible;
  }

  set visible(visible: boolean) {
    this._visible = visible;
    this.attend();
  }

  /** Milliseconds between two looks at what changes all the time. */
  set interval(interval: number) {
    this.live.interval = interval;
    this.ticking.frequency = { interval, backoff: false, max: interval };
  }

  /** Whether a section is open. */
  isOpen(section: SectionName): boolean {
    return this._open.has(section);
  }

  /** Open or close a section. */
  setOpen(section: SectionName, open: boolean): void {
    if (open !== this._open.has(section)) {
      if (open) {
        this._open.add(section);
      } else {
        this._open.delete(section);
      }
      this.attend();
      this.stateChanged.emit();
    }
  }

  /** Follow the notebook that is used. */
  follow(tracker: INotebookTracker): void {
    tracker.widgetAdded.connect((_, panel) => void this.of(panel));
    tracker.currentChanged.connect((_, panel) => this.use(panel));
    this.use(tracker.currentWidget);
  }

  /** A notebook's state; the same object each time. */
  of(panel: NotebookPanel): NotebookState {
    let state = this._states.get(panel);
    if (!state) {
      state = new NotebookState(panel, {
        api: this.api,
        contents: this.contents,
        fields: this.fields,
        server: this.server
      });
      this._states.set(panel, state);
      panel.disposed.connect(() => {
        this._states.delete(panel);
        if (this._notebook?.panel === panel) {
          this.use(null);
        }
      });
    }
    return state;
  }

  /** Called with every event on the bus: only a hint, what changed is asked again. */
  heard(emission: IEmission): void {
    if (emission.schema_id !== CHANGE_EVENT) {
      return;
    }
    switch (emission.what) {
      case 'build':
        this.jobs.invalidate();
        break;
      case 'images':
        this.images.invalidate();
        break;
      case 'kernelspecs':
        this.images.invalidate();
        this._kernelspecsChanged.emit();
        break;
      case 'container':
        this.containers.invalidate();
        this.devices.invalidate();
        break;
    }
    for (const state of this._states.values()) {
      if (!emission.path || emission.path === state.path) {
        state.changed();
      }
    }
  }

  /** End a container and its kernel. Throws RequestError. */
  stop(container: string): Promise<void> {
    return this.api.stop(container);
  }

  /** Ask everything again that is seen. */
  refresh(): void {
    for (const source of this.sources) {
      source.invalidate();
    }
    this._notebook?.truth.invalidate();
    if (this.server.gone) {
      void this.server.retry();
    }
  }

  override dispose(): void {
    this._states.forEach(state => state.dispose());
    this.sources.forEach(source => source.dispose());
    this.live.dispose();
    this.ticking.dispose();
    this.server.dispose();
    super.dispose();
  }

  private get sources(): readonly { invalidate(): void; dispose(): void }[] {
    const { fields, engines, devices, containers, images, jobs } = this;
    return [fields, engines, devices, containers, images, jobs];
  }

  private use(panel: NotebookPanel | null): void {
    const state = panel && !panel.isDisposed ? this.of(panel) : null;
    if (state === this._notebook) {
      return;
    }
    if (this._notebook && !this._notebook.isDisposed) {
      this._notebook.looked = false;
      this._notebook.stateChanged.disconnect(this.onNotebook);
    }
    this._notebook = state;
    state?.stateChanged.connect(this.onNotebook);
    this.attend();
    this.stateChanged.emit();
  }

  private readonly onNotebook = (): void => {
    this.attendLive();
    this.stateChanged.emit();
  };

  /** Ask for what is seen, and for nothing else. */
  private attend(): void {
    const seen = (section: SectionName) =>
      this._visible && this._open.has(section);
    this.fields.wanted = seen('notebook');
    this.engines.wanted = seen('engines') || seen('images') || seen('notebook');
    this.devices.wanted = seen('devices') || seen('notebook');
    this.images.wanted = seen('images') || seen('notebook');
    this.jobs.wanted = seen('builds') || seen('images');
    if (this._notebook) {
      this._notebook.looked = seen('notebook');
    }
    void (seen('devices') ? this.ticking.start() : this.ticking.stop());
    this.attendLive();
  }

  private attendLive(): void {
    const kernel = this._notebook?.truth.data?.kernel;
    const seen = this._visible && this._open.has('notebook');
    this.live.watch(seen ? (kernel?.container ?? null) : null);
  }

  private readonly _kernelspecsChanged = new Signal<this, void>(this);
  private _notebook: NotebookState | null = null;
  private readonly _open = new Set<SectionName>();
  private readonly _states = new Map<NotebookPanel, NotebookState>();
  private readonly ticking: Poll<void>;
  private _visible = false;
}
