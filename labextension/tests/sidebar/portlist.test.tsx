import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import React from 'react';
import { act } from 'react';
import { createRoot } from 'react-dom/client';
import { expect, it } from 'vitest';

import { CommandIDs } from '../../src/commandids';
import type { Ports } from '../../src/models/ports';
import { PortList } from '../../src/sidebar/portlist';

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

it('shows where a published port is, and copies that', () => {
  const copied: unknown[] = [];
  const commands = new CommandRegistry();
  commands.addCommand(CommandIDs.copy, {
    label: 'Copy',
    execute: args => copied.push(args.text)
  });
  commands.addCommand(CommandIDs.openPort, { label: 'Open', execute: Object });
  const address = 'http://localhost/8050-k/';
  const ports = {
    data: {},
    error: null,
    listening: [{ kernel: 'k', port: 8050, process: 'python', address }],
    published: [{ port: 8050, at: '127.0.0.1:49153' }]
  };
  Object.assign(ports, { stateChanged: new Signal(ports) });
  const host = document.body.appendChild(document.createElement('div'));
  const root = createRoot(host);
  act(() =>
    root.render(
      <PortList commands={commands} ports={ports as unknown as Ports} />
    )
  );
  const names = [...host.querySelectorAll('.jp-Containers-portName')];
  expect(names.map(name => name.textContent)).toEqual([
    '8050 · python',
    '127.0.0.1:49153 → 8050'
  ]);
  for (const row of host.querySelectorAll('li')) {
    row.querySelector<HTMLElement>('button:last-child')?.click();
  }
  expect(copied).toEqual([address, '127.0.0.1:49153']);
  act(() => root.unmount());
  host.remove();
});
