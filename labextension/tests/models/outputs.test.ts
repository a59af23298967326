import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Api } from '../../src/api/api';
import type { IOutputs } from '../../src/api/types';
import { Connection } from '../../src/models/connection';
import { OutputsDecision } from '../../src/models/outputs';
import { FakeServer } from './fake';

let ours: boolean;
let dockerfile: boolean;
let server: FakeServer;
let decision: OutputsDecision;

function says(more: Partial<IOutputs>): IOutputs {
  const plain = { path: 'n', applies: true, may_trust: true } as const;
  return { ...plain, outputs: 'isolated', ...more };
}

beforeEach(() => {
  ours = true;
  dockerfile = false;
  server = new FakeServer();
  const api = new Api(server.requests);
  decision = new OutputsDecision(
    { api, connection: new Connection(() => Promise.resolve()) },
    { path: () => 'n', isOurs: () => ours, hasDockerfile: () => dockerfile }
  );
});

afterEach(() => decision.dispose());

describe('outputs', () => {
  it('are isolated where the server has not answered, of our notebooks alone', async () => {
    expect(decision.isolated).toBe(true);
    await decision.refresh();
    expect(decision.isolated).toBe(true);
    ours = false;
    expect(decision.isolated).toBe(false);
    dockerfile = true;
    expect(decision.isolated).toBe(true);
    server.on('GET outputs', says({ applies: false }));
    await decision.refresh();
    expect(decision.isolated).toBe(false);
  });

  it('are what the server says', async () => {
    server.on('GET outputs', says({ outputs: 'trusted' }));
    await decision.refresh();
    expect(decision.isolated).toBe(false);
    ours = false;
    server.on('GET outputs', says({ may_trust: false }));
    await decision.refresh();
    expect(decision.isolated).toBe(true);
    expect(decision.mayTrust).toBe(false);
    server.on('GET outputs', says({ applies: false }));
    await decision.refresh();
    expect(decision.isolated).toBe(false);
    ours = true;
    expect(decision.isolated).toBe(true);
  });

  it('stay as they are while the server is gone', async () => {
    server.on('GET outputs', says({ outputs: 'trusted' }));
    await decision.refresh();
    server.gone = true;
    await decision.refresh();
    expect(decision.isolated).toBe(false);
  });

  it('are isolated again where the server refuses to say', async () => {
    server.on('GET outputs', says({ outputs: 'trusted' }));
    await decision.refresh();
    server.on('GET outputs', () => Promise.reject(new Error('broken')));
    await decision.refresh();
    expect(decision.isolated).toBe(true);
  });

  it('are trusted once the server has kept it, and not before', async () => {
    await expect(decision.decide('trusted')).rejects.toThrow('404');
    expect(decision.isolated).toBe(true);
    server.on('PUT outputs', says({ outputs: 'trusted' }));
    await decision.decide('trusted');
    expect(decision.isolated).toBe(false);
    expect(server.asked.at(-1)?.body).toEqual({
      path: 'n',
      outputs: 'trusted'
    });
  });
});
