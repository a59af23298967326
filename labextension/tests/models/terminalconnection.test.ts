import type { Terminal } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import { TerminalConnection } from '../../src/models/terminalconnection';
import { FakeServer, type FakeSocket, refusal } from './fake';

let server: FakeServer;
let connection: TerminalConnection;
let heard: Terminal.IMessage[];

function socket(): FakeSocket {
  return server.sockets.at(-1)!;
}

function type(text: string): void {
  connection.send({ type: 'stdin', content: [text] });
}

/** What stands in the terminal. */
function shown(): string {
  return heard.map(({ content = [] }) => String(content[0])).join('');
}

beforeEach(() => {
  vi.useFakeTimers();
  heard = [];
  server = new FakeServer()
    .on('GET kernels/k/terminals', {
      terminals: [{ name: '1' }],
      refused: null
    })
    .on('DELETE kernels/k/terminals/1', undefined);
  connection = new TerminalConnection(
    new Api(server.requests),
    { kernel: 'k', name: '1' },
    '1 · n.ipynb'
  );
  connection.messageReceived.connect((_, message) => heard.push(message));
});

afterEach(() => {
  connection.dispose();
  vi.useRealTimers();
});

describe('a terminal', () => {
  it('says what was typed in order, also before it is connected', () => {
    expect(socket().path).toBe('kernels/k/terminals/1/channel');
    type('a');
    expect(socket().sent).toEqual([]);
    socket().say('setup', {});
    connection.send({ type: 'set_size', content: [24, 80, 300, 400] });
    expect(socket().sent).toEqual([
      ['stdin', 'a'],
      ['set_size', 24, 80, 300, 400]
    ]);
    socket().say('stdout', 'hello');
    expect(heard).toEqual([{ type: 'stdout', content: ['hello'] }]);
  });

  it('is connected again after a cut, in growing intervals', async () => {
    socket().say('setup', {});
    server.gone = true;
    socket().close();
    type('b');
    await vi.advanceTimersByTimeAsync(100);
    expect(connection.connectionStatus).toBe('connecting');
    expect(server.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(500);
    socket().close();
    await vi.advanceTimersByTimeAsync(900);
    expect(server.sockets).toHaveLength(2);
    server.gone = false;
    await vi.advanceTimersByTimeAsync(200);
    expect(server.sockets).toHaveLength(3);
    socket().say('setup', {});
    expect(socket().sent).toEqual([['stdin', 'b']]);
    const again = connection.reconnect();
    socket().say('setup', {});
    await again;
    expect(server.sockets).toHaveLength(4);
  });

  it('is disposed when its shell has ended', async () => {
    socket().say('setup', {});
    socket().say('disconnect', 1);
    expect(connection.isDisposed).toBe(true);
    expect(heard).toEqual([{ type: 'disconnect' }]);
    await expect(connection.reconnect()).rejects.toThrow('has ended');
  });

  it('is disposed when its shell has ended during a cut', async () => {
    server.on('GET kernels/k/terminals', { terminals: [], refused: null });
    socket().close();
    await vi.advanceTimersByTimeAsync(100);
    expect(connection.isDisposed).toBe(true);
  });

  it.each([
    [0, 'The container has ended.'],
    [2, 'connection to the container has ended. Open a new terminal.']
  ])('stays when not its shell alone has ended (%s)', async (code, said) => {
    socket().say('setup', {});
    socket().say('disconnect', code);
    expect(shown()).toContain(said);
    expect(connection.isDisposed).toBe(false);
    expect(connection.connectionStatus).toBe('disconnected');
    type('c');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.sockets).toHaveLength(1);
    await connection.shutdown();
    expect(server.count('DELETE kernels/k/terminals/1')).toBe(0);
  });

  it.each([
    ['Unknown', true],
    ['StreamFailed', true],
    ['HTTPError', false]
  ])('after a cut: the server answers %s', async (kind, ended) => {
    server.on('GET kernels/k/terminals', () => {
      throw refusal(404, 'No.', { type: kind });
    });
    socket().close();
    await vi.advanceTimersByTimeAsync(1000);
    expect(shown().includes('The container has ended.')).toBe(ended);
    expect(server.sockets).toHaveLength(ended ? 1 : 2);
  });

  it('ends with its tab', async () => {
    socket().say('setup', {});
    await connection.shutdown();
    expect(server.count('DELETE kernels/k/terminals/1')).toBe(1);
    expect(connection.isDisposed).toBe(true);
  });
});
