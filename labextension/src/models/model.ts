/** The state of the sidebar: one part for each section, updated by the server's events. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { VDomModel } from '@jupyterlab/ui-components';
import { Token } from '@lumino/coreutils';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import type { Api } from '../api/api';
import type {
  IApproval,
  ICleanup,
  IContainer,
  IDevices,
  IEngines,
  IField,
  ILeftover,
  ITerminals
} from '../api/types';
import { CHANGE_EVENT } from '../constants';
import type { IOtherExecutor } from '../notebook/otherexecutor';
import { Action } from './action';
import { Changes } from './changes';
import { Connection } from './connection';
import { Folders } from './folders';
import { Images } from './images';
import { Jobs } from './jobs';
import { KernelResource } from './kernelresource';
import { runningKernel } from './kernelstate';
import { NotebookState } from './notebookstate';
import { Ports } from './ports';
import { Resource } from './resource';
import { ContainerStats, DEFAULT_INTERVAL } from './stats';

/** The sidebar's sections, from top to bottom. */
export const SECTIONS = [
  'notebook',
  'images',
  'builds',
  'devices',
  'engines',
  'approvals'
] as const;

/** One of the sidebar's sections. */
export type SectionName = (typeof SECTIONS)[number];

/** An event of Jupyter's event bus, which anyone may have sent. */
export interface IChangeEvent {
  readonly schema_id: string;
  readonly what?: unknown;
  readonly id?: unknown;
  readonly path?: unknown;
}

/** The model, for the plugins of this extension. */
export const IContainersModel = new Token<ContainersModel>(
  'jupyter-containers:IContainersModel'
);

/** The front end's state, except that of cells. */
export class ContainersModel extends VDomModel {
  constructor(
    private readonly api: Api,
    private readonly contents: Pick<Contents.IManager, 'driveName' | 'get'>
  ) {
    super();
    const connection = new Connection(() => api.fields());
    this.connection = connection;
    this.fields = new Resource<readonly IField[]>(
      () => api.fields(),
      connection
    );
    this.engines = new Resource(() => api.engines(), connection);
    this.devices = new Resource(() => api.devices(), connection);
    this.containers = new Resource<readonly IContainer[]>(
      () => api.containers(),
      connection
    );
    this.approvals = new Resource<readonly IApproval[]>(
      () => api.approvals(),
      connection
    );
    this.folders = new Folders(contents);
    this.images = new Images(api, connection);
    this.jobs = new Jobs(api, connection);
    this.stats = new ContainerStats(api, connection);
    this.ports = new Ports(api, connection);
    this.changes = new Changes(api, connection);
    this.terminals = new KernelResource(id => api.terminals(id), connection);
    this.terminals.active = true;
    this.imageAction = new Action(connection);
    this.approvalAction = new Action(connection);
    this.devicesPoll = new Poll({
      auto: false,
      factory: () => this.devices.refresh(),
      frequency: { interval: DEFAULT_INTERVAL, backoff: false },
      name: 'jupyter-containers:devices',
      standby: 'when-hidden'
    });
  }

  /** What runs the page's cells in place of our executor, or null. */
  otherExecutor: IOtherExecutor | null = null;

  readonly connection: Connection;
  readonly fields: Resource<readonly IField[]>;
  readonly engines: Resource<IEngines>;
  readonly devices: Resource<IDevices>;
  readonly containers: Resource<readonly IContainer[]>;
  readonly approvals: Resource<readonly IApproval[]>;
  readonly approvalAction: Action;
  readonly folders: Folders;
  readonly images: Images;
  readonly jobs: Jobs;
  readonly stats: ContainerStats;
  readonly ports: Ports;
  readonly changes: Changes;
  /** Whether terminals may be opened beside the current notebook's kernel. */
  readonly terminals: KernelResource<ITerminals>;
  readonly imageAction: Action;

  /** The notebook that was used last, or null. */
  get notebook(): NotebookState | null {
    return this._notebook;
  }

  /** Emitted when pinned kernel specs were added or removed. */
  get kernelspecsChanged(): ISignal<this, void> {
    return this._kernelspecsChanged;
  }

  /** Whether the panel is visible. */
  get visible(): boolean {
    return this._visible;
  }

  set visible(visible: boolean) {
    this._visible = visible;
    this.updateActive();
  }

  /** Milliseconds between two polls of statistics and devices. */
  set interval(interval: number) {
    this.stats.interval = interval;
    this.devicesPoll.frequency = { interval, backoff: false, max: interval };
  }

  /** Whether ports are looked for while the sidebar is hidden, too. */
  get noticePorts(): boolean {
    return this._noticePorts;
  }

