/** The REST client: one method for each route, without state and without decisions. */

import type { ServerConnection } from '@jupyterlab/services';
import { Token } from '@lumino/coreutils';

import { RequestError, type Requests } from './request';
import type {
  IAdditions,
  IApproval,
  IBuildRequest,
  IChanges,
  ICheck,
  ICleanup,
  IContainer,
  IContainerDetail,
  IDevices,
  IEngines,
  IField,
  IFoundPackage,
  IImageDetail,
  IImageReference,
  IImages,
  IJob,
  IJobEvent,
  IKernelSpec,
  ILeftover,
  INotebook,
  IOutputs,
  IPath,
  IPorts,
  IRemark,
  IStarter,
  ITerminals,
  Settings
} from './types';
import type { IAnswers, IBodies, IQueries } from './routes';

/** Milliseconds before a cut stream of events is opened again. */
const RECONNECT_DELAY = 1000;

/** The client, for the plugins of this extension: there is one for each application. */
export const IApi = new Token<Api>('jupyter-containers:IApi');

/** What a request consists of beside its route. */
interface ICall<R> {
  /** The values of `{id}` and the like in the route. */
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: R extends keyof IQueries ? IQueries[R] : never;
  readonly body?: R extends keyof IBodies ? IBodies[R] : never;
  readonly signal?: AbortSignal | undefined;
}

/** Our routes, typed. Every method throws RequestError. */
export class Api {
  constructor(private readonly requests: Requests) {}

  /** The container engines. */
  engines(): Promise<IEngines> {
    return this.call('GET /engines');
  }

  /** The images of all engines. */
  images(): Promise<IImages> {
    return this.call('GET /images');
  }

  /** The details of an image. */
  image({ engine, reference }: IImageReference): Promise<IImageDetail> {
    return this.call('GET /images/detail', { query: { engine, reference } });
  }

  /** The details of an image after probing it, which starts a container. */
  probe({ engine, reference }: IImageReference): Promise<IImageDetail> {
    return this.call('POST /images/detail', { body: { engine, reference } });
  }

  /** Remove an image from its engine. */
  removeImage({ engine, reference }: IImageReference): Promise<void> {
    return this.call('DELETE /images', { query: { engine, reference } });
  }

  /** Pull an image from its registry. */
  pull(engine: string, reference: string): Promise<IJob> {
    return this.call('POST /pulls', { body: { engine, reference } });
  }

  /** Copy an image from its engine to another one. */
  convert({ engine, reference }: IImageReference, to: string): Promise<IJob> {
    return this.call('POST /conversions', { body: { engine, reference, to } });
  }

  /** Build a cell. */
  build(request: IBuildRequest): Promise<IJob> {
    return this.call('POST /builds', { body: request });
  }

  /** Builds, pulls and conversions, the newest first. */
  async jobs(): Promise<readonly IJob[]> {
    return (await this.call('GET /builds')).builds;
  }

  /** One job. */
  job(id: string): Promise<IJob> {
    return this.call('GET /builds/{id}', { params: { id } });
  }

  /** Cancel a job; resolves when its processes have ended. */
  cancel(id: string): Promise<IJob> {
    return this.call('DELETE /builds/{id}', { params: { id } });
  }

  /**
   * The events of a job from number `first` on; the last one is `end`.
   *
   * The job does not depend on the connection, so a stream that was cut, or that a proxy refused
   * in the server's place, is opened again after the last event.
   */
  async *events(
    id: string,
    first = 0,
    signal?: AbortSignal
  ): AsyncGenerator<IJobEvent, void> {
    let next = first;
    for (;;) {
      try {
        for await (const event of this.stream(id, next, signal)) {
          next = event.n + 1;
          yield event;
          if (event.kind === 'end') {
            return;
          }
        }
      } catch (error) {
        const refused = error instanceof RequestError && !error.isUnreachable;
        if (signal?.aborted || refused) {
          throw error;
        }
      }
      await new Promise(resolve => setTimeout(resolve, RECONNECT_DELAY));
    }
  }

