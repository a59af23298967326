import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import { SettingsDraft } from '../../src/models/settingsdraft';
import { FakeServer, FIELDS, later, refusal } from './fake';

let fake: FakeServer;
let api: Api;

beforeEach(() => {
  vi.useFakeTimers();
  fake = new FakeServer();
  api = new Api(fake.requests);
});

afterEach(() => {
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('a draft', () => {
  let draft: SettingsDraft;
  const by = (key: string) => FIELDS.find(field => field.key === key)!;
  const base = {
    version: 1,
    image: 'a:1',
    build: { cell: 'c' },
    memory: '4g',
    later: 'unknown to us'
  };

  beforeEach(() => {
    draft = new SettingsDraft(api);
    draft.fields = FIELDS;
    draft.path = 'n.ipynb';
    draft.rebase(base);
    fake.on('POST settings', { errors: [], missing: [] });
  });

  afterEach(() => draft.dispose());

  it('holds only what was touched, and leaves what it does not know', () => {
    expect(draft.changed).toBe(false);
    expect(draft.settings).toEqual(base);
    draft.set(by('memory'), '8g');
    expect(draft.settings).toEqual({ ...base, memory: '8g' });
    draft.set(by('memory'), '');
    expect(draft.settings).not.toHaveProperty('memory');
    draft.set(by('memory'), '4g');
    expect(draft.changed).toBe(false);
  });

  it('drops what a build recorded together with the image', () => {
    draft.set(by('image'), 'b:2');
    expect(draft.settings).not.toHaveProperty('build');
    draft.set(by('image'), 'a:1');
    expect(draft.settings).toHaveProperty('build');
  });

  it('keeps edits when the settings below change', () => {
    draft.set(by('cpus'), '2');
    draft.rebase({ version: 1, image: 'new:1', cpus: 1 });
    expect(draft.settings).toEqual({ version: 1, image: 'new:1', cpus: 2 });
    draft.rebase({ version: 1, image: 'new:1', cpus: 2 });
    expect(draft.changed).toBe(false);
  });

  it('is checked once after a pause, with the last that was typed', async () => {
    draft.set(by('cpus'), '1');
    await vi.advanceTimersByTimeAsync(200);
    draft.set(by('cpus'), '12');
    expect(draft.checking).toBe(true);
    expect(draft.valid).toBe(false);
    await vi.advanceTimersByTimeAsync(300);
    expect(fake.count('POST settings')).toBe(1);
    expect(fake.asked.at(-1)!.body).toEqual({
      path: 'n.ipynb',
      settings: { ...base, cpus: 12 }
    });
    expect(draft.valid).toBe(true);
  });

  it('shows a policy’s reason at its field, also for a key below it', async () => {
    const error = {
      key: 'mounts.target',
      message: '/etc may not be mounted (Policy.mounts).',
      hint: 'Ask.',
      trait: 'Policy.mounts'
    };
    fake.on('POST settings', {
      errors: [error],
      missing: [],
      missing_keys: []
    });
    draft.addMount({ source: '/etc', target: '/etc', writable: false });
    await vi.advanceTimersByTimeAsync(300);
    expect(draft.problem(by('mounts'))).toEqual(error);
    expect(draft.problem(by('cpus'))).toBeNull();
    // Nobody knows what of settings that are wrong would have to be approved.
    expect(draft.missingKeys).toBeUndefined();
    expect(draft.valid).toBe(false);
  });

  it('says what Apply would approve', async () => {
    fake.on('POST settings', {
      errors: [],
      missing: ['the folder /data'],
      missing_keys: ['mounts']
    });
    draft.addMount({ source: '/data', target: '/data', writable: false });
    await vi.advanceTimersByTimeAsync(300);
    expect(draft.missing).toEqual(['the folder /data']);
    expect(draft.missingKeys).toEqual(['mounts']);
    expect(draft.valid).toBe(true);
  });

  it('forgets a slow answer about what is no longer typed', async () => {
    const slow = later<unknown>();
    fake.on('POST settings', () => slow.promise);
    draft.set(by('cpus'), 'x');
    await vi.advanceTimersByTimeAsync(300);
    draft.revert();
    slow.resolve({
      errors: [{ key: 'cpus', message: 'no', hint: '', trait: '' }],
      missing: []
    });
    await settle();
    expect(draft.problem(by('cpus'))).toBeNull();
    expect(draft.checking).toBe(false);
  });

  it('says why it could not be checked, and cannot be applied then', async () => {
    fake.on('POST settings', () => Promise.reject(refusal(503, 'No engine.')));
    draft.set(by('cpus'), '1');
    await vi.advanceTimersByTimeAsync(300);
    expect(draft.problems[0]!.message).toBe('No engine.');
    expect(draft.valid).toBe(false);
  });

  it('takes no folder twice', () => {
    draft.addMount({ source: 'a', target: '/mnt/a', writable: false });
    draft.addMount({ source: 'a', target: '/mnt/b', writable: false });
    expect(draft.settings.mounts).toHaveLength(1);
  });
});
