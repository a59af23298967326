/** A server that answers, refuses, is slow or is gone, as the real one does. */

import { RequestError, type Requests } from '../../src/api/request';
import type { IField, IServerError } from '../../src/api/types';

/** A websocket whose other end is the test. */
export class FakeSocket {
  readonly sent: unknown[] = [];
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;

  constructor(readonly path: string) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  /** The server says something. */
  say(...said: unknown[]): void {
    this.onmessage?.({ data: JSON.stringify(said) });
  }

  close(): void {
    this.onclose?.();
  }
}

type Answer = (query: Record<string, string>, body: unknown) => unknown;

/** In place of `Requests`: routes are functions, and what is not there is a 404 of a proxy. */
export class FakeServer {
  readonly asked: { what: string; body: unknown }[] = [];
  readonly sockets: FakeSocket[] = [];
  readonly settings = { baseUrl: 'http://server/me/' };
  gone = false;
  private readonly routes = new Map<string, Answer>();

  on(route: string, answer: unknown): this {
    this.routes.set(
      route,
      typeof answer === 'function' ? (answer as Answer) : () => answer
    );
    return this;
  }

  count(route: string): number {
    return this.asked.filter(one => one.what === route).length;
  }

  async json<T>(
    method: string,
    path: string,
    query: Record<string, string> = {},
    body?: unknown
  ): Promise<T> {
    const what = `${method} ${path}`;
    this.asked.push({ what, body });
    await Promise.resolve();
    if (this.gone) {
      throw new RequestError(0, {
        type: 'Unreachable',
        message: 'The Jupyter server does not answer.',
        hint: ''
      });
    }
    const answer = this.routes.get(what);
    if (!answer) {
      throw new RequestError(404, {
        type: 'Error',
        message: 'The server answered 404 Not Found.',
        hint: ''
      });
    }
    return (await answer(query, body)) as T;
  }

  async response(
    method: string,
    path: string,
    query: Record<string, string> = {}
  ): Promise<Response> {
    const lines = await this.json<unknown[]>(method, path, query);
    const first = Number(query.first ?? 0);
    const text = lines.slice(first).map(line => `${JSON.stringify(line)}\n\n`);
    return new Response(text.join(''));
  }

  socket(path: string): FakeSocket {
    this.sockets.push(new FakeSocket(path));
    return this.sockets.at(-1)!;
  }

  get requests(): Requests {
    return this as unknown as Requests;
  }
}

/** An error as the server's `write_error` sends it. */
export function refusal(
  status: number,
  message: string,
  more: Partial<IServerError> = {}
): RequestError {
  return new RequestError(status, {
    type: 'EngineDown',
    message,
    hint: 'Do this.',
    ...more
  });
}

/** An answer that comes when the test says so. */
export function later<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** A field of the form's table. */
export function field(key: string, more: Partial<IField> = {}): IField {
  return {
    key,
    kind: 'word',
    doc: `About ${key}.`,
    default: null,
    choices: [],
    trait: '',
    option: `--${key}`,
    in_cell: true,
    unable: [],
    ...more
  };
}

/** The fields that tests need, one of each kind. */
export const FIELDS: readonly IField[] = [
  field('image', { kind: 'image', option: '', trait: 'Policy.images' }),
  field('engine', { default: '' }),
  field('build', { kind: 'object', option: '' }),
  field('digest', { default: '', option: '' }),
  field('mounts', { kind: 'mounts', default: [] }),
  field('devices', { kind: 'list', default: [] }),
  field('cpus', { kind: 'number' }),
  field('memory', { kind: 'size', unable: ['charliecloud'] }),
  field('pids', { kind: 'count' }),
  field('network', {
    kind: 'choice',
    default: 'private',
    choices: ['private', 'none']
  }),
  field('ports', { kind: 'list', default: [] }),
  field('env', { kind: 'object', default: {} }),
  field('user', {
    kind: 'choice',
    default: 'me',
    choices: ['me', 'root', 'image']
  }),
  field('read_only', { kind: 'flag', default: false })
];

/** A server that knows the form's fields, and finds nothing wrong with what is typed. */
export function formServer(): FakeServer {
  return new FakeServer()
    .on('GET settings', { fields: FIELDS })
    .on('POST settings', { errors: [], missing: [], missing_keys: [] });
}
