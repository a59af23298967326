import {
  Gettext,
  type ITranslator,
  nullTranslator
} from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Api } from '../../src/api/api';
import { CommandIDs } from '../../src/commandids';
import { addCommands } from '../../src/commands';
import { ContainersModel } from '../../src/models/model';
import type { NotebookState } from '../../src/models/notebookstate';
import type { AskApproval } from '../../src/notebook/approval';
import { Note } from '../../src/sidebar/components';
import { NotebookSection } from '../../src/sidebar/notebooksection';
import { setTranslator } from '../../src/trans';
import { FakeServer, field, FIELDS } from '../models/fake';
import { FakePanel, kernel, notebook } from '../models/panel';

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

let fake: FakeServer;
let model: ContainersModel;
let commands: CommandRegistry;
let host: HTMLElement;
let root: Root;
let state: NotebookState;
let panel: FakePanel;
const ask = vi.fn<AskApproval>();

const wait = (ms = 500) => act(() => vi.advanceTimersByTimeAsync(ms));

async function draw(
  truth = notebook(),
  settings: unknown = truth.asked,
  cells: readonly string[] = []
) {
  fake.on('GET notebook', truth);
  panel = new FakePanel('container', settings, cells);
  model.setOpen('notebook', true);
  model.visible = true;
  model.follow({
    widgetAdded: { connect: () => true },
    currentChanged: { connect: () => true },
    currentWidget: panel.panel
  } as unknown as Parameters<ContainersModel['follow']>[0]);
  state = model.notebook!;
  act(() => root.render(<NotebookSection model={model} commands={commands} />));
  await wait();
}

beforeEach(() => {
  vi.useFakeTimers();
  ask.mockReset().mockResolvedValue(true);
  fake = new FakeServer()
    .on('GET settings', { fields: FIELDS })
    .on('POST settings', { errors: [], missing: [], missing_keys: [] })
    .on('GET engines', { engines: [], default: 'podman' })
    .on('GET images', { images: [], problems: [] })
    .on('GET devices', { devices: [], looked: [] });
  model = new ContainersModel(new Api(fake.requests), {
    driveName: () => '',
    get: () => Promise.reject(new Error('no folders'))
  });
  commands = new CommandRegistry();
  const dialogs = {
    restart: () => Promise.resolve(true),
    selectKernel: () => Promise.resolve()
  };
  addCommands(
    {
      commands,
      model,
      dialogs,
      askApproval: ask,
      showSidebar: () => undefined,
      shouldConfirmRemove: () => true
    },
    null
  );
  host = document.body.appendChild(document.createElement('div'));
  root = createRoot(host);
});

afterEach(() => {
  act(() => root.unmount());
  host.remove();
  model.dispose();
  vi.useRealTimers();
});

const labelled = (text: string): HTMLInputElement => {
  const label = [...host.querySelectorAll('label')].find(
    one => one.textContent === text
  );
  return host.querySelector(`#${label!.htmlFor}`)!;
};

