/** A terminal in a kernel's container, as JupyterLab's widget for terminals wants it. */

import type { ServerConnection, Terminal } from '@jupyterlab/services';
import type { JSONPrimitive } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';

import type { Api } from '../api/api';
import { RequestError } from '../api/request';
import { trans } from '../trans';

/** Milliseconds before a cut connection is opened again; doubled up to the longest. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;

/** What stands in a terminal whose container has ended. */
const CONTAINER_ENDED = '\r\n\r\n[The container has ended.]\r\n';

/** What stands in one that was cut off from a container that runs on. */
const CUT_OFF =
  '\r\n\r\n[The terminal’s connection to the container has ended. Open a new terminal.]\r\n';

/** The server's errors of a kernel that is gone, and of one without a container. */
const ENDED = new Set(['Unknown', 'StreamFailed']);

/** What is sent while there is no connection, at most. */
const MOST_WAITING = 1000;

/**
 * Shows the terminal that the server keeps, and opens its connection again where it was cut.
 *
 * It is disposed when the shell has ended, by which the widget closes, and stays when the container
 * has, so that what was printed last can be read.
 */
export class TerminalConnection implements Terminal.ITerminalConnection {
  constructor(
    private readonly api: Api,
    /** The kernel, and the terminal's name among those of this kernel. */
    readonly place: { readonly kernel: string; readonly name: string },
    /** What the widget's title calls it. */
    readonly name: string
  ) {
    this.connect();
  }

  readonly disposed = new Signal<this, void>(this);
  readonly messageReceived = new Signal<this, Terminal.IMessage>(this);
  readonly connectionStatusChanged = new Signal<
    this,
    Terminal.ConnectionStatus
  >(this);

  /** As the widget shows it. */
  get model(): Terminal.IModel {
    return { name: this.name };
  }

  /** How the server is reached. */
  get serverSettings(): ServerConnection.ISettings {
    return this.api.serverSettings;
  }

  /** `disconnected` when its shell or its container has ended. */
  get connectionStatus(): Terminal.ConnectionStatus {
    return this.status;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Send what was typed; later, while there is no connection. */
  send({ content = [], type }: Terminal.IMessage): void {
    const message = JSON.stringify([type, ...content]);
    if (this.status === 'connected') {
      this.socket?.send(message);
    } else if (
      this.status === 'connecting' &&
      this.waiting.length < MOST_WAITING
    ) {
      this.waiting.push(message);
    }
  }

  /** Connect anew; resolves when that is done. Rejects where the terminal has ended. */
  async reconnect(): Promise<void> {
    if (this.status === 'disconnected') {
      throw new Error(trans.__('This terminal has ended.'));
    }
    const done = new Promise<void>((resolve, reject) => {
      const onChanged = (_: this, status: Terminal.ConnectionStatus) => {
        if (status !== 'connecting') {
          this.connectionStatusChanged.disconnect(onChanged);
          if (status === 'connected') {
            resolve();
          } else {
            reject(new Error(trans.__('This terminal has ended.')));
          }
        }
      };
      this.connectionStatusChanged.connect(onChanged);
    });
    this.setStatus('connecting');
    this.connect();
    await done;
  }

  /** End its shell. */
  async shutdown(): Promise<void> {
    const { kernel, name } = this.place;
    if (this.status !== 'disconnected') {
      this.dispose();
      await this.api.closeTerminal(kernel, name);
    }
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this.drop();
      this.setStatus('disconnected');
      this.disposed.emit();
      Signal.clearData(this);
    }
  }

  private connect(): void {
    this.drop();
    const { kernel, name } = this.place;
    const socket = this.api.terminalChannel(kernel, name);
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) {
        this.receive(JSON.parse(String(data)) as [string, JSONPrimitive]);
      }
    };
    socket.onclose = () => {
      if (socket === this.socket) {
        this.socket = null;
        void this.onCut();
      }
    };
  }

  private drop(): void {
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }

  private receive([type, content]: [string, JSONPrimitive]): void {
    if (type === 'setup') {
      this.delay = FIRST_DELAY;
      this.setStatus('connected');
      this.waiting.splice(0).forEach(message => this.socket?.send(message));
    } else if (type === 'stdout') {
      this.messageReceived.emit({ type, content: [content] });
    } else if (type === 'disconnect') {
      this.end(content === 1 ? '' : content === 0 ? CONTAINER_ENDED : CUT_OFF);
    }
  }

  /** The connection was cut: ask whether the terminal is there, and open it again. */
  private async onCut(): Promise<void> {
    if (this.status === 'disconnected') {
      return;
    }
    this.setStatus('connecting');
    try {
      const { terminals } = await this.api.terminals(this.place.kernel);
      if (!terminals.some(({ name }) => name === this.place.name)) {
        this.end('');
      }
    } catch (error) {
      if (error instanceof RequestError && ENDED.has(error.name)) {
        this.end(CONTAINER_ENDED);
      }
    }
    if (this.isWaiting()) {
      this.timer = setTimeout(() => this.connect(), this.delay);
      this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
    }
  }

  private isWaiting(): boolean {
    return this.status === 'connecting' && this.socket === null;
  }

  /** The shell has ended: alone, or as `why` says. */
  private end(why: string): void {
    if (why) {
      this.messageReceived.emit({ type: 'stdout', content: [why] });
      this.drop();
      this.setStatus('disconnected');
    } else {
      this.messageReceived.emit({ type: 'disconnect' });
      this.dispose();
    }
  }

  private setStatus(status: Terminal.ConnectionStatus): void {
    if (status !== this.status) {
      this.status = status;
      this.connectionStatusChanged.emit(status);
    }
  }

  private _isDisposed = false;
  private delay = FIRST_DELAY;
  private socket: WebSocket | null = null;
  private status: Terminal.ConnectionStatus = 'connecting';
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly waiting: string[] = [];
}
