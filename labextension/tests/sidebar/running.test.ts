import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { expect, it, vi } from 'vitest';

import type { IContainer } from '../../src/api/types';
import type { ContainersModel } from '../../src/models/model';
import { createRunningManager } from '../../src/sidebar/running';

function container(more: Partial<IContainer> = {}): IContainer {
  return {
    id: '1',
    name: 'jc-1',
    engine: 'podman',
    image: 'a:1',
    notebook: 'n.ipynb',
    kernel_id: 'k',
    running: true,
    created: '',
    orphan: false,
    mine: true,
    path: 'sub/n.ipynb',
    ...more
  };
}

function items(...data: IContainer[]) {
  const open = vi.fn();
  const commands = new CommandRegistry();
  commands.addCommand('docmanager:open', { execute: open });
  const containers = { data, stateChanged: new Signal({}) };
  const model = { containers } as unknown as ContainersModel;
  return {
    open,
    items: createRunningManager(model, commands).running({ mode: 'list' })
  };
}

it('opens the notebook where it lies, not one of its name', () => {
  const { items: found, open } = items(container());
  found[0]!.open!();
  expect(open).toHaveBeenCalledWith({ path: 'sub/n.ipynb' });
  expect(found[0]!.label()).toBe('n.ipynb – a:1');
  expect(found[0]!.labelTitle!()).toContain('Notebook: sub/n.ipynb');
});

it('offers to open none where it is not known, and not those of other servers', () => {
  const { items: found } = items(
    container({ path: null }),
    container({ path: null, mine: false, orphan: true }),
    container({ path: null, mine: false })
  );
  expect(found.map(one => one.open)).toEqual([undefined, undefined]);
});