  /** The kernel specs that were pinned from images. */
  async pinned(): Promise<readonly IKernelSpec[]> {
    return (await this.call('GET /kernelspecs')).kernelspecs;
  }

  /** Add a kernel spec with these settings. */
  pin(
    name: string,
    settings: Settings,
    displayName: string
  ): Promise<IKernelSpec> {
    const body = { name, settings, display_name: displayName };
    return this.call('POST /kernelspecs', { body });
  }

  /** Remove a pinned kernel spec. */
  unpin(name: string): Promise<void> {
    return this.call('DELETE /kernelspecs/{name}', { params: { name } });
  }

  /** The containers of kernels. */
  async containers(): Promise<readonly IContainer[]> {
    return (await this.call('GET /containers')).containers;
  }

  /** A container, its limits and its current use. */
  container(name: string): Promise<IContainerDetail> {
    return this.call('GET /containers/{name}', { params: { name } });
  }

  /** The last lines that a container printed. */
  async logs(name: string, tail = 200): Promise<string> {
    const answer = await this.call('GET /containers/{name}/logs', {
      params: { name },
      query: { tail: String(tail) }
    });
    return answer.text;
  }

  /** What a container has that its image has not. */
  changes(name: string): Promise<IChanges> {
    return this.call('GET /containers/{name}/changes', { params: { name } });
  }

  /** A Dockerfile cell with the packages that were installed in a container. */
  addChanges(name: string, dockerfile: string): Promise<IAdditions> {
    return this.call('POST /containers/{name}/changes', {
      params: { name },
      body: { dockerfile }
    });
  }

  /** Stop a container and its kernel. */
  stop(name: string): Promise<void> {
    return this.call('DELETE /containers/{name}', { params: { name } });
  }

  /** What nobody needs any more. */
  async leftovers(): Promise<readonly ILeftover[]> {
    return (await this.call('GET /leftovers')).leftovers;
  }

  /** Remove leftovers by their names. */
  removeLeftovers(names: readonly string[]): Promise<ICleanup> {
    return this.call('POST /leftovers', { body: { names } });
  }

  /** GPUs and other devices. */
  devices(): Promise<IDevices> {
    return this.call('GET /devices');
  }

  /** The table of settings. */
  async fields(): Promise<readonly IField[]> {
    return (await this.call('GET /settings')).fields;
  }

  /** Check settings of a notebook without starting anything. */
  check(path: string, settings: Settings): Promise<ICheck> {
    return this.call('POST /settings', { body: { path, settings } });
  }

  /** The server's view of a notebook. */
  notebook(path: string): Promise<INotebook> {
    return this.call('GET /notebook', { query: { path } });
  }

  /**
   * Approve settings of a notebook. `items` is the list that the user has read; if more is
   * missing by now, the server answers 409 with the whole list.
   */
  approve(
    path: string,
    settings: Settings,
    items: readonly string[]
  ): Promise<INotebook> {
    return this.call('POST /approvals', { body: { path, settings, items } });
  }

  /** What is approved for which notebook. */
  async approvals(): Promise<readonly IApproval[]> {
    return (await this.call('GET /approvals')).notebooks;
  }

  /** Take back all that is approved for a notebook. */
  revoke(id: string): Promise<void> {
    return this.call('DELETE /approvals/{id}', { params: { id } });
  }

  /** How what a notebook displays is to be drawn. */
  outputs(path: string): Promise<IOutputs> {
    return this.call('GET /outputs', { query: { path } });
  }

  /** Decide how what a notebook displays is drawn. */
  setOutputs(path: string, outputs: IOutputs['outputs']): Promise<IOutputs> {
    return this.call('PUT /outputs', { body: { path, outputs } });
  }

  /** The files beside a notebook that a first Dockerfile cell can be made from. */
  async starters(path: string): Promise<readonly IStarter[]> {
    return (await this.call('GET /starters', { query: { path } })).files;
  }

