/** The one door to our routes on the server. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { IProblem, IServerError } from './types';

/** What a proxy says in place of a server that is gone. */
const PROXY = new Set([502, 503, 504]);

/** An error that the server explained, or the lack of an answer. */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    readonly said: IServerError
  ) {
    super(said.message);
    this.name = said.type;
  }

  /** Whether our server did not answer, or a proxy did in its place. */
  get unanswered(): boolean {
    const proxy = this.said.type === 'Error' && PROXY.has(this.status);
    return this.status === 0 || proxy;
  }

  /** What to do about it; may be empty. */
  get hint(): string {
    return this.said.hint;
  }
}

/** Any error as a sentence and a way out. */
export function problemOf(error: unknown): IProblem {
  if (error instanceof RequestError) {
    return { message: error.message, hint: error.hint };
  }
  const said = error instanceof Error ? error.message : String(error);
  return { message: said || 'Something went wrong.', hint: '' };
}

const UNREACHABLE: IServerError = {
  type: 'Unreachable',
  message: 'The Jupyter server does not answer.',
  hint: 'Is it still running? What it was doing goes on there.'
};

/** Our server's address and how to reach it; one per application, and per test. */
export class Requests {
  constructor(
    private readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings()
  ) {}

  /** The answer's JSON; `undefined` for an empty one. Throws RequestError. */
  async json<T>(
    method: string,
    path: string,
    query: Record<string, string> = {},
    body?: unknown,
    signal?: AbortSignal
  ): Promise<T> {
    const response = await this.response(method, path, query, body, signal);
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** The answer itself, for what comes in pieces. Throws RequestError. */
  async response(
    method: string,
    path: string,
    query: Record<string, string> = {},
    body?: unknown,
    signal?: AbortSignal
  ): Promise<Response> {
    const url =
      URLExt.join(this.settings.baseUrl, 'jupyter-containers', path) +
      URLExt.objectToQueryString(query);
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
    }
    if (signal) {
      init.signal = signal;
    }
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (error) {
      if (signal?.aborted) {
        throw error;
      }
      throw new RequestError(0, UNREACHABLE);
    }
    if (!response.ok) {
      throw new RequestError(response.status, await explained(response));
    }
    return response;
  }
}

/** What the server said; a proxy between us may have said something else. */
async function explained(response: Response): Promise<IServerError> {
  try {
    const said = (await response.json()) as Partial<IServerError>;
    if (typeof said.message === 'string') {
      return {
        ...said,
        type: said.type ?? 'Error',
        message: said.message,
        hint: said.hint ?? ''
      };
    }
  } catch {
    // Not JSON: not from us.
  }
  return {
    type: 'Error',
    message: `The server answered ${String(response.status)} ${response.statusText}.`,
    hint: 'Reload the page; if it stays, see the log of the Jupyter server.'
  };
}
