import { CommandRegistry } from '@lumino/commands';
import React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { Api } from '../../src/api/api';
import type { IChanges } from '../../src/api/types';
import { CommandIDs } from '../../src/commandids';
import { Changes } from '../../src/models/changes';
import { Connection } from '../../src/models/connection';
import { ChangeList } from '../../src/sidebar/changelist';
import { FakeServer, refusal } from '../models/fake';

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

const ROUTE = 'GET containers/jupyter-1/changes';
const package_ = (name: string, more = {}) => ({
  tool: 'pip',
  name,
  version: '2.0',
  was: '',
  kind: 'added',
  asked: true,
  ...more
});
const FOUND = {
  packages: [
    package_('pandas'),
    package_('git', { tool: 'apt', version: '' }),
    package_('numpy', { asked: false, kind: 'changed', was: '1.0' }),
    package_('old', { asked: false, kind: 'removed', version: '', was: '1' })
  ],
  folders: [
    {
      path: '/opt/\u202edata',
      files: 1200,
      size: 5_000_000,
      entries: [{ path: 'a/b', kind: 'added', files: 1199, size: null }],
      more: 3
    },
    {
      path: '/etc',
      files: 1,
      size: null,
      entries: [{ path: 'issue', kind: 'changed', files: 1, size: 12 }],
      more: 0
    }
  ],
  more: 2
} as unknown as IChanges;

let fake: FakeServer;
let changes: Changes;
let commands: CommandRegistry;
let host: HTMLElement;
let root: Root;

beforeEach(() => {
  fake = new FakeServer().on(ROUTE, FOUND);
  changes = new Changes(
    new Api(fake.requests),
    new Connection(() => Promise.resolve())
  );
  commands = new CommandRegistry();
  commands.addCommand(CommandIDs.addChanges, {
    label: 'Add to Dockerfile…',
    execute: () => undefined
  });
  host = document.body.appendChild(document.createElement('div'));
  root = createRoot(host);
  act(() => root.render(<ChangeList commands={commands} changes={changes} />));
});

afterEach(() => {
  act(() => root.unmount());
  host.remove();
  changes.dispose();
});

const settle = () => act(() => new Promise(resolve => setTimeout(resolve)));

const button = (text: string) =>
  [...host.querySelectorAll('button')].find(one =>
    one.textContent.includes(text)
  )!;

async function press(text: string): Promise<void> {
  act(() => button(text).click());
  await settle();
}

async function open(): Promise<void> {
  act(() => {
    changes.watch('jupyter-1');
    changes.shown = true;
  });
  await settle();
  await press('Changed since the image');
}

it('is not there without a container, and asks nothing until it is opened', async () => {
  changes.shown = true;
  await settle();
  expect(host.textContent).toBe('');
  act(() => changes.watch('jupyter-1'));
  await settle();
  expect(button('Changed since the image').ariaExpanded).toBe('false');
  expect(fake.count(ROUTE)).toBe(0);
});

it('has packages first, then folders that open', async () => {
  await open();
  const text = host.textContent;
  expect(text).toContain('2 packages');
  expect(text.indexOf('pandas 2.0')).toBeLessThan(text.indexOf('/opt'));
  expect(text).toContain('git apt');
  expect(text).not.toContain('numpy');
  await press('2 others that came with them');
  expect(host.textContent).toContain('numpy 2.0, was 1.0');
  expect(host.textContent).toContain('old 1, removed');
  expect(button('/opt').textContent).toBe('/opt/data 1,200 files · 4.8 MiB');
  expect(host.textContent).not.toContain('a/b');
  await press('/opt');
  expect(host.textContent).toContain('a/b new, 1,199 files');
  expect(host.textContent).toContain('3 others');
  expect(button('/opt').getAttribute('aria-controls')).toBe(
    host.querySelector('[id^=jp-Containers-changes-0]')!.id
  );
  expect(host.textContent).toContain('2 other folders');
});

it('is compared anew by Refresh and when it is opened again, and not while it is closed', async () => {
  await open();
  expect(fake.count(ROUTE)).toBe(1);
  await press('Refresh');
  expect(fake.count(ROUTE)).toBe(2);
  await press('Changed since the image');
  changes.invalidate('jupyter-1');
  await settle();
  expect(fake.count(ROUTE)).toBe(2);
  await press('Changed since the image');
  expect(fake.count(ROUTE)).toBe(3);
});

it('says that nothing has changed, or why that is not known', async () => {
  fake.on(ROUTE, { packages: [], folders: [], more: 0 });
  await open();
  expect(host.textContent).toContain('Nothing has changed.');
  fake.on(ROUTE, () => {
    throw refusal(501, 'Nobody knows.');
  });
  await press('Refresh');
  expect(host.querySelector('[role=alert]')!.textContent).toContain(
    'Nobody knows.'
  );
});
