import type { Contents } from '@jupyterlab/services';
import { expect, it, vi } from 'vitest';

import { Folders } from '../../src/models/folders';

const TREE: Record<string, readonly string[]> = {
  work: ['data', 'deep'],
  'work/deep': ['deeper'],
  '': ['work', 'other']
};

function listed() {
  const get = vi.fn((path: string) =>
    path in TREE
      ? Promise.resolve({
          content: [
            ...TREE[path]!.map(name => ({ name, type: 'directory' })),
            { name: 'a.csv', type: 'file' }
          ]
        } as Contents.IModel)
      : Promise.reject(new Error('404'))
  );
  return { get, folders: new Folders({ get }) };
}

it.each([
  ['', ['data', 'deep']],
  ['da', ['data', 'deep']],
  ['deep/', ['deep/deeper']],
  ['../', ['../work', '../other']],
  ['../../', []],
  ['/etc/', []],
  ['~/', []],
  ['none/', []]
])('a path is completed beside the notebook: %j', async (typed, found) => {
  const { folders } = listed();
  folders.load('work/n.ipynb', typed);
  await Promise.resolve();
  await Promise.resolve();
  expect(folders.suggest('work/n.ipynb', typed)).toEqual(found);
});

it('a folder is asked for once while somebody types, also where it is none', async () => {
  const { folders, get } = listed();
  for (const typed of ['n', 'none/', 'none/x', 'none/xy']) {
    folders.load('work/n.ipynb', typed);
    await Promise.resolve();
  }
  expect(get.mock.calls.map(([path]) => path)).toEqual(['work', 'work/none']);
});
