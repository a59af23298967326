import { describe, expect, it, vi } from 'vitest';

import { RequestError } from '../../src/api/request';
import { LiveBuilds } from '../../src/cells/builds';
import { done, event, FakeServer, inPieces, job, lines, stream } from './fakes';

const STEP = event(0, 'step', { step: 1, steps: 1, text: 'FROM a' });
const SAID = event(1, 'log', { step: 1, text: 'Grüße 🐳' });
const END = event(2, 'end', { job: done() });
const EVENTS = 'GET builds/j1/events';

describe('following', () => {
  it('reads events that come in pieces, with heartbeats between them', async () => {
    const server = new FakeServer({
      [EVENTS]: () => stream(inPieces(lines(STEP, SAID, END)))
    });
    const build = new LiveBuilds(server.api).follow(job());
    expect((await build.ended).state).toBe('done');
    expect(build.progress.log).toEqual(['[1] FROM a', 'Grüße 🐳']);
    expect(build.job.result?.reference).toBe('localhost/made:1');
  });

  it('goes on where a connection was cut', async () => {
    const whole = lines(STEP, SAID);
    const server = new FakeServer({
      [EVENTS]: ({ path }) =>
        path.endsWith('first=0')
          ? stream([`${whole}{"n": 2, "ki`], true)
          : stream([lines(END)])
    });
    const build = new LiveBuilds(server.api).follow(job());
    await build.ended;
    expect(server.asked.map(one => one.path)).toEqual([
      'builds/j1/events?first=0',
      'builds/j1/events?first=2'
    ]);
    expect(build.progress.log).toHaveLength(2);
  });

  it.each([502, 503, 504])(
    'goes on where a proxy answers %s for the server',
    async status => {
      let asked = 0;
      const server = new FakeServer({
        [EVENTS]: () =>
          ++asked === 1
            ? [status, '<h1>Bad gateway</h1>']
            : stream([lines(STEP, END)])
      });
      const build = new LiveBuilds(server.api).follow(job());
      expect((await build.ended).state).toBe('done');
      expect(asked).toBe(2);
    }
  );

  it('ends where the server itself has an error of that number', async () => {
    const said = { type: 'EngineDown', message: 'Down.', hint: '' };
    const server = new FakeServer({ [EVENTS]: () => [503, said] });
    const build = new LiveBuilds(server.api).follow(job());
    await expect(build.ended).rejects.toThrow('Down.');
  });

  it('ends where the server does not know the job any more, and forgets it', async () => {
    const builds = new LiveBuilds(new FakeServer().api);
    const build = builds.follow(job());
    await expect(build.ended).rejects.toThrow(RequestError);
    await Promise.resolve();
    expect(builds.find('j1')).toBeUndefined();
  });

  it('twice is once', () => {
    const builds = new LiveBuilds(new FakeServer().api);
    expect(builds.follow(job())).toBe(builds.follow(job()));
  });

  it('draws at most ten times a second', async () => {
    const many = Array.from({ length: 5000 }, (_, n) =>
      event(n, 'log', { text: `line ${String(n)}` })
    );
    const server = new FakeServer({
      [EVENTS]: () =>
        stream(
          inPieces(lines(...many, event(5000, 'end', { job: done() })), 4096)
        )
    });
    const build = new LiveBuilds(server.api).follow(job());
    let drawn = 0;
    build.changed.connect(() => drawn++);
    const began = performance.now();
    await build.ended;
    await new Promise(resolve => setTimeout(resolve, 150));
    expect(drawn).toBeGreaterThan(0);
    expect(drawn).toBeLessThanOrEqual((performance.now() - began) / 100 + 1);
  });
});

describe('watching', () => {
  it('finds a build that another page began', async () => {
    const server = new FakeServer({
      'GET builds/j1': () => [200, job()],
      [EVENTS]: () => stream([lines(END)])
    });
    const found = await new LiveBuilds(server.api).followById('j1');
    expect((await found?.ended)?.state).toBe('done');
  });

  it('finds none that the server forgot, and says what else is wrong', async () => {
    expect(await new LiveBuilds(new FakeServer().api).followById('j1')).toBe(
      undefined
    );
    const broken = new FakeServer({
      'GET builds/j1': () => [500, { message: 'Broken.', hint: '', type: 'X' }]
    });
    await expect(new LiveBuilds(broken.api).followById('j1')).rejects.toThrow(
      'Broken.'
    );
  });
});

describe('cancelling', () => {
  it('asks the server and shows that it was asked', async () => {
    const server = new FakeServer({
      'DELETE builds/j1': () => [200, job({ state: 'cancelled' })],
      [EVENTS]: () => stream([], true)
    });
    const build = new LiveBuilds(server.api).follow(job());
    await build.cancel();
    expect(build.cancelling).toBe(true);
    expect(server.asked.some(one => one.method === 'DELETE')).toBe(true);
  });

  it('can be tried again if it was refused', async () => {
    const server = new FakeServer({
      'DELETE builds/j1': () => [403, { message: 'No.', hint: '', type: 'X' }],
      [EVENTS]: () => stream([], true)
    });
    const build = new LiveBuilds(server.api).follow(job());
    await expect(build.cancel()).rejects.toThrow('No.');
    expect(build.cancelling).toBe(false);
  });
});

it('tells which builds run, and when that changes', async () => {
  const server = new FakeServer({ [EVENTS]: () => stream([lines(END)]) });
  const builds = new LiveBuilds(server.api);
  const told = vi.fn();
  builds.changed.connect(told);
  const build = builds.follow(job());
  expect(builds.running).toEqual([build]);
  await build.ended;
  await Promise.resolve();
  expect(builds.running).toEqual([]);
  expect(told).toHaveBeenCalledTimes(2);
});

it('the log of a build that has ended is found by its cell, after a reload too', async () => {
  const server = new FakeServer({
    'GET builds': () => [
      200,
      {
        builds: [
          job({ id: 'j4' }),
          { ...done(), id: 'j3', cell_id: 'c2' },
          { ...done({ reference: 'localhost/other:1' }), id: 'j2' },
          done()
        ]
      }
    ],
    [EVENTS]: () => stream([lines(STEP, SAID, END)])
  });
  const builds = new LiveBuilds(server.api);
  const saved = {
    cell: 'c1',
    state: 'done',
    image: 'localhost/made:1'
  } as const;
  expect(builds.findEnded(saved)).toBe(undefined);
  const found = await builds.followEnded(saved);
  await found?.ended;
  expect(found?.progress.log).toContain('Grüße 🐳');
  expect(builds.findEnded(saved)).toBe(found);
  expect(await builds.followEnded({ ...saved, state: 'failed' })).toBe(
    undefined
  );
});
