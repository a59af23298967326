/** A server that answers as ours does: routes, NDJSON in pieces, cuts and errors. */

import { ServerConnection } from '@jupyterlab/services';

import { Api } from '../../src/api/api';
import { Requests } from '../../src/api/request';
import type {
  IJob,
  IJobEvent,
  IJobResult,
  INotebook,
  IServerError,
  Settings
} from '../../src/api/types';
import type { IBuildNotebook, IPrompts } from '../../src/cells/switchkernel';

/** An answer: a status and a body, text as it is and all else as JSON. */
export type Answer = readonly [number, unknown];

/** One request, as it came. */
export interface IAsked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly signal: AbortSignal | null;
}

export type Handler = (asked: IAsked) => Answer | Response | Promise<Response>;

/** Routes as `METHOD path` (without what stands behind `?`), and what was asked. */
export class FakeServer {
  readonly asked: IAsked[] = [];

  constructor(readonly routes: Record<string, Handler> = {}) {}

  get api(): Api {
    const settings = ServerConnection.makeSettings({
      baseUrl: 'http://server/',
      fetch: (input, init) => this.fetch(input as Request, init)
    });
    return new Api(new Requests(settings));
  }

  private async fetch(input: Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const url = new URL(request.url);
    // JupyterLab adds the time, against caches.
    const query = url.search.replace(/[?&]\d+$/, '');
    const path = url.pathname.replace('/jupyter-containers/', '') + query;
    const text = await request.text();
    const body: unknown = text ? JSON.parse(text) : undefined;
    const { method, signal } = request;
    const asked = { method, path, body, signal };
    this.asked.push(asked);
    const handler = this.routes[`${method} ${path.split('?')[0] ?? ''}`];
    const answer = handler
      ? await handler(asked)
      : ([404, { message: `No ${path}`, hint: '', type: 'Missing' }] as const);
    if (answer instanceof Response) {
      return answer;
    }
    const [status, data] = answer;
    return new Response(
      typeof data === 'string' ? data : JSON.stringify(data),
      {
        status
      }
    );
  }
}

/** Events as a body that comes in the given pieces; `cut` ends it as a lost connection does. */
export function stream(pieces: readonly string[], cut = false): Response {
  const encoder = new TextEncoder();
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces[at++];
      if (piece !== undefined) {
        controller.enqueue(encoder.encode(piece));
      } else if (cut) {
        controller.error(new TypeError('network error'));
      } else {
        controller.close();
      }
    }
  });
  return new Response(body, { status: 200 });
}

/** A text in pieces of a few characters, which respect neither lines nor words. */
export function inPieces(text: string, size = 7): string[] {
  const pieces = [];
  for (let at = 0; at < text.length; at += size) {
    pieces.push(text.slice(at, at + size));
  }
  return pieces;
}

/** One event. */
export function event(
  n: number,
  kind: IJobEvent['kind'],
  rest: Partial<IJobEvent> = {}
): IJobEvent {
  return {
    n,
    kind,
    text: '',
    step: 0,
    steps: 0,
    line: 0,
    stage: '',
    done: 0,
    total: 0,
    ...rest
  };
}

/** Events as lines, with a heartbeat between them. */
export function lines(...events: IJobEvent[]): string {
  return events.map(one => `${JSON.stringify(one)}\n`).join('\n');
}

export const SETTINGS: Settings = { version: 1, image: 'localhost/made:1' };

/** What a build came to. */
export function result(rest: Partial<IJobResult> = {}): IJobResult {
  return {
    reference: 'localhost/made:1',
    name: 'localhost/jupyter-containers/made:abc',
    image_id: 'sha256:abc',
    reused: false,
    settings: SETTINGS,
    missing: [],
    ...rest
  };
}

/** A job. */
export function job(rest: Partial<IJob> = {}): IJob {
  return {
    id: 'j1',
    kind: 'build',
    state: 'running',
    title: 'a.ipynb',
    engine: 'podman',
    path: 'a.ipynb',
    index: 0,
    cell_id: 'c1',
    started: 1000,
    ended: null,
    error: null,
    result: null,
    ...rest
  };
}

/** One that is done. */
export function done(rest: Partial<IJobResult> = {}): IJob {
  return job({ state: 'done', ended: 1003, result: result(rest) });
}

/** One that failed. */
export function failed(error: Partial<IServerError> = {}): IJob {
  return job({
    state: 'failed',
    ended: 1003,
    error: {
      type: 'BuildFailed',
      message: 'Dockerfile line 2: RUN false ended with exit code 1.\nno way',
      hint: 'Look at the output.',
      line: 2,
      tail: 'no way',
      ...error
    }
  });
}

/** What the server says of a notebook. */
export function state(rest: Partial<INotebook> = {}): INotebook {
  return {
    path: 'a.ipynb',
    asked: null,
    error: null,
    missing: [],
    missing_keys: [],
    asks: [],
    engine: 'podman',
    image_here: true,
    build_same: true,
    warning: null,
    changed: false,
    building: false,
    lacking: [],
    kernel: null,
    ...rest
  };
}

/** The notebook's kernel, running with these settings. */
export function kernel(
  running: Settings | null,
  rest: Partial<NonNullable<INotebook['kernel']>> = {}
): INotebook['kernel'] {
  return {
    id: 'k1',
    state: 'running',
    phase: '',
    trouble: null,
    container: 'c',
    engine: 'podman',
    image: 'localhost/made:1',
    applied: null,
    running,
    placement: null,
    ...rest
  };
}

/** A notebook that writes down what is done to it. */
export class FakeNotebook implements IBuildNotebook {
  path = 'a.ipynb';
  isDisposed = false;
  kernelName = 'python3';
  ran = false;
  broken = '';
  readonly did: string[] = [];
  private now: Settings | null = null;

  constructor(
    readonly cells: IBuildNotebook['cells'] = [
      { id: 'c1', type: 'code', source: '%%dockerfile\nFROM a' }
    ]
  ) {}

  get settings(): Settings | null {
    return this.now;
  }

  set settings(settings: Settings | null) {
    this.now = settings;
    this.did.push('settings');
  }

  save(): Promise<void> {
    this.did.push('save');
    return Promise.resolve();
  }

  hasRun(): Promise<boolean> {
    return Promise.resolve(this.ran);
  }

  switchKernel(): Promise<void> {
    return this.moved('switch');
  }

  restartKernel(): Promise<void> {
    return this.moved('restart');
  }

  private moved(how: string): Promise<void> {
    this.did.push(how);
    return this.broken
      ? Promise.reject(new Error(this.broken))
      : Promise.resolve();
  }
}

/** Answers every question the same way, and counts them. */
export class FakeQuestions implements IPrompts {
  readonly asked: string[] = [];

  constructor(private readonly answer: boolean) {}

  askApproval(items: readonly string[]): Promise<boolean> {
    this.asked.push(`approve ${items.join(', ')}`);
    return Promise.resolve(this.answer);
  }

  askCell(items: readonly string[]): Promise<boolean> {
    this.asked.push(`cell ${items.join(', ')}`);
    return Promise.resolve(this.answer);
  }

  askReading(items: readonly string[]): Promise<boolean> {
    this.asked.push(`read ${items.join(', ')}`);
    return Promise.resolve(this.answer);
  }

  confirmMove(image: string): Promise<boolean> {
    this.asked.push(`drop for ${image}`);
    return Promise.resolve(this.answer);
  }
}
