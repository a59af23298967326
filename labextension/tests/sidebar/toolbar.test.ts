import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import type { INotebook } from '../../src/api/types';
import { CHANGE_EVENT } from '../../src/constants';
import { describeState, stateColour } from '../../src/models/kernelstate';
import { ContainersModel } from '../../src/models/model';
import type { NotebookState } from '../../src/models/notebookstate';
import { describeItem, describeKernel } from '../../src/sidebar/toolbar';
import { type FakeServer, formServer } from '../models/fake';
import { FakePanel, kernel, notebook } from '../models/panel';

let fake: FakeServer;
let model: ContainersModel;

beforeEach(() => {
  vi.useFakeTimers();
  fake = formServer();
  model = new ContainersModel(new Api(fake.requests), {
    driveName: () => '',
    get: () => Promise.reject(new Error('no folders'))
  });
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

async function open(
  truth: INotebook,
  panel: FakePanel = new FakePanel('container')
): Promise<NotebookState> {
  fake.on('GET notebook', truth);
  const state = model.stateOf(panel.panel);
  await vi.advanceTimersByTimeAsync(500);
  return state;
}

describe('the toolbar', () => {
  it.each([
    [notebook({ kernel: kernel() }), 'a:1 · running'],
    [notebook({ missing: ['x'] }), 'a:1 · not approved'],
    [notebook({ missing: ['x'], kernel: kernel() }), 'a:1 · running'],
    [notebook({ image_here: false }), 'a:1 · not here'],
    [notebook({ image_here: false, kernel: kernel() }), 'a:1 · running'],
    [notebook(), 'a:1 · not running'],
    [
      notebook({
        missing: ['x'],
        kernel: kernel({ state: 'failed', image: '' })
      }),
      'a:1 · not approved'
    ]
  ])('%#', async (truth, text) => {
    expect(describeItem(await open(truth)).text).toBe(text);
  });

  it.each([
    [[], 'no image yet'],
    [['%%dockerfile\nFROM a:1'], 'not built yet']
  ])('says calmly that there is no image: %j', async (cells, text) => {
    const empty = kernel({ state: 'empty', image: '', container: null });
    const truth = notebook({ asked: null, kernel: empty, engine: null });
    const state = await open(
      truth,
      new FakePanel('container', undefined, cells)
    );
    expect(describeItem(state)).toEqual({ text, long: text, state: 'none' });
    expect(describeState(truth)).toBe('no image yet');
    expect(describeState({ ...truth, building: true })).toBe(
      'its image is being built'
    );
  });

  it('follows the cells of the notebook', async () => {
    const panel = new FakePanel('container');
    const state = await open(notebook({ asked: null }), panel);
    const heard = vi.fn();
    state.stateChanged.connect(heard);
    panel.addCell('print(1)');
    panel.signals.content.emit(undefined);
    await vi.advanceTimersByTimeAsync(500);
    expect(heard).not.toHaveBeenCalled();
    panel.addCell('%%dockerfile\nFROM a:1');
    panel.signals.content.emit(undefined);
    await vi.advanceTimersByTimeAsync(500);
    expect(heard).toHaveBeenCalledOnce();
    expect(describeItem(state).text).toBe('not built yet');
  });

  it('says how far a build is', async () => {
    const state = await open(notebook({ building: true, kernel: kernel() }));
    const build = { cell: 'c', step: 5, steps: 9, text: 'RUN x' };
    state.build = { ...build, elapsed: () => 20.4 };
    expect(describeItem(state).text).toBe('building 5/9 · 20 s');
    state.build = { ...build, steps: 0, elapsed: () => 0 };
    expect(describeItem(state).text).toBe('building · 0 s');
    state.build = null;
    expect(describeItem(state).text).toBe('a:1 · building');
  });

  it('names the image with the kernel, where that has none of its own', async () => {
    const image = 'docker.io/library/a:1';
    const asked = { version: 1, image };
    const panel = new FakePanel('container', asked);
    expect(describeKernel(await open(notebook({ asked }), panel))).toBe(
      'Container (a:1)'
    );
    const built = { version: 1, image: 'localhost/some/n:ad58cbd3d410' };
    const other = new FakePanel('container', built);
    expect(describeKernel(await open(notebook({ asked: built }), other))).toBe(
      'Container (n)'
    );
    for (const other of [
      new FakePanel('container'),
      new FakePanel('pinned', asked),
      new FakePanel('python3', asked)
    ]) {
      const state = await open(notebook({ asked: null }), other);
      expect(describeKernel(state)).toBe(`shown as ${other.kernel.name}`);
    }
  });

  it('has no words for a notebook without a container', async () => {
    const plain = new FakePanel('python3');
    expect(describeItem(await open(notebook(), plain)).text).toBe('');
  });

  it('says that an image is being built, also before there is a container', async () => {
    const cells = ['%%dockerfile\nFROM a:1'];
    const first = new FakePanel('python3', undefined, cells);
    const state = await open(notebook({ asked: null }), first);
    expect(describeItem(state).text).toBe('');
    fake.on('GET notebook', notebook({ asked: null, building: true }));
    model.handleEvent({
      schema_id: CHANGE_EVENT,
      what: 'build',
      path: 'n.ipynb'
    });
    await vi.advanceTimersByTimeAsync(500);
    expect(describeItem(state)).toEqual({
      text: 'building',
      long: 'its image is being built',
      state: 'starting'
    });
  });

  it('says that a new image is being built beside what runs', async () => {
    const truth = notebook({ building: true, kernel: kernel() });
    expect(describeItem(await open(truth)).text).toBe('a:1 · building');
    expect(describeState(truth)).toBe('running, a new image is being built');
    expect(stateColour(truth)).toBe('starting');
    expect(stateColour(notebook({ kernel: kernel() }))).toBe('running');
    expect(stateColour(notebook({ image_here: false }))).toBe('waiting');
  });
});
