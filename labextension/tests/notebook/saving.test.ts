import type { DocumentRegistry } from '@jupyterlab/docregistry';
import { expect, it, vi } from 'vitest';

import { queueSave, untilSaved } from '../../src/notebook/saving';

/** A document whose saves take a turn of the event loop; it knows how many went on at once. */
class Slow {
  dirty = true;
  most = 0;
  saved = 0;
  private now = 0;

  async save(): Promise<void> {
    this.most = Math.max(this.most, ++this.now);
    await new Promise(resolve => setTimeout(resolve, 1));
    this.now--;
    this.saved++;
    this.dirty = false;
    if (this.saved === 1) {
      throw new Error('The disk is full.');
    }
  }

  get context(): DocumentRegistry.Context {
    return this as unknown as DocumentRegistry.Context;
  }
}

it('no save overtakes another, and a failed one holds up none', async () => {
  const slow = new Slow();
  const saves = [1, 2, 3].map(() => queueSave(slow.context));
  const ended = await Promise.allSettled(saves);
  expect(ended.map(one => one.status)).toEqual([
    'rejected',
    'fulfilled',
    'fulfilled'
  ]);
  expect([slow.saved, slow.most]).toEqual([3, 1]);
});

it('what another save has saved is not saved again', async () => {
  const slow = new Slow();
  slow.saved = 1;
  const dirty = () => slow.dirty;
  await Promise.all([
    queueSave(slow.context, dirty),
    queueSave(slow.context, dirty)
  ]);
  expect(slow.saved).toBe(2);
});

it('a file that is renamed while it is saved is saved under its new name', async () => {
  const slow = new Slow();
  const renamed = Object.assign(slow, { path: 'old.ipynb' });
  const saving = queueSave(slow.context);
  await Promise.resolve().then(() => undefined);
  renamed.path = 'new.ipynb';
  await saving;
  expect(slow.saved).toBe(2);
});

it('a document that the server saves is awaited until the file has its settings', async () => {
  const settings = { version: 1, image: 'new' };
  const context = {
    localPath: 'a.ipynb',
    isDisposed: false,
    model: { collaborative: true, getMetadata: () => settings },
    save: vi.fn()
  };
  const files = [null, { version: 1, image: 'old' }, settings];
  const asked: string[] = [];
  const notebook = (path: string) => {
    asked.push(path);
    return Promise.resolve({ asked: files.shift() });
  };
  await untilSaved({ notebook } as never, context as never);
  expect(asked).toEqual(['a.ipynb', 'a.ipynb', 'a.ipynb']);
  expect(context.save).not.toHaveBeenCalled();

  context.model.collaborative = false;
  await untilSaved({ notebook } as never, context as never);
  expect(context.save).toHaveBeenCalledOnce();
});
