/** The REST client: one method for each route, without state and without decisions. */

import { Token } from '@lumino/coreutils';

import { RequestError, type Requests } from './request';
import type {
  IBuildRequest,
  ICheck,
  IContainer,
  IContainerDetail,
  IDevice,
  IEngine,
  IField,
  IImage,
  IImageDetail,
  IJob,
  INotebook,
  IPinned,
  IProblem,
  IProgress,
  IRemark,
  Settings
} from './types';

/** Milliseconds between tries to follow events on where a connection was cut. */
const AGAIN = 1000;

/** The client, for the plugins of this extension: there is one for each application. */
export const IApi = new Token<Api>('jupyter-containers:IApi');

/** Our routes, typed. Every method throws RequestError. */
export class Api {
  constructor(private readonly requests: Requests) {}

  engines(): Promise<{ engines: IEngine[]; default: string | null }> {
    return this.requests.json('GET', 'engines');
  }

  images(): Promise<{
    images: IImage[];
    problems: (IProblem & { engine: string })[];
  }> {
    return this.requests.json('GET', 'images');
  }

  image(engine: string, reference: string): Promise<IImageDetail> {
    return this.requests.json('GET', 'images/detail', { engine, reference });
  }

  /** The same after looking into it, which starts a container. */
  probe(engine: string, reference: string): Promise<IImageDetail> {
    const body = { engine, reference };
    return this.requests.json('POST', 'images/detail', {}, body);
  }

  removeImage(engine: string, reference: string): Promise<void> {
    return this.requests.json('DELETE', 'images', { engine, reference });
  }

  pull(engine: string, reference: string): Promise<IJob> {
    return this.requests.json('POST', 'pulls', {}, { engine, reference });
  }

  /** Make an image of one engine another's. */
  convert(engine: string, reference: string, to: string): Promise<IJob> {
    const body = { engine, reference, to };
    return this.requests.json('POST', 'conversions', {}, body);
  }

  build(request: IBuildRequest): Promise<IJob> {
    return this.requests.json('POST', 'builds', {}, request);
  }

  async jobs(): Promise<IJob[]> {
    const answer = await this.requests.json<{ builds: IJob[] }>(
      'GET',
      'builds'
    );
    return answer.builds;
  }

  job(id: string): Promise<IJob> {
    return this.requests.json('GET', `builds/${encodeURIComponent(id)}`);
  }

  cancel(id: string): Promise<IJob> {
    return this.requests.json('DELETE', `builds/${encodeURIComponent(id)}`);
  }

  /**
   * A job's events from number `first` on, the last of which is `end`. A cut connection, or a
   * proxy that says so, is taken up again where it broke, since the job goes on without us.
   */
  async *events(
    id: string,
    first = 0,
    signal?: AbortSignal
  ): AsyncGenerator<IProgress, void> {
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
        const refused = error instanceof RequestError && !error.unanswered;
        if (signal?.aborted || refused) {
          throw error;
        }
      }
      await new Promise(resolve => setTimeout(resolve, AGAIN));
    }
  }

  private async *stream(
    id: string,
    first: number,
    signal?: AbortSignal
  ): AsyncGenerator<IProgress, void> {
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
          yield JSON.parse(line) as IProgress;
        }
      }
      if (done) {
        return;
      }
    }
  }

  async pinned(): Promise<IPinned[]> {
    const answer = await this.requests.json<{ kernelspecs: IPinned[] }>(
      'GET',
      'kernelspecs'
    );
    return answer.kernelspecs;
  }

  pin(
    name: string,
    settings: Settings,
    displayName?: string
  ): Promise<IPinned> {
    const body = { name, settings, display_name: displayName };
    return this.requests.json('POST', 'kernelspecs', {}, body);
  }

  unpin(name: string): Promise<void> {
    return this.requests.json(
      'DELETE',
      `kernelspecs/${encodeURIComponent(name)}`
    );
  }

  async containers(): Promise<IContainer[]> {
    const answer = await this.requests.json<{ containers: IContainer[] }>(
      'GET',
      'containers'
    );
    return answer.containers;
  }

  container(name: string): Promise<IContainerDetail> {
    return this.requests.json('GET', `containers/${encodeURIComponent(name)}`);
  }

  async logs(name: string, tail = 200): Promise<string> {
    const answer = await this.requests.json<{ text: string }>(
      'GET',
      `containers/${encodeURIComponent(name)}/logs`,
      { tail: String(tail) }
    );
    return answer.text;
  }

  stop(name: string): Promise<void> {
    return this.requests.json(
      'DELETE',
      `containers/${encodeURIComponent(name)}`
    );
  }

  devices(): Promise<{ devices: IDevice[]; looked: string[] }> {
    return this.requests.json('GET', 'devices');
  }

  async fields(): Promise<IField[]> {
    const answer = await this.requests.json<{ fields: IField[] }>(
      'GET',
      'settings'
    );
    return answer.fields;
  }

  check(path: string, settings: Settings): Promise<ICheck> {
    return this.requests.json('POST', 'settings', {}, { path, settings });
  }

  notebook(path: string): Promise<INotebook> {
    return this.requests.json('GET', 'notebook', { path });
  }

  /** `items` is what was shown as missing; more than that is a 409 with all that is. */
  approve(
    path: string,
    settings: Settings,
    items: readonly string[]
  ): Promise<INotebook> {
    const body = { path, settings, items };
    return this.requests.json('POST', 'approvals', {}, body);
  }

  async lint(
    path: string,
    source: string,
    signal?: AbortSignal
  ): Promise<IRemark[]> {
    const answer = await this.requests.json<{ remarks: IRemark[] }>(
      'POST',
      'lint',
      {},
      { path, source },
      signal
    );
    return answer.remarks;
  }
}