  set noticePorts(notice: boolean) {
    this._noticePorts = notice;
    this.updateActive();
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
      this.updateActive();
      this.stateChanged.emit();
    }
  }

  /** Follow the current notebook. */
  follow(tracker: INotebookTracker): void {
    tracker.widgetAdded.connect((_, panel) => void this.stateOf(panel));
    tracker.currentChanged.connect((_, panel) => this.setNotebook(panel));
    this.setNotebook(tracker.currentWidget);
  }

  /** A notebook's state; always the same object. */
  stateOf(panel: NotebookPanel): NotebookState {
    let state = this._states.get(panel);
    if (!state) {
      state = new NotebookState(panel, {
        api: this.api,
        contents: this.contents,
        fields: this.fields,
        connection: this.connection
      });
      this._states.set(panel, state);
      panel.disposed.connect(() => {
        this._states.delete(panel);
        if (this._notebook?.panel === panel) {
          this.setNotebook(null);
        }
      });
    }
    return state;
  }

  /** Handle an event of the bus. It is only a hint: the changed data is fetched again. */
  handleEvent(event: IChangeEvent): void {
    if (event.schema_id !== CHANGE_EVENT) {
      return;
    }
    switch (event.what) {
      case 'build':
        this.jobs.invalidate();
        break;
      case 'notebook':
        this.approvals.invalidate();
        break;
      case 'images':
        this.images.invalidate();
        break;
      case 'kernelspecs':
        this.images.invalidate();
        this._kernelspecsChanged.emit();
        break;
      case 'ports':
        this.ports.invalidate(event.id);
        return;
      case 'container':
        this.containers.invalidate();
        this.devices.invalidate();
        break;
    }
    for (const state of this._states.values()) {
      if (!event.path || event.path === state.path) {
        state.invalidate();
      }
    }
  }

  /** Stop a container and its kernel. Throws RequestError. */
  stopContainer(container: string): Promise<void> {
    return this.api.stop(container);
  }

  /** What nobody needs any more. Throws RequestError. */
  leftovers(): Promise<readonly ILeftover[]> {
    return this.api.leftovers();
  }

  /** Remove leftovers. Throws RequestError. */
  async removeLeftovers(found: readonly ILeftover[]): Promise<ICleanup> {
    const done = await this.api.removeLeftovers(found.map(({ name }) => name));
    this.images.invalidate();
    return done;
  }

  /** Take back all that is approved for a notebook; what runs goes on. Throws RequestError. */
  async revoke(id: string): Promise<void> {
    await this.api.revoke(id);
    this.approvals.invalidate();
  }

  /** Fetch everything again that is shown. */
  refresh(): void {
    for (const resource of this.resources) {
      resource.invalidate();
    }
    this._notebook?.status.invalidate();
    this._notebook?.starters.invalidate();
    if (this.connection.isLost) {
      void this.connection.retry();
    }
  }

  override dispose(): void {
    this._states.forEach(state => state.dispose());
    this.resources.forEach(resource => resource.dispose());
    this.stats.dispose();
    this.ports.dispose();
    this.changes.dispose();
    this.terminals.dispose();
    this.devicesPoll.dispose();
    this.connection.dispose();
    super.dispose();
  }

  private get resources(): readonly { invalidate(): void; dispose(): void }[] {
    const { fields, engines, devices, containers, images, jobs } = this;
    const { approvals } = this;
    return [fields, engines, devices, containers, images, jobs, approvals];
  }

  private setNotebook(panel: NotebookPanel | null): void {
    const state = panel && !panel.isDisposed ? this.stateOf(panel) : null;
    if (state === this._notebook) {
      return;
    }
    if (this._notebook && !this._notebook.isDisposed) {
      this._notebook.visible = false;
      this._notebook.stateChanged.disconnect(this.onNotebookChanged);
    }
    this._notebook = state;
    state?.stateChanged.connect(this.onNotebookChanged);
    this.updateActive();
    this.stateChanged.emit();
  }

  private readonly onNotebookChanged = (): void => {
    this.updateStats();
    this.stateChanged.emit();
  };

  /** Keep up to date what is shown, and nothing else. */
  private updateActive(): void {
    const isShown = (section: SectionName) =>
      this._visible && this._open.has(section);
    this.fields.active = isShown('notebook');
    this.engines.active =
      isShown('engines') || isShown('images') || isShown('notebook');
    this.devices.active = isShown('devices') || isShown('notebook');
    this.images.active =
      isShown('images') || isShown('notebook') || isShown('engines');
    this.approvals.active = isShown('approvals');
    this.ports.active = this._noticePorts || isShown('notebook');
    this.changes.shown = isShown('notebook');
    this.jobs.active = isShown('builds') || isShown('images');
    if (this._notebook) {
      this._notebook.visible = isShown('notebook');
    }
    void (isShown('devices')
      ? this.devicesPoll.start()
      : this.devicesPoll.stop());
    this.updateStats();
  }

  private updateStats(): void {
    const kernel = this._notebook?.status.data?.kernel;
    const isShown = this._visible && this._open.has('notebook');
    this.stats.watch(isShown ? (kernel?.container ?? null) : null);
    this.changes.watch(kernel?.container ?? null);
    const running = runningKernel(this._notebook?.status.data ?? null);
    this.ports.watch(running);
    this.terminals.watch(running);
  }

  private readonly _kernelspecsChanged = new Signal<this, void>(this);
  private _notebook: NotebookState | null = null;
  private readonly _open = new Set<SectionName>();
  private readonly _states = new Map<NotebookPanel, NotebookState>();
  private readonly devicesPoll: Poll<void>;
  private _noticePorts = true;
  private _visible = false;
}
