import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { INotebookCellExecutor } from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';
import { afterEach, expect, it, vi } from 'vitest';

import { findExecutor, KNOWN_EXECUTORS } from '../../src/cells/delegate';
import { describeOther, notifyOnce } from '../../src/notebook/otherexecutor';
import settings from '../../../package.json';

const [documents = '', nbmodel = '', docprovider = ''] = KNOWN_EXECUTORS;
const token = new Token<string>('a service');

const app = {
  resolveRequiredService: (one: Token<string>) => Promise.resolve(one.name),
  resolveOptionalService: () => Promise.resolve(null)
} as unknown as JupyterFrontEnd;

/** Install extensions as JupyterLab's bootstrap does, by the ids of their plugins. */
function install(...ids: string[]): void {
  const modules = ids.map(id => {
    const plugin = {
      id,
      provides: INotebookCellExecutor,
      requires: [token],
      optional: [token],
      activate: (...given: unknown[]) => {
        if (id === documents) {
          throw new Error('it does not start');
        }
        return { id, given };
      }
    };
    const exported = id === nbmodel ? plugin : [{ id: 'other' }, plugin];
    const module = { __esModule: true, default: exported };
    return [
      id.split(':')[0],
      { get: () => Promise.resolve(() => module) }
    ] as const;
  });
  vi.stubGlobal('_JUPYTERLAB', Object.fromEntries(modules));
}

afterEach(() => {
  vi.unstubAllGlobals();
});

it('package.json switches off each executor that is known here', () => {
  expect(settings.jupyterlab.disabledExtensions).toEqual(
    expect.arrayContaining([...KNOWN_EXECUTORS])
  );
});

it('there is none where no such extension is installed', async () => {
  expect(await findExecutor(app)).toBeUndefined();
  install('theme:plugin');
  expect(await findExecutor(app)).toBeUndefined();
});

it('the first that is installed gets what it requires', async () => {
  install(docprovider, nbmodel);
  expect(await findExecutor(app)).toEqual({
    id: nbmodel,
    given: [app, 'a service', null]
  });
});

it('one that does not start is told, and the next one runs the cells', async () => {
  const told = vi.spyOn(Notification, 'warning');
  const logged = vi.spyOn(console, 'warn').mockReturnValue();
  install(documents, docprovider);
  expect(await findExecutor(app)).toMatchObject({ id: docprovider });
  expect(told.mock.calls[0]?.[0]).toContain(
    '@jupyter-ai-contrib/server-documents does not start'
  );
  expect(logged).toHaveBeenCalledOnce();
});

it('whose executor took the place of ours is named where JupyterLab tells', () => {
  const plugin = { enabled: true, provides: INotebookCellExecutor };
  const availablePlugins = [
    { ...plugin, id: '@someone/cells:run' },
    { ...plugin, id: 'jupyter-containers:executor' },
    { ...plugin, id: '@off/cells:run', enabled: false },
    { ...plugin, id: '@theme/dark:plugin', provides: token }
  ];
  const told = { info: { availablePlugins } } as unknown as JupyterFrontEnd;
  expect(describeOther(told).title).toContain('@someone/cells runs its cells');
  expect(describeOther(told).hint).toContain('disable @someone/cells"');
  expect(describeOther(app).title).toContain('another extension runs');
});

it('that is told once, and only where a notebook has a Dockerfile cell', () => {
  const warning = vi.spyOn(Notification, 'warning').mockReturnValue('');
  warning.mockClear();
  const checks: (() => void)[] = [];
  let source = '1 + 1';
  const cells = [{ sharedModel: { getSource: () => source } }];
  const tracker = {
    currentWidget: { content: { model: { cells } } },
    currentChanged: { connect: vi.fn() },
    activeCellChanged: { connect: (check: () => void) => checks.push(check) }
  };
  notifyOnce({ title: 'Title.', hint: 'Hint.' }, tracker as never);
  checks[0]?.();
  expect(warning).not.toHaveBeenCalled();
  source = '%%dockerfile\nFROM a';
  checks[0]?.();
  checks[0]?.();
  expect(warning).toHaveBeenCalledOnce();
});
