/** A kernel that a cluster's scheduler places: its queue, its end. */

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import { createBanners } from '../../src/models/banners';
import * as kernelActions from '../../src/models/kernelactions';
import { ContainersModel } from '../../src/models/model';
import { type FakeServer, formServer } from './fake';
import { FakePanel, kernel, notebook } from './panel';

const at = { job: '7', node: 'n1', ends: 60, warning: 'It is over at 15:04.' };

let fake: FakeServer;
let model: ContainersModel;

beforeEach(() => {
  vi.useFakeTimers();
  fake = formServer().on('DELETE containers/jupyter-1', undefined);
  model = new ContainersModel(new Api(fake.requests), {
    driveName: () => '',
    get: () => Promise.reject(new Error('no folders'))
  });
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

async function stopped(state: 'starting' | 'running'): Promise<FakePanel> {
  const waiting = kernel({ state, container: 'jupyter-1' });
  fake.on('GET notebook', notebook({ kernel: waiting }));
  const panel = new FakePanel('container', { image: 'a:1' });
  const open = model.stateOf(panel.panel);
  await vi.advanceTimersByTimeAsync(500);
  await kernelActions.stop(open);
  return panel;
}

it('is taken out of the queue: its shutdown would wait for its start', async () => {
  const panel = await stopped('starting');
  expect(fake.count('DELETE containers/jupyter-1')).toBe(1);
  expect(panel.done).toEqual([]);
});

it('is shut down once it runs', async () => {
  const panel = await stopped('running');
  expect(fake.count('DELETE containers/jupyter-1')).toBe(0);
  expect(panel.done).toEqual(['shutdown']);
});

it('warns before the end of its time', () => {
  const banners = createBanners({
    status: notebook({ kernel: kernel({ placement: at }) }),
    settings: {},
    isEdited: false,
    inContainer: true,
    pinned: false
  });
  expect(banners).toEqual([
    { key: 'ending', kind: 'warning', title: at.warning }
  ]);
});
