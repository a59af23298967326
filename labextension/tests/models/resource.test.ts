import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import { Action } from '../../src/models/action';
import { Connection } from '../../src/models/connection';
import { Resource } from '../../src/models/resource';
import { FakeServer, FIELDS, later, refusal } from './fake';

let fake: FakeServer;
let api: Api;
let server: Connection;

beforeEach(() => {
  vi.useFakeTimers();
  fake = new FakeServer().on('GET settings', { fields: FIELDS });
  api = new Api(fake.requests);
  server = new Connection(() => api.fields());
});

afterEach(() => {
  server.dispose();
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('a source', () => {
  it('asks only while somebody wants it, and then again what changed before', async () => {
    const fetch = vi.fn(() => Promise.resolve(1));
    const source = new Resource(fetch, server);
    source.invalidate();
    await settle();
    expect(fetch).not.toHaveBeenCalled();
    source.active = true;
    await settle();
    expect(source.data).toBe(1);
    source.active = false;
    source.invalidate();
    source.active = true;
    await settle();
    expect(fetch).toHaveBeenCalledTimes(2);
    source.active = false;
    source.active = true;
    await settle();
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  it('keeps the last answer beside an error', async () => {
    const fetch = vi
      .fn<() => Promise<number>>()
      .mockResolvedValueOnce(1)
      .mockRejectedValueOnce(refusal(503, 'No engine.'))
      .mockResolvedValueOnce(2);
    const source = new Resource(fetch, server);
    await source.refresh();
    await source.refresh();
    expect(source.data).toBe(1);
    expect(source.error).toEqual({ message: 'No engine.', hint: 'Do this.' });
    await source.refresh();
    expect(source.data).toBe(2);
    expect(source.error).toBeNull();
  });

  it('asks once more where it was asked meanwhile, however often', async () => {
    const first = later<number>();
    const fetch = vi
      .fn<() => Promise<number>>()
      .mockReturnValueOnce(first.promise)
      .mockResolvedValue(2);
    const source = new Resource(fetch, server);
    const done = source.refresh();
    await settle();
    void source.refresh();
    void source.refresh();
    expect(source.loading).toBe(true);
    first.resolve(1);
    await done;
    expect(fetch).toHaveBeenCalledTimes(2);
    expect(source.data).toBe(2);
    expect(source.loading).toBe(false);
  });

  it('does not let a slow answer overwrite a newer one', async () => {
    const slow = later<number>();
    const source = new Resource(() => slow.promise, server);
    const done = source.refresh();
    await settle();
    source.set(7);
    slow.resolve(1);
    await done;
    expect(source.data).toBe(7);
  });
});

describe('a server that is gone', () => {
  it('is noticed, asked again with growing pauses, and everything is fresh after', async () => {
    const source = new Resource(() => api.jobs(), server);
    fake.on('GET builds', { builds: [] });
    source.active = true;
    await settle();
    fake.gone = true;
    await source.refresh();
    expect(server.isLost).toBe(true);
    expect(source.error).toBeNull();
    expect(source.data).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000);
    expect(fake.count('GET settings')).toBe(3);
    fake.gone = false;
    await vi.advanceTimersByTimeAsync(8000);
    expect(server.isLost).toBe(false);
    expect(fake.count('GET builds')).toBe(3);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fake.count('GET settings')).toBe(4);
  });

  it('is told from an engine that is down, and from one behind a proxy', () => {
    expect(server.reportError(refusal(503, 'Docker is down.'))).toBe(false);
    expect(server.reportError(refusal(503, '503', { type: 'Error' }))).toBe(
      true
    );
    expect(server.reportError(new Error('a bug'))).toBe(false);
  });

  it('is asked at once where a person says so', async () => {
    fake.gone = true;
    server.reportError(await api.jobs().catch((error: unknown) => error));
    fake.gone = false;
    await server.retry();
    expect(server.isLost).toBe(false);
  });
});

it('a deed that fails says why, until that is read', async () => {
  const acting = new Action(server);
  const done = await acting.run('Removing…', () => {
    expect(acting.pending).toBe('Removing…');
    return Promise.reject(refusal(409, 'A container uses it.'));
  });
  expect(done).toBe(false);
  expect(acting.pending).toBeNull();
  expect(acting.problem?.message).toBe('A container uses it.');
  acting.dismiss();
  expect(acting.problem).toBeNull();
});