function type(input: HTMLInputElement, value: string): void {
  const property = Object.getOwnPropertyDescriptor(
    HTMLInputElement.prototype,
    'value'
  );
  act(() => {
    property!.set!.call(input, value);
    input.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

const button = (text: string) =>
  [...host.querySelectorAll('button')].find(
    one => one.textContent === text || one.getAttribute('aria-label') === text
  );

it('texts are in the language of the user, but not what the server says', async () => {
  const mark = (text: string, ...values: unknown[]) =>
    `«${Gettext.strfmt(text, ...(values as string[]))}»`;
  setTranslator({ load: () => ({ __: mark }) } as unknown as ITranslator);
  try {
    await draw(notebook({ missing: ['the image a:1'] }));
    act(() => button('«More settings»')!.click());
    act(() => button('«Add mount»')!.click());
    await wait();
    const texts: string[] = [];
    const walk = document.createTreeWalker(host, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      texts.push(walk.currentNode.textContent ?? '');
    }
    for (const name of ['placeholder', 'aria-label', 'title']) {
      for (const node of host.querySelectorAll(`[${name}]`)) {
        texts.push(node.getAttribute(name) ?? '');
      }
    }
    const labels = commands
      .listCommands()
      .flatMap(id => [commands.label(id), commands.caption(id)]);
    const plain = texts.filter(
      text =>
        /[A-Za-z]{2} [A-Za-z]{2}/.test(text) &&
        !text.includes('«') &&
        !/^About \w+\.$|^the image/.test(text) &&
        // Commands were registered before.
        !labels.includes(text)
    );
    expect(texts.filter(text => text.includes('«')).length).toBeGreaterThan(20);
    expect(plain).toEqual([]);
  } finally {
    setTranslator(nullTranslator);
  }
});

describe('the form', () => {
  it('binds a label and its words to every input', async () => {
    await draw();
    act(() => button('More settings')!.click());
    const inputs = [...host.querySelectorAll('input, select')];
    expect(inputs.length).toBeGreaterThan(6);
    for (const input of inputs) {
      const label = host.querySelector(`label[for="${input.id}"]`);
      expect(label ?? input.getAttribute('aria-label')).toBeTruthy();
      const described = input.getAttribute('aria-describedby')!.split(' ');
      for (const id of described) {
        expect(host.querySelector(`#${id}`)).not.toBeNull();
      }
    }
    for (const group of host.querySelectorAll('[role=group]')) {
      const name =
        group.getAttribute('aria-label') ??
        host.querySelector(`#${group.getAttribute('aria-labelledby')!}`)
          ?.textContent;
      expect(name).toBeTruthy();
    }
  });

  it('leads to the Dockerfile cell where an option of it says the value', async () => {
    const cell = '%%dockerfile --memory 1g\nFROM a:1';
    commands.addCommand(CommandIDs.showCell, { execute: () => undefined });
    await draw(notebook(), notebook().asked, [cell]);
    const memory = labelled('Memory limit');
    expect(memory.disabled).toBe(false);
    const note = host.querySelector(`#${memory.id}-cell`)!;
    expect(note.textContent).toContain('Set by the Dockerfile cell: --memory');
    expect(note.querySelector('button')!.textContent).toBe('Show the cell');
    expect(memory.getAttribute('aria-describedby')).toContain(note.id);
    expect(labelled('CPUs').getAttribute('aria-describedby')).not.toContain(
      '-cell'
    );
    const image = host.querySelector('#jp-Containers-field-image-cell')!;
    expect(image.textContent).toContain('Built by the Dockerfile cell');
    expect(labelled('Image').disabled).toBe(false);
  });

  it('announces an error under its field, and takes it away again', async () => {
    await draw();
    fake.on('POST settings', {
      errors: [
        {
          key: 'memory',
          message: "Setting 'memory': more than 64g (Policy.max_memory).",
          hint: 'Ask the administrator.',
          trait: 'Policy.max_memory'
        }
      ],
      missing: []
    });
    type(labelled('Memory limit'), '100g');
    expect(host.querySelector('[role=alert]')).toBeNull();
    await wait();
    const input = labelled('Memory limit');
    expect(input.getAttribute('aria-invalid')).toBe('true');
    const alert = host.querySelector('[role=alert]')!;
    expect(alert.textContent).toBe(
      'More than 64g (Policy.max_memory). Ask the administrator.'
    );
    expect(input.getAttribute('aria-describedby')).toContain(alert.id);
    expect(button('Apply and restart')!.disabled).toBe(true);
    fake.on('POST settings', { errors: [], missing: [] });
    type(input, '10g');
    await wait();
    expect(host.querySelector('[role=alert]')).toBeNull();
    expect(labelled('Memory limit').getAttribute('aria-invalid')).toBe('false');
    expect(button('Apply and restart')!.disabled).toBe(false);
  });

  it('says what is approved, and what is in effect where that is something else', async () => {
    const applied = {
      uid: 1,
      gid: 1,
      memory: 2 ** 30,
      pids: null,
      cpus: null,
      network: ['lo', 'eth0']
    };
    const asked = { version: 1, image: 'a:1', memory: '8g', env: { A: 'b' } };
    await draw(
      notebook({
        asked,
        missing: ['the environment variable A'],
        missing_keys: ['env'],
        kernel: kernel({ applied, running: asked })
      })
    );
    const truth = (key: string) =>
      host.querySelector(`#jp-Containers-field-${key}-truth`)!.textContent;
    expect(labelled('Memory limit').value).toBe('8g');
    expect(truth('memory')).toContain('in effect: 1 GiB');
    expect(truth('env')).toContain('not approved');
    expect(truth('image')).toContain('approved');
    expect(truth('network')).toBe('');
    expect(truth('engine')).toBe('in effect: podman');
  });

  it('says what Apply approves before it is pressed', async () => {
    await draw();
    fake.on('POST settings', {
      errors: [],
      missing: ['the folder <b>/data</b>'],
      missing_keys: ['mounts']
    });
    act(() => button('Add mount')!.click());
    type(host.querySelector('[aria-label^="Folder"]')!, '/data');
    await wait();
    const footer = host.querySelector('.jp-Containers-footer')!;
    expect(footer.textContent).toContain('the folder <b>/data</b>');
    act(() => button('Revert')!.click());
    await wait();
    expect(host.querySelector('.jp-Containers-footer')).toBeNull();
  });

  it('greys what the engine cannot do, with the reason, but not what is asked', async () => {
    await draw(notebook({ engine: 'charliecloud' }));
    expect(labelled('Memory limit').disabled).toBe(true);
    expect(host.textContent).toContain('charliecloud cannot do this');
    act(() => state.draft.setKey('memory', '1g'));
    expect(labelled('Memory limit').disabled).toBe(false);
  });

  it('shows a kind that this version does not know without falling over', async () => {
    fake.on('GET settings', {
      fields: [...FIELDS, field('later', { kind: 'colour' as 'word' })]
    });
    await draw();
    act(() => button('More settings')!.click());
    expect(host.textContent).toContain('Later cannot be shown');
  });
});

it('Approve stands under what is asked, and does it', async () => {
  await draw(notebook({ missing: ['the image a:1'], missing_keys: ['image'] }));
  const approved = vi.fn(() => {
    fake.on('GET notebook', notebook());
    return notebook();
  });
  fake.on('POST approvals', approved);
  expect(host.textContent).toContain('the image a:1');
  act(() => button('Approve')!.click());
  await wait();
  expect(approved).toHaveBeenCalledOnce();
  expect(panel.done).toEqual(['restart', 'save']);
  expect(commands.isEnabled(CommandIDs.approve)).toBe(false);
});

describe('the commands, which anything can run with any arguments', () => {
  const claimed = { shown: ['the image a:1'], items: ['the image a:1'] };

  it.each([
    [false, 0],
    [true, 1]
  ])('approve what they have asked: %s', async (yes, times) => {
    await draw(notebook({ missing: ['the image a:1'] }));
    fake.on('POST approvals', notebook());
    ask.mockResolvedValue(yes);
    await act(() => commands.execute(CommandIDs.approve, claimed));
    expect(ask.mock.calls).toEqual([[['the image a:1']]]);
    expect(fake.count('POST approvals')).toBe(times);
    expect(panel.done).toEqual(yes ? ['restart', 'save'] : []);
  });

  it('apply nothing that was not read', async () => {
    await draw();
    fake.on('POST settings', { errors: [], missing: ['the folder /data'] });
    act(() => state.draft.setKey('memory', '2g'));
    await wait();
    ask.mockResolvedValue(false);
    await act(() => commands.execute(CommandIDs.apply, claimed));
    expect(ask.mock.calls).toEqual([[['the folder /data']]]);
    expect(panel.done).toEqual([]);
    expect(state.draft.changed).toBe(true);
    fake.on('POST approvals', notebook());
    act(() => button('Apply and restart')!.click());
    await wait();
    expect(ask).toHaveBeenCalledOnce();
    expect(fake.asked.find(one => one.what === 'POST approvals')?.body).toEqual(
      expect.objectContaining({ items: ['the folder /data'] })
    );
  });
});

it('what a server says is text', () => {
  act(() =>
    root.render(
      <Note
        kind="error"
        title={'<img src=x onerror="alert(1)">\u202e'}
        items={['<script>1</script>']}
      />
    )
  );
  expect(host.querySelector('img, script')).toBeNull();
  expect(host.textContent).toContain('<img src=x onerror="alert(1)">');
  expect(host.textContent).not.toContain('\u202e');
  expect(host.querySelector('[role=alert]')).not.toBeNull();
});
