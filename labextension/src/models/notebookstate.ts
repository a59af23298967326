/** One open notebook: its settings, the server's view of it, the edits, and what is done to it. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import { VDomModel } from '@jupyterlab/ui-components';
import { Debouncer } from '@lumino/polling';
import { Signal } from '@lumino/signaling';

import type { Api } from '../api/api';
import { isDockerfileCell } from '../notebook/highlight';
import { saveInTurn } from '../notebook/saving';
import { GENERIC_KERNEL, METADATA } from '../constants';
import type { IField, INotebook, Settings } from '../api/types';
import { Acting } from './action';
import { Draft } from './settingsdraft';
import type { Server } from './connection';
import { Source } from './resource';

/** Milliseconds in which several changes of a notebook become one request. */
const PAUSE = 150;

/** The drive of JupyterLab's real-time collaboration, which holds the server's files. */
const SHARED_DRIVE = 'RTC';

/** The provisioner of kernels that run in containers. */
const PROVISIONER = 'container-provisioner';

/** What the states of all notebooks share. */
export interface IShared {
  readonly api: Api;
  readonly server: Server;
  readonly contents: Pick<Contents.IManager, 'driveName'>;
  /** The form's table, which does not change. */
  readonly fields: Source<readonly IField[]>;
}

/** One open notebook. It lives as long as its panel. */
export class NotebookState extends VDomModel {
  constructor(
    readonly panel: NotebookPanel,
    private readonly shared: IShared
  ) {
    super();
    this.acting = new Acting(shared.server);
    this.draft = new Draft(shared.api);
    this.truth = new Source(() => this.fetch(), shared.server);
    for (const part of [this.acting, this.draft, this.truth]) {
      part.stateChanged.connect(() => this.stateChanged.emit());
    }
    this.soon = new Debouncer(() => this.truth.invalidate(), PAUSE);
    this.watch();
    this.takeFields();
    this.takeSettings();
  }

  readonly acting: Acting;
  readonly draft: Draft;
  /** What the server knows. */
  readonly truth: Source<INotebook>;

  /** The client, for what is done to this notebook. */
  get api(): Api {
    return this.shared.api;
  }

  /** The path on the server; null for a notebook on another drive. */
  get path(): string | null {
    const { context } = this.panel;
    const drive = this.shared.contents.driveName(context.path);
    return drive === '' || drive === SHARED_DRIVE ? context.localPath : null;
  }

  /** The settings in the notebook as it is open, saved or not. */
  get settings(): Settings | null {
    const found: unknown = this.panel.context.model.getMetadata(METADATA);
    return typeof found === 'object' && found !== null && !Array.isArray(found)
      ? (found as Settings)
      : null;
  }

  /** The name of the kernel spec that it runs or will run. */
  get kernelName(): string {
    const running = this.panel.sessionContext.session?.kernel?.name;
    const written = this.panel.context.model.getMetadata('kernelspec') as
      { name?: unknown } | undefined;
    const name = running ?? written?.name;
    return typeof name === 'string' ? name : '';
  }

  /** Whether its kernel spec is one of ours. */
  get inContainer(): boolean {
    const { specs } = this.panel.sessionContext.specsManager;
    const about = specs?.kernelspecs[this.kernelName]?.metadata;
    const provisioner = about?.kernel_provisioner as
      { provisioner_name?: unknown } | undefined;
    return provisioner?.provisioner_name === PROVISIONER;
  }

  /** Whether it runs by a pinned kernel's settings rather than its own. */
  get pinned(): boolean {
    return this.inContainer && this.kernelName !== GENERIC_KERNEL;
  }

  /** Whether it holds a Dockerfile that an image can be built from. */
  get hasDockerfile(): boolean {
    return [...(this.panel.content.model?.cells ?? [])].some(
      cell => cell.type === 'code' && isDockerfileCell(cell.sharedModel.source)
    );
  }

  /** Whether containers matter to it at all. */
  get concerned(): boolean {
    return this.inContainer || this.settings !== null || this.hasDockerfile;
  }

  /** Whether the sidebar shows it. */
  get looked(): boolean {
    return this._looked;
  }

  set looked(looked: boolean) {
    this._looked = looked;
    this.update();
  }

  /** What of its settings, with the edits, is not approved. */
  get missing(): readonly string[] {
    return this.draft.missing ?? this.truth.data?.missing ?? [];
  }

  /** The keys of what is not approved; undefined where that is not known. */
  get missingKeys(): readonly string[] | undefined {
    if (this.draft.changed) {
      return this.draft.missingKeys;
    }
    const { data } = this.truth;
    // Settings that the server refused to read were approved by nobody.
    return data?.error ? undefined : data?.missing_keys;
  }

  /** Save the notebook with these settings. Throws where it cannot be saved. */
  async write(settings: Settings): Promise<void> {
    this.panel.context.model.setMetadata(METADATA, settings);
    await saveInTurn(this.panel.context);
  }

  /** It may have changed: ask again, once for many changes. */
  changed(): void {
    if (!this.isDisposed) {
      this.update();
      void this.soon.invoke();
    }
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.soon.dispose();
    this.truth.dispose();
    this.draft.dispose();
    this.acting.dispose();
    super.dispose();
    Signal.clearData(this);
  }

  private async fetch(): Promise<INotebook> {
    const { path } = this;
    if (path === null) {
      throw new Error('This notebook does not lie on the Jupyter server.');
    }
    return this.shared.api.notebook(path);
  }

  private watch(): void {
    const { context, sessionContext } = this.panel;
    // Each with `this`, by which `dispose` finds them: some of these live as long as the page.
    context.pathChanged.connect(this.onPath, this);
    context.fileChanged.connect(() => this.changed(), this);
    context.model.metadataChanged.connect((_, change) => {
      if (change.key === METADATA) {
        this.takeSettings();
        this.update();
      }
    }, this);
    void context.ready.then(() => {
      this.takeSettings();
      this.update();
    });
    sessionContext.kernelChanged.connect(this.onKernel, this);
    sessionContext.statusChanged.connect((_, status) => {
      if (status !== 'busy' && status !== 'idle') {
        this.changed();
      }
    }, this);
    sessionContext.specsManager.specsChanged.connect(this.update, this);
    this.shared.fields.stateChanged.connect(this.takeFields, this);
    this.panel.disposed.connect(() => this.dispose(), this);
  }

  private readonly onPath = (): void => {
    this.draft.path = this.path;
    this.changed();
  };

  private readonly onKernel = (): void => {
    this.update();
    this.changed();
  };

  private readonly takeFields = (): void => {
    const fields = this.shared.fields.data ?? [];
    if (fields !== this.draft.fields) {
      this.draft.fields = fields;
    }
  };

  private readonly takeSettings = (): void => {
    if (!this.isDisposed) {
      this.draft.path = this.path;
      this.draft.rebase(this.settings);
    }
  };

  /** What matters only to some notebooks is asked only for those. */
  private readonly update = (): void => {
    if (!this.isDisposed) {
      this.truth.wanted =
        this.path !== null && (this._looked || this.concerned);
      this.stateChanged.emit();
    }
  };

  private _looked = false;
  private readonly soon: Debouncer;
}
