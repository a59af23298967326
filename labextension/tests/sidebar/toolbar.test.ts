import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import type { INotebook } from '../../src/api/types';
import { CHANGE_EVENT } from '../../src/constants';
import { describeState, stateColour } from '../../src/models/kernelstate';
import { ContainersModel } from '../../src/models/model';
import type { NotebookState } from '../../src/models/notebookstate';
import { describeItem } from '../../src/sidebar/toolbar';
import { type FakeServer, formServer } from '../models/fake';
import { FakePanel, kernel, notebook } from '../models/panel';

let fake: FakeServer;
let model: ContainersModel;

beforeEach(() => {
  vi.useFakeTimers();
  fake = formServer();
  model = new ContainersModel(new Api(fake.requests), {
    driveName: () => ''
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
