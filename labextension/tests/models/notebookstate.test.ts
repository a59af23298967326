import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import { CommandIDs } from '../../src/commandids';
import { CHANGE_EVENT, METADATA } from '../../src/constants';
import { createBanners, type IBannerInput } from '../../src/models/banners';
import * as kernelActions from '../../src/models/kernelactions';
import { ContainersModel } from '../../src/models/model';
import type { NotebookState } from '../../src/models/notebookstate';
import type { AskApproval } from '../../src/notebook/approval';
import { capitalize } from '../../src/sidebar/components';
import { type FakeServer, formServer, refusal } from './fake';
import { FakePanel, kernel, notebook } from './panel';

let fake: FakeServer;
let model: ContainersModel;
const ask = vi.fn<AskApproval>();
const unread = { shown: [], ask };

beforeEach(() => {
  vi.useFakeTimers();
  ask.mockReset().mockResolvedValue(true);
  fake = formServer()
    .on('GET notebook', notebook())
    .on('POST approvals', notebook());
  model = new ContainersModel(new Api(fake.requests), {
    driveName: path => (path.includes(':') ? path.split(':')[0]! : ''),
    get: () => Promise.reject(new Error('no folders'))
  });
});

afterEach(() => {
  model.dispose();
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(500);

async function open(panel: FakePanel): Promise<NotebookState> {
  await model.fields.refresh();
  const state = model.stateOf(panel.panel);
  await settle();
  return state;
}

describe('an open notebook', () => {
  it('is asked about only where containers matter to it', async () => {
    const plain = await open(new FakePanel('python3'));
    expect(plain.usesContainers).toBe(false);
    expect(fake.count('GET notebook')).toBe(0);
    plain.visible = true;
    await settle();
    expect(fake.count('GET notebook')).toBe(1);
    const ours = await open(new FakePanel('python3', { image: 'a:1' }));
    expect(ours.status.data?.engine).toBe('podman');
    expect((await open(new FakePanel('pinned'))).pinned).toBe(true);
  });

  it('is asked about again once for many changes, and only for its own events', async () => {
    const panel = new FakePanel('container');
    const state = await open(panel);
    const before = fake.count('GET notebook');
    const event = { schema_id: CHANGE_EVENT, what: 'container' };
    model.handleEvent({ ...event, path: 'other.ipynb' });
    model.handleEvent({ schema_id: 'https://elsewhere', path: 'n.ipynb' });
    await settle();
    expect(fake.count('GET notebook')).toBe(before);
    model.handleEvent({ ...event, path: 'n.ipynb' });
    panel.signals.status.emit('restarting');
    panel.signals.status.emit('busy');
    panel.signals.file.emit(undefined);
    await settle();
    expect(fake.count('GET notebook')).toBe(before + 1);
    panel.signals.disposed.emit(undefined);
    expect(state.isDisposed).toBe(true);
  });

  it('that was closed is held by nothing that stays', async () => {
    const panel = new FakePanel('container');
    const state = await open(panel);
    panel.signals.disposed.emit(undefined);
    const looked = vi.spyOn(state, 'isDisposed', 'get');
    const { path, file, kernel, metadata, specs, status } = panel.signals;
    path.emit('other.ipynb');
    file.emit(undefined);
    kernel.emit(undefined);
    metadata.emit({ key: METADATA });
    specs.emit(undefined);
    status.emit('restarting');
    const taken = vi.spyOn(state.draft, 'fields', 'get');
    model.fields.set([]);
    expect(looked).not.toHaveBeenCalled();
    expect(taken).not.toHaveBeenCalled();
  });

  it('whose metadata is nonsense asks for nothing', async () => {
    expect((await open(new FakePanel('python3', 'text'))).settings).toBeNull();
    expect((await open(new FakePanel('python3', [1]))).settings).toBeNull();
  });
});

describe('Approve', () => {
  it('says yes to what is on disk, and restarts the kernel', async () => {
    const panel = new FakePanel('container', { image: 'edited:1' });
    fake.on('GET notebook', notebook({ missing: ['the image a:1'] }));
    const state = await open(panel);
    const shown = ['the image a:1'];
    expect(await kernelActions.approve(state, { shown, ask })).toBe(true);
    expect(fake.asked.find(one => one.what === 'POST approvals')!.body).toEqual(
      {
        path: 'n.ipynb',
        settings: { version: 1, image: 'a:1' },
        items: ['the image a:1']
      }
    );
    expect(ask).not.toHaveBeenCalled();
    expect(panel.done).toEqual(['restart', 'save']);
  });

  it('starts nothing where the server refuses', async () => {
    const panel = new FakePanel('container');
    const state = await open(panel);
    fake.on('POST approvals', () => Promise.reject(refusal(403, 'No.')));
    expect(await kernelActions.approve(state, unread)).toBe(false);
    expect(panel.done).toEqual([]);
    expect(state.action.problem?.message).toBe('No.');
  });

  it.each([true, false])(
    'asks again where more is asked for than was shown: %s',
    async yes => {
      const panel = new FakePanel('container');
      fake.on('GET notebook', notebook({ missing: ['the folder /ok'] }));
      const state = await open(panel);
      const items = ['the folder /private'];
      const more = refusal(409, 'More.', { type: 'AsksMore', items });
      fake.on('POST approvals', (_: unknown, body: unknown) => {
        const said = (body as { items: string[] }).items;
        return said[0] === items[0] ? notebook() : Promise.reject(more);
      });
      ask.mockResolvedValue(yes);
      const shown = ['the folder /ok'];
      expect(await kernelActions.approve(state, { shown, ask })).toBe(yes);
      expect(ask.mock.calls).toEqual([[items]]);
      expect(panel.done).toEqual(yes ? ['restart', 'save'] : []);
      expect(state.action.problem).toBeNull();
      const before = fake.count('GET notebook');
      await settle();
      expect(fake.count('GET notebook')).toBe(before + 1);
    }
  );
});

describe('Apply', () => {
  it('writes, saves, approves and only then starts, moving a kernel of the host', async () => {
    const panel = new FakePanel('python3', { version: 1, image: 'a:1' });
    const state = await open(panel);
    state.draft.setKey('memory', '2g');
    expect(await kernelActions.apply(state, unread)).toBe(true);
    const settings = { version: 1, image: 'a:1', memory: '2g' };
    expect(panel.done).toEqual([
      `set ${JSON.stringify(settings)}`,
      'save',
      'change container',
      'save'
    ]);
    expect(fake.count('POST approvals')).toBe(1);
    expect(state.draft.changed).toBe(false);
    expect(panel.metadata[METADATA]).toEqual(settings);
  });

  it('writes into the cells what their options say, so that Run All does not undo it', async () => {
    const panel = new FakePanel('container', { version: 1, image: 'a:1' }, [
      '%%dockerfile --memory 1g --cpus 1\nFROM a:1',
      '%%dockerfile --network none --memory 2g --env "A=b c"\nFROM a:1',
      '%%dockerfile --no-switch --memory 3g\nFROM a:1'
    ]);
    panel.metadata[METADATA] = {
      ...panel.metadata[METADATA]!,
      network: 'none'
    };
    const state = await open(panel);
    state.draft.setKey('memory', '4g');
    state.draft.setKey('cpus', '2');
    state.draft.setKey('network', 'private');
    state.draft.setKey('pids', '300');
    expect(await kernelActions.apply(state, unread)).toBe(true);
    expect(panel.cells).toEqual([
      '%%dockerfile --memory 1g --cpus 2\nFROM a:1',
      '%%dockerfile --memory 4g --env "A=b c"\nFROM a:1',
      '%%dockerfile --no-switch --memory 3g\nFROM a:1'
    ]);
    expect(panel.metadata[METADATA]).toEqual({
      version: 1,
      image: 'a:1',
      memory: '4g',
      cpus: 2,
      pids: 300
    });
  });

  it('applies nothing where a cell cannot say it', async () => {
    const cells = ['%%dockerfile --env A=b\nFROM a:1'];
    const panel = new FakePanel('container', { image: 'a:1' }, cells);
    const state = await open(panel);
    state.draft.setKey('env', [['A', 'b\nRUN c']]);
    expect(await kernelActions.apply(state, unread)).toBe(false);
    expect(state.action.problem?.message).toContain('--env');
    expect([panel.cells, panel.done]).toEqual([cells, []]);
  });

  it('touches nothing where the server finds an error', async () => {
    const panel = new FakePanel('container', { version: 1, image: 'a:1' });
    const state = await open(panel);
    fake.on('POST settings', {
      errors: [{ key: 'memory', message: 'no', hint: '', trait: '' }],
      missing: []
    });
    state.draft.setKey('memory', 'lots');
    expect(await kernelActions.apply(state, unread)).toBe(false);
    expect(panel.done).toEqual([]);
    expect(state.draft.changed).toBe(true);
  });

  it('says why where the notebook cannot be saved, and approves nothing', async () => {
    const panel = new FakePanel('container', { version: 1, image: 'a:1' });
    const state = await open(panel);
    state.draft.setKey('memory', '2g');
    panel.fails = new Error('The file is read-only.');
    expect(await kernelActions.apply(state, unread)).toBe(false);
    expect(state.action.problem?.message).toBe('The file is read-only.');
    expect(fake.count('POST approvals')).toBe(0);
  });
});

it('a dead kernel is replaced, not restarted', async () => {
  const panel = new FakePanel('container');
  panel.kernel.status = 'dead';
  await kernelActions.start(await open(panel));
  expect(panel.done).toEqual(['change container', 'save']);
});

it('a kernel that a new server does not know is started, not restarted', async () => {
  const panel = new FakePanel('container');
  panel.lost = true;
  await kernelActions.start(await open(panel));
  expect(panel.done).toEqual(['change container', 'save']);
});

describe('what has to be known', () => {
  const about = (more: Partial<IBannerInput>) =>
    createBanners({
      status: notebook(),
      settings: {},
      isEdited: false,
      inContainer: true,
      pinned: false,
      ...more
    });
  const keys = (more: Partial<IBannerInput>) => about(more).map(one => one.key);

  it.each<[string[], Partial<IBannerInput>]>([
    [[], {}],
    [[], { status: null }],
    [['approval'], { status: notebook({ missing: ['the image a:1'] }) }],
    [[], { status: notebook({ missing: ['x'] }), isEdited: true }],
    [['image'], { status: notebook({ image_here: false }) }],
    [['image'], { status: notebook({ image_here: false, missing: ['x'] }) }],
    [['build'], { status: notebook({ build_same: false }) }],
    [['warning'], { status: notebook({ warning: 'The driver is old.' }) }],
    [['outside'], { inContainer: false }],
    [[], { inContainer: false, settings: null }],
    [['pinned'], { pinned: true }]
  ])('%j', (expected, situation) => expect(keys(situation)).toEqual(expected));

  it('calls a notebook without an image no failure', () => {
    const trouble = { message: 'No image yet.', hint: '' };
    const empty = kernel({ state: 'empty', trouble });
    const truth = notebook({ asked: null, kernel: empty });
    expect(keys({ status: truth, settings: null })).toEqual([]);
    const [start] = about({ status: notebook({ kernel: empty }) });
    expect([start!.kind, start!.actions]).toEqual([
      'info',
      [CommandIDs.restart]
    ]);
  });

  it('offers to build what was built, and to pull what was not', () => {
    const built = { version: 1, image: 'a:1', build: { cell: 'c' } };
    const [image] = about({
      status: notebook({ image_here: false, asked: built })
    });
    expect(image!.actions![0]).toBe(CommandIDs.rebuild);
    const [pulled] = about({ status: notebook({ image_here: false }) });
    expect(pulled!.actions![0]).toBe(CommandIDs.pull);
  });

  it('says once why settings are refused, and calls none of them approved', async () => {
    const error = { message: 'n.ipynb: no.', hint: '', type: 'BadSettings' };
    const failed = kernel({ state: 'failed', trouble: error });
    const truth = notebook({ error, kernel: failed });
    expect(keys({ status: truth })).toEqual(['error']);
    fake.on('GET notebook', truth);
    const state = await open(new FakePanel('container', { image: '<b>' }));
    expect(state.missingKeys).toBeUndefined();
  });

  it('begins with a capital, but leaves the names of files alone', () => {
    expect(capitalize('a kernel, which')).toBe('A kernel, which');
    expect(capitalize('n.ipynb: no.')).toBe('n.ipynb: no.');
  });

  it('does not call a kernel in trouble that waits for a yes or an image', () => {
    const trouble = { message: 'Not approved.', hint: '' };
    const failed = kernel({ state: 'failed', trouble });
    expect(keys({ status: notebook({ kernel: failed }) })).toEqual(['trouble']);
    const waiting = notebook({ kernel: failed, missing: ['x'] });
    expect(keys({ status: waiting })).toEqual(['approval']);
    const absent = notebook({ kernel: failed, image_here: false });
    expect(keys({ status: absent })).toEqual(['image']);
  });
});
