import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import { CHANGE_EVENT } from '../../src/constants';
import { ContainersModel } from '../../src/models/model';
import type { IListening } from '../../src/models/ports';
import { type FakeServer, formServer } from './fake';
import { FakePanel, kernel, notebook } from './panel';

let server: FakeServer;
let model: ContainersModel;
let noticed: string[];

function create(): ContainersModel {
  const made = new ContainersModel(new Api(server.requests), {
    driveName: () => '',
    get: () => Promise.reject(new Error('no folder is asked for'))
  });
  made.ports.noticed.connect((_, { port, process }: IListening) =>
    noticed.push(`${String(port)} ${process}`)
  );
  return made;
}

function listens(...ports: readonly number[]): void {
  server.on('GET kernels/k/ports', {
    listening: ports.map(port => ({
      port,
      process: 'python\u202e',
      url: `/me/jupyter-containers/ports/${String(port)}-k-x/`
    })),
    published: [{ port: 80, host: '127.0.0.1', host_port: 49153 }]
  });
}

/** Follow a tracker whose only notebook is this one. */
async function follow(panel: FakePanel): Promise<void> {
  const silent = { connect: () => true };
  const tracker = {
    widgetAdded: silent,
    currentChanged: silent,
    currentWidget: panel.panel
  };
  model.follow(tracker as never);
  await vi.advanceTimersByTimeAsync(500);
}

async function change(id: string): Promise<void> {
  model.handleEvent({ schema_id: CHANGE_EVENT, what: 'ports', id });
  await vi.advanceTimersByTimeAsync(500);
}

beforeEach(() => {
  vi.useFakeTimers();
  sessionStorage.clear();
  noticed = [];
  server = formServer().on('GET notebook', notebook({ kernel: kernel() }));
  server.on('GET kernels/k/terminals', { terminals: [], refused: null });
  listens();
  model = create();
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

describe('ports', () => {
  it('are noticed once each, also when the page is loaded anew', async () => {
    await follow(new FakePanel());
    expect(model.ports.published).toEqual([
      { port: 80, at: '127.0.0.1:49153' }
    ]);
    expect(noticed).toEqual([]);
    listens(8050);
    await change('another');
    expect(noticed).toEqual([]);
    await change('k');
    expect(noticed).toEqual(['8050 python']);
    expect(model.ports.listening[0]?.address).toBe(
      'http://server/me/jupyter-containers/ports/8050-k-x/'
    );
    listens(8050, 8051);
    await change('k');
    listens();
    await change('k');
    expect(model.ports.listening).toEqual([]);
    listens(8050);
    await change('k');
    expect(noticed).toEqual(['8050 python', '8051 python']);
    model.dispose();
    model = create();
    await follow(new FakePanel());
    expect(model.ports.listening).toHaveLength(1);
    expect(noticed).toHaveLength(2);
  });

  it('are asked for only of a kernel of ours whose container runs', async () => {
    server.on(
      'GET notebook',
      notebook({ kernel: kernel({ state: 'starting' }) })
    );
    await follow(new FakePanel());
    expect(server.count('GET kernels/k/ports')).toBe(0);
    server.on('GET notebook', notebook({ kernel: kernel() }));
    model.notebook?.invalidate();
    await vi.advanceTimersByTimeAsync(500);
    expect(server.count('GET kernels/k/ports')).toBe(1);
    expect(server.count('GET kernels/k/terminals')).toBe(1);
    // No change, no request.
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.count('GET kernels/k/ports')).toBe(1);
    server.on('GET notebook', notebook());
    model.notebook?.invalidate();
    await vi.advanceTimersByTimeAsync(500);
    expect(model.ports.kernel).toBeNull();
    expect(model.ports.published).toEqual([]);
  });

  it('are asked for only where they are seen, if the user wants no notifications', async () => {
    model.noticePorts = false;
    await follow(new FakePanel());
    expect(server.count('GET kernels/k/ports')).toBe(0);
    model.setOpen('notebook', true);
    model.visible = true;
    await vi.advanceTimersByTimeAsync(500);
    expect(server.count('GET kernels/k/ports')).toBe(1);
  });

  it('that are not known get their address from the server', async () => {
    server.on('POST kernels/k/ports/9000', { url: '/me/there/' });
    expect(await model.ports.addressOf('k', 9000)).toBe(
      'http://server/me/there/'
    );
  });
});