  /** The source of a Dockerfile cell made from such a file; `base` is an image that is here. */
  async makeCell(path: string, file: string, base: string): Promise<string> {
    const body = { path, file, base };
    return (await this.call('POST /starters', { body })).source;
  }

  /** Remarks on a Dockerfile cell, without those of `ignored` rules. */
  async lint(
    path: string,
    source: string,
    ignored?: readonly string[],
    signal?: AbortSignal
  ): Promise<readonly IRemark[]> {
    const body = { path, source, ...(ignored && { ignored }) };
    return (await this.call('POST /lint', { body, signal })).remarks;
  }

  /** What a word of COPY in a Dockerfile cell may name. */
  async paths(
    path: string,
    source: string,
    typed: string
  ): Promise<readonly IPath[]> {
    const body = { path, source, typed };
    return (await this.call('POST /paths', { body })).names;
  }

  /** A notebook's Dockerfile cell with what another cell has installed. */
  additions(body: IBodies['POST /additions']): Promise<IAdditions> {
    return this.call('POST /additions', { body });
  }

  /** Ask the package index for a package that fits a notebook's image. */
  findPackage(path: string, requirement: string): Promise<IFoundPackage> {
    return this.call('POST /packages', { body: { path, requirement } });
  }

  /** What a kernel's container listens on, and what it publishes. */
  ports(id: string): Promise<IPorts> {
    return this.call('GET /kernels/{id}/ports', { params: { id } });
  }

  /** The address that shows a port of a kernel's container in a browser. */
  async openPort(id: string, port: number): Promise<string> {
    const params = { id, port: String(port) };
    const route = 'POST /kernels/{id}/ports/{port}';
    return (await this.call(route, { params })).url;
  }

  /** The terminals in a kernel's container. */
  terminals(id: string): Promise<ITerminals> {
    return this.call('GET /kernels/{id}/terminals', { params: { id } });
  }

  /** Open a terminal in a kernel's container; its name. */
  async openTerminal(id: string): Promise<string> {
    const params = { id };
    const route = 'POST /kernels/{id}/terminals';
    return (await this.call(route, { params })).name;
  }

  /** End a terminal's shell. */
  closeTerminal(id: string, name: string): Promise<void> {
    const params = { id, name };
    return this.call('DELETE /kernels/{id}/terminals/{name}', { params });
  }

  /** What a terminal shows and what is typed in it. */
  terminalChannel(id: string, name: string): WebSocket {
    const words = ['kernels', id, 'terminals', name, 'channel'];
    return this.requests.socket(words.map(encodeURIComponent).join('/'));
  }

  /** A path that the server gave, as a whole address. */
  address(path: string): string {
    return new URL(path, this.requests.settings.baseUrl).href;
  }

  /** How the server is reached. */
  get serverSettings(): ServerConnection.ISettings {
    return this.requests.settings;
  }

  private call<R extends keyof IAnswers>(
    route: R,
    { params = {}, query, body, signal }: ICall<R> = {}
  ): Promise<IAnswers[R]> {
    const [method = '', path = ''] = route.split(' /');
    return this.requests.json(
      method,
      path.replace(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent(params[name] ?? '')
      ),
      query,
      body,
      signal
    );
  }

  private async *stream(
    id: string,
    first: number,
    signal?: AbortSignal
  ): AsyncGenerator<IJobEvent, void> {
    const response = await this.requests.response(
      'GET',
      `builds/${encodeURIComponent(id)}/events`,
      { first: String(first) },
      undefined,
      signal
    );
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let rest = '';
    while (reader) {
      const { done, value } = await reader.read();
      const lines = (rest + decoder.decode(value, { stream: !done })).split(
        '\n'
      );
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line) {
          yield JSON.parse(line) as IJobEvent;
        }
      }
      if (done) {
        return;
      }
    }
  }
}
