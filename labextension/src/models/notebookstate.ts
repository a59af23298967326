/** One open notebook: its settings, the server's view of it, the edits and the running action. */

import type { ICellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { VDomModel } from '@jupyterlab/ui-components';
import { Debouncer } from '@lumino/polling';
import { Signal } from '@lumino/signaling';

import type { Api } from '../api/api';
import type { IField, INotebook, IStarter, Settings } from '../api/types';
import { GENERIC_KERNEL, METADATA } from '../constants';
import { optionsOf } from '../notebook/celloptions';
import {
  cellsSaying,
  dockerfileCellsOf,
  movingCellsOf
} from '../notebook/dockerfilecell';
import { isContainerSpec, renameSession } from '../notebook/livekernel';
import { queueSave } from '../notebook/saving';
import { trans } from '../trans';
import { Action } from './action';
import type { Connection } from './connection';
import { OutputsDecision } from './outputs';
import { Resource } from './resource';
import { SettingsDraft } from './settingsdraft';

/** Milliseconds in which several changes of a notebook are joined into one request. */
const REFRESH_DELAY = 150;

/** The drive of JupyterLab's real-time collaboration, which holds the server's files. */
const COLLABORATION_DRIVE = 'RTC';

/** The services that the states of all notebooks share. */
export interface INotebookContext {
  readonly api: Api;
  readonly connection: Connection;
  readonly contents: Pick<Contents.IManager, 'driveName'>;
  /** The table of settings, which does not change. */
  readonly fields: Resource<readonly IField[]>;
}

/** A build of one of the notebook's cells, which this page follows. */
export interface IRunningBuild {
  readonly cell: string;
  /** The running instruction: its number, the number of all, its text. */
  readonly step: number;
  readonly steps: number;
  readonly text: string;
  /** Seconds since its start. */
  readonly elapsed: () => number;
}

/** The state of one open notebook. It is disposed with its panel. */
export class NotebookState extends VDomModel {
  constructor(
    readonly panel: NotebookPanel,
    private readonly services: INotebookContext
  ) {
    super();
    this.action = new Action(services.connection);
    this.draft = new SettingsDraft(services.api);
    this.outputs = new OutputsDecision(services, {
      path: () => this.path,
      isOurs: () => this.inContainer || this.settings !== null,
      hasDockerfile: () => this.hasDockerfile
    });
    this.status = new Resource(() => this.fetch(), services.connection);
    this.starters = new Resource<readonly IStarter[]>(
      () => services.api.starters(this.path ?? ''),
      services.connection
    );
    const { action, draft, outputs, starters, status } = this;
    for (const part of [action, draft, outputs, starters, status]) {
      part.stateChanged.connect(() => this.stateChanged.emit());
    }
    // Not at once: JupyterLab tells that a file has changed before it tells its new path.
    this.refreshLater = new Debouncer(() => {
      this.status.invalidate();
      this.starters.invalidate();
      if (this.outputs.applies) {
        void this.outputs.refresh();
      }
    }, REFRESH_DELAY);
    this.followCellsLater = new Debouncer(() => {
      const cells = this.describeCells();
      if (cells !== this._cells) {
        this._cells = cells;
        this.stateChanged.emit();
      }
    }, REFRESH_DELAY);
    this.connectSignals();
    this.syncFields();
    this.syncSettings();
  }

  readonly action: Action;
  readonly draft: SettingsDraft;
  /** How what its kernel displays is drawn. */
  readonly outputs: OutputsDecision;
  /** The server's view of the notebook. */
  readonly status: Resource<INotebook>;

  /** The files of its folder that a first cell can be made from; fetched while it is empty. */
  readonly starters: Resource<readonly IStarter[]>;

  /** The build that runs, if this page follows it. */
  get build(): IRunningBuild | null {
    return this._build;
  }

  set build(build: IRunningBuild | null) {
    if (!this.isDisposed) {
      this._build = build;
      this.stateChanged.emit();
    }
  }

  /** The REST client. */
  get api(): Api {
    return this.services.api;
  }

  /** The path on the server; null for a notebook on another drive. */
  get path(): string | null {
    const { context } = this.panel;
    const drive = this.services.contents.driveName(context.path);
    return drive === '' || drive === COLLABORATION_DRIVE
      ? context.localPath
      : null;
  }

  /** The settings in the open notebook, saved or not. */
  get settings(): Settings | null {
    const found: unknown = this.panel.context.model.getMetadata(METADATA);
    return typeof found === 'object' && found !== null && !Array.isArray(found)
      ? (found as Settings)
      : null;
  }

  /** The name of its kernel spec, running or recorded. */
  get kernelName(): string {
    const running = this.panel.sessionContext.session?.kernel?.name;
    const recorded = this.panel.context.model.getMetadata('kernelspec') as
      { name?: unknown } | undefined;
    const name = running ?? recorded?.name;
    return typeof name === 'string' ? name : '';
  }

  /** Whether its kernel spec runs in a container. */
  get inContainer(): boolean {
    const { specsManager } = this.panel.sessionContext;
    return isContainerSpec(specsManager, this.kernelName) === true;
  }

  /** Whether it uses a pinned kernel's settings rather than its own. */
  get pinned(): boolean {
    return this.inContainer && this.kernelName !== GENERIC_KERNEL;
  }

  /** Whether it has a Dockerfile cell. */
  get hasDockerfile(): boolean {
    return dockerfileCellsOf(this.panel).length > 0;
  }

  /** Whether it is to run in a container and names no image so far. */
  get isEmpty(): boolean {
    const { data } = this.status;
    return (
      this.inContainer &&
      !this.pinned &&
      this.settings === null &&
      data !== null &&
      data.asked === null &&
      data.error === null
    );
  }

  /** The cell whose run sets a field, by an option or as the image that it builds; or null. */
  cellSetting(field: IField): ICellModel | null {
    if (field.key === 'image') {
      return movingCellsOf(this.panel).pop() ?? null;
    }
    return field.in_cell
      ? (cellsSaying(this.panel, field.option).pop() ?? null)
      : null;
  }

  /** Whether it uses containers at all. */
  get usesContainers(): boolean {
    return this.inContainer || this.settings !== null || this.hasDockerfile;
  }

  /** Whether the sidebar shows this notebook. */
  get visible(): boolean {
    return this._visible;
  }

  set visible(visible: boolean) {
    this._visible = visible;
    this.updateActive();
  }

  /** What of its settings, including the edits, is not approved. */
  get missing(): readonly string[] {
    return this.draft.missing ?? this.status.data?.missing ?? [];
  }

  /** The keys of what is not approved; undefined if that is unknown. */
  get missingKeys(): readonly string[] | undefined {
    if (this.draft.changed) {
      return this.draft.missingKeys;
    }
    const { data } = this.status;
    // Nobody approved settings that the server cannot read.
    return data?.error ? undefined : data?.missing_keys;
  }

  /** Save the notebook with these settings. Throws if it cannot be saved. */
  async write(settings: Settings): Promise<void> {
    this.panel.context.model.setMetadata(METADATA, settings);
    await queueSave(this.panel.context);
  }

  /** Fetch the status again; several calls become one request. */
  invalidate(): void {
    if (!this.isDisposed) {
      this.updateActive();
      void this.refreshLater.invoke();
    }
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.refreshLater.dispose();
    this.followCellsLater.dispose();
    this.status.dispose();
    this.starters.dispose();
    this.draft.dispose();
    this.outputs.dispose();
    this.action.dispose();
    super.dispose();
    Signal.clearData(this);
  }

  /** What of its Dockerfile cells is shown. */
  private describeCells(): string {
    const sources = dockerfileCellsOf(this.panel).map(
      ({ sharedModel }) => sharedModel.source
    );
    return JSON.stringify(sources.map(optionsOf));
  }

  private async fetch(): Promise<INotebook> {
    const { path } = this;
    if (path === null) {
      throw new Error(
        trans.__('This notebook does not lie on the Jupyter server.')
      );
    }
    return this.services.api.notebook(path);
  }

  private connectSignals(): void {
    const { context, sessionContext } = this.panel;
    // Each with `this`, by which `dispose` disconnects: some senders live as long as the page.
    context.pathChanged.connect(this.onPathChanged, this);
    context.fileChanged.connect(() => this.invalidate(), this);
    context.model.metadataChanged.connect((_, change) => {
      if (change.key === METADATA) {
        this.syncSettings();
        this.updateActive();
      }
    }, this);
    context.model.contentChanged.connect(
      () => void this.followCellsLater.invoke(),
      this
    );
    void context.ready.then(() => {
      this.syncSettings();
      this.updateActive();
    });
    sessionContext.kernelChanged.connect(this.onKernelChanged, this);
    sessionContext.statusChanged.connect((_, status) => {
      if (status !== 'busy' && status !== 'idle') {
        this.invalidate();
      }
    }, this);
    sessionContext.specsManager.specsChanged.connect(this.updateActive, this);
    this.services.fields.stateChanged.connect(this.syncFields, this);
    this.panel.disposed.connect(() => this.dispose(), this);
  }

  private readonly onPathChanged = (): void => {
    renameSession(this.panel.context);
    this.draft.path = this.path;
    void this.outputs.refresh();
    this.invalidate();
  };

  private readonly onKernelChanged = (): void => {
    this.updateActive();
    this.invalidate();
  };

  private readonly syncFields = (): void => {
    const fields = this.services.fields.data ?? [];
    if (fields !== this.draft.fields) {
      this.draft.fields = fields;
    }
  };

  private readonly syncSettings = (): void => {
    if (!this.isDisposed) {
      this.draft.path = this.path;
      this.draft.rebase(this.settings);
    }
  };

  /** Keep the status up to date only of notebooks that are shown or use containers. */
  private readonly updateActive = (): void => {
    if (!this.isDisposed) {
      this.status.active =
        this.path !== null && (this._visible || this.usesContainers);
      this.starters.active = this._visible && this.isEmpty;
      this.stateChanged.emit();
    }
  };

  private _build: IRunningBuild | null = null;
  private _cells = '[]';
  private _visible = false;
  private readonly followCellsLater: Debouncer;
  private readonly refreshLater: Debouncer;
}
