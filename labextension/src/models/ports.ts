/** The ports of the current notebook's container, and which of them were noticed. */

import { type ISignal, Signal } from '@lumino/signaling';

import type { Api } from '../api/api';
import type { IPorts } from '../api/types';
import { stripControls } from '../ui/format';
import type { Connection } from './connection';
import { KernelResource } from './kernelresource';

/** Where this browser tab keeps which ports it has noticed: a reload is no news. */
const NOTICED = 'jupyter-containers:noticed-ports';

/** A port that a container listens on. */
export interface IListening {
  readonly kernel: string;
  readonly port: number;
  /** The program that listens; may be empty. */
  readonly process: string;
  /** The whole address that shows it in a browser. */
  readonly address: string;
}

/** A port that the settings publish on the server's machine. */
export interface IPublished {
  readonly port: number;
  /** Where it is there, such as `127.0.0.1:49153`. */
  readonly at: string;
}

/** The ports of the kernel that is watched. */
export class Ports extends KernelResource<IPorts> {
  constructor(
    private readonly api: Api,
    connection: Connection,
    private readonly storage: Storage = sessionStorage
  ) {
    super(kernel => api.ports(kernel), connection);
    this.seen = new Set(storage.getItem(NOTICED)?.split('\n'));
    this.stateChanged.connect(() => this.notice());
  }

  /** What the container listens on. */
  get listening(): readonly IListening[] {
    const { data, kernel } = this;
    return kernel === null
      ? []
      : (data?.listening ?? []).map(({ port, process, url }) => ({
          kernel,
          port,
          process: stripControls(process),
          address: this.api.address(url)
        }));
  }

  /** What the settings publish. */
  get published(): readonly IPublished[] {
    return (this.data?.published ?? []).map(({ host, host_port, port }) => ({
      port,
      at: `${host}:${String(host_port)}`
    }));
  }

  /** Emitted once for each port that a container listens on. */
  get noticed(): ISignal<this, IListening> {
    return this._noticed;
  }

  /** The address of a port, known or not. Throws RequestError. */
  async addressOf(kernel: string, port: number): Promise<string> {
    const known = this.listening.find(
      one => one.kernel === kernel && one.port === port
    );
    return (
      known?.address ?? this.api.address(await this.api.openPort(kernel, port))
    );
  }

  private notice(): void {
    for (const one of this.listening) {
      const key = `${one.kernel} ${String(one.port)}`;
      if (!this.seen.has(key)) {
        this.seen.add(key);
        this.storage.setItem(NOTICED, [...this.seen].join('\n'));
        this._noticed.emit(one);
      }
    }
  }

  private readonly _noticed = new Signal<this, IListening>(this);
  private readonly seen: Set<string>;
}
