/** The REST client: one method for each route, without state and without decisions. */

import { Token } from '@lumino/coreutils';

import { RequestError, type Requests } from './request';
import type {
  IAnswers,
  IBodies,
  IBuildRequest,
  ICheck,
  IContainer,
  IContainerDetail,
  IDevices,
  IEngines,
  IField,
  IImageDetail,
  IImageReference,
  IImages,
  IJob,
  IJobEvent,
  IKernelSpec,
  INotebook,
  IQueries,
  IRemark,
  Settings
} from './types';

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

  /** Stop a container and its kernel. */
  stop(name: string): Promise<void> {
    return this.call('DELETE /containers/{name}', { params: { name } });
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

  /** Remarks on a Dockerfile cell. */
  async lint(
    path: string,
    source: string,
    signal?: AbortSignal
  ): Promise<readonly IRemark[]> {
    const body = { path, source };
    return (await this.call('POST /lint', { body, signal })).remarks;
  }

  private call<R extends keyof IAnswers>(
    route: R,
    { params = {}, query, body, signal }: ICall<R> = {}
  ): Promise<IAnswers[R]> {
    const [method = '', path = ''] = route.split(' /');
    return this.requests.json(
      method,
      path.replace(/\{(\w+)\}/, (_, name: string) =>
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
