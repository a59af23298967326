/** Requests to the server extension, and their errors. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { trans } from '../trans';
import type { IProblem, IServerError } from './types';

/** What a proxy answers if the server is gone. */
const GATEWAY_ERRORS = new Set([502, 503, 504]);

/** An error that the server sent, or the lack of an answer (status 0). */
export class RequestError extends Error {
  constructor(
    readonly status: number,
    readonly detail: IServerError
  ) {
    super(detail.message);
    this.name = detail.type;
  }

  /** Whether there was no answer, or only that of a proxy. */
  get isUnreachable(): boolean {
    const isProxy =
      this.detail.type === 'Error' && GATEWAY_ERRORS.has(this.status);
    return this.status === 0 || isProxy;
  }

  /** What the user can do; may be empty. */
  get hint(): string {
    return this.detail.hint;
  }
}

/** Any error as a message and a hint. */
export function toProblem(error: unknown): IProblem {
  if (error instanceof RequestError) {
    return { message: error.message, hint: error.hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message: message || trans.__('Something went wrong.'), hint: '' };
}

const unreachable = (): IServerError => ({
  type: 'Unreachable',
  message: trans.__('The Jupyter server does not answer.'),
  hint: trans.__('Is it still running? What it was doing goes on there.')
});

/** Sends requests to the server extension. */
export class Requests {
  constructor(
    readonly settings: ServerConnection.ISettings = ServerConnection.makeSettings()
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

  /** A websocket of one of our routes. */
  socket(path: string): WebSocket {
    const { appendToken, token, WebSocket, wsUrl } = this.settings;
    const query = appendToken && token ? { token } : {};
    return new WebSocket(
      URLExt.join(wsUrl, 'jupyter-containers', path) +
        URLExt.objectToQueryString(query)
    );
  }

  /** The response itself, for a stream. Throws RequestError. */
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
      throw new RequestError(0, unreachable());
    }
    if (!response.ok) {
      throw new RequestError(response.status, await parseError(response));
    }
    return response;
  }
}

/** The server's error, or one for the answer of a proxy. */
async function parseError(response: Response): Promise<IServerError> {
  try {
    const body = (await response.json()) as Partial<IServerError>;
    if (typeof body.message === 'string') {
      return {
        ...body,
        type: body.type ?? 'Error',
        message: body.message,
        hint: body.hint ?? ''
      };
    }
  } catch {
    // Not JSON, so not from the server extension.
  }
  return {
    type: 'Error',
    message: trans.__(
      'The server answered %1 %2.',
      String(response.status),
      response.statusText
    ),
    hint: trans.__(
      'Reload the page; if it stays, see the log of the Jupyter server.'
    )
  };
}
