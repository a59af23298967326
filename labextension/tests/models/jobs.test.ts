import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import type { IJob } from '../../src/api/types';
import { Connection } from '../../src/models/connection';
import { Jobs } from '../../src/models/jobs';
import { ContainerStats } from '../../src/models/stats';
import { FakeServer, FIELDS, refusal } from './fake';

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

function job(id: string, more: Partial<IJob> = {}): IJob {
  return {
    id,
    kind: 'pull',
    state: 'running',
    title: `Pull ${id}`,
    engine: 'podman',
    path: null,
    index: 0,
    cell_id: '',
    started: 0,
    ended: null,
    error: null,
    result: null,
    ...more
  };
}

describe('jobs', () => {
  const blank = { step: 0, steps: 0, line: 0, stage: '', done: 0, total: 0 };

  it('are followed to their end: layers, lines, and what they came to', async () => {
    const jobs = new Jobs(api, server);
    const ended = job('1', { state: 'done', ended: 5 });
    fake.on('GET builds', { builds: [job('1')] });
    fake.on('GET builds/1/events', [
      { ...blank, n: 0, kind: 'bytes', text: 'layer a', done: 1, total: 2 },
      { ...blank, n: 1, kind: 'log', text: 'hello' },
      { ...blank, n: 2, kind: 'bytes', text: 'layer a', done: 2, total: 2 },
      { ...blank, n: 3, kind: 'end', text: '', job: ended }
    ]);
    jobs.active = true;
    await vi.advanceTimersByTimeAsync(200);
    const view = jobs.view('1');
    expect(view.lines).toEqual(['hello']);
    expect([...view.transfers.values()]).toEqual([
      { name: 'layer a', done: 2, total: 2 }
    ]);
    expect(view.complete).toBe(true);
    expect(jobs.jobs[0]!.state).toBe('done');
    expect(jobs.running).toEqual([]);
    jobs.dispose();
  });

  it('never hold more connections than a browser can spare', async () => {
    const jobs = new Jobs(api, server);
    const builds = Array.from({ length: 8 }, (_, id) => job(String(id)));
    builds.forEach(one =>
      fake.on(`GET builds/${one.id}/events`, () => new Promise(() => undefined))
    );
    fake.on('GET builds', { builds });
    jobs.active = true;
    await settle();
    expect(fake.asked.filter(one => one.what.endsWith('events'))).toHaveLength(
      2
    );
    jobs.toggle('7');
    await settle();
    expect(jobs.view('7').following).toBe(true);
    jobs.active = false;
    expect(builds.some(one => jobs.view(one.id).following)).toBe(false);
    jobs.dispose();
  });

  it('that are pulls are shown beside the images: while they run, and where one failed', async () => {
    const jobs = new Jobs(api, server);
    const failed = job('new', { state: 'failed', ended: 1 });
    fake
      .on('GET builds', { builds: [job('old', { state: 'failed' })] })
      .on('POST pulls', job('new'));
    await jobs.refresh();
    await jobs.pull('podman', 'a:1');
    expect(jobs.transfers.map(one => one.id)).toEqual(['new']);
    fake.on('GET builds', {
      builds: [failed, job('old', { state: 'failed' })]
    });
    await jobs.refresh();
    expect(jobs.transfers).toEqual([failed]);
    jobs.dispose();
  });

  it('that convert an image are asked for, and shown beside the images too', async () => {
    const jobs = new Jobs(api, server);
    fake.on('POST conversions', job('c', { kind: 'convert' }));
    await jobs.convert({ engine: 'podman', reference: 'a:1' }, 'apptainer');
    expect(fake.asked.at(-1)?.body).toEqual({
      engine: 'podman',
      reference: 'a:1',
      to: 'apptainer'
    });
    expect(jobs.transfers.map(one => one.id)).toEqual(['c']);
    jobs.dispose();
  });

  it('that found an image up to date are told with its build, and counted', async () => {
    const jobs = new Jobs(api, server);
    const run = (id: string, reused: boolean, name = 'made:1') =>
      job(id, {
        kind: 'build',
        state: 'done',
        path: 'n.ipynb',
        cell_id: 'c',
        result: {
          reference: 'made',
          name,
          image_id: 'sha256:a',
          reused,
          settings: null,
          missing: []
        }
      });
    const builds = [
      run('5', true),
      run('4', true),
      run('3', false),
      run('2', true, 'made:0'),
      job('1', { state: 'cancelled' })
    ];
    fake.on('GET builds', { builds });
    await jobs.refresh();
    expect(jobs.groups.map(one => [one.job.id, one.count])).toEqual([
      ['3', 2], // the log and the steps are those of the build
      ['2', 1],
      ['1', 0]
    ]);
    jobs.dispose();
  });

  it('whose events are gone say so, once', async () => {
    const jobs = new Jobs(api, server);
    fake.on('GET builds', {
      builds: [job('1', { state: 'failed', ended: 1 })]
    });
    jobs.active = true;
    await settle();
    jobs.toggle('1');
    await vi.advanceTimersByTimeAsync(200);
    expect(jobs.view('1').error?.message).toContain('404');
    jobs.stateChanged.emit();
    await vi.advanceTimersByTimeAsync(200);
    expect(fake.count('GET builds/1/events')).toBe(1);
    jobs.dispose();
  });
});

describe('live figures', () => {
  const stats = {
    cpu_percent: 1,
    memory_bytes: 2,
    memory_limit: null,
    pids: 3
  };

  it('are asked every three seconds while there is a container', async () => {
    const live = new ContainerStats(api, server);
    fake.on('GET containers/c', { stats });
    live.watch('c');
    await vi.advanceTimersByTimeAsync(9500);
    expect(fake.count('GET containers/c')).toBe(4);
    expect(live.latest).toEqual(stats);
    expect(fake.count('GET containers/c/logs')).toBe(0);
    live.watch(null);
    expect(live.latest).toBeNull();
    await vi.advanceTimersByTimeAsync(9000);
    expect(fake.count('GET containers/c')).toBe(4);
    live.dispose();
  });

  it('bring the log only while it is shown', async () => {
    const live = new ContainerStats(api, server);
    fake.on('GET containers/c', { stats });
    fake.on('GET containers/c/logs', { text: '<b>hi</b>' });
    live.watch('c');
    live.showLogs = true;
    await vi.advanceTimersByTimeAsync(100);
    expect(live.logs).toBe('<b>hi</b>');
    live.dispose();
  });

  it.each([
    [404, undefined],
    [502, 'No answer.']
  ])(
    'wait longer after a %i, which is said unless it has ended',
    async (status, said) => {
      // Poll draws each wait between the first and three times the last: held, so that the
      // count below is the same in every run.
      const chance = vi.spyOn(Math, 'random').mockReturnValue(0.5);
      const live = new ContainerStats(api, server);
      fake.on('GET containers/c', () =>
        Promise.reject(refusal(status, 'No answer.'))
      );
      live.watch('c');
      await vi.advanceTimersByTimeAsync(30_000);
      expect(live.error?.message).toBe(said);
      expect(fake.count('GET containers/c')).toBeLessThan(8);
      live.dispose();
      chance.mockRestore();
    }
  );
});
