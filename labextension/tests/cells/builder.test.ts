import { EditorState } from '@codemirror/state';
import { CodeCellModel } from '@jupyterlab/cells';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { describe, expect, it, vi } from 'vitest';

import type { IBuildRequest } from '../../src/api/types';
import { createRequest, readSource } from '../../src/cells/builder';
import { KernelCells } from '../../src/cells/kernelcells';
import { CellOutput } from '../../src/cells/output';
import { TypedCells } from '../../src/cells/typedcells';
import { BUILD_VIEW } from '../../src/constants';
import { Bench, SOURCE } from './bench';
import {
  done,
  event,
  failed,
  FakeNotebook,
  job,
  kernel,
  lines,
  result,
  SETTINGS,
  state,
  stream
} from './fakes';

describe('a build that ends well', () => {
  it('saves, asks, shows a summary without the log, and switches', async () => {
    const bench = new Bench(done());
    expect(await bench.run()).toBe(null);
    expect(bench.notebook.did).toEqual([
      'save',
      'settings',
      'save',
      'switch',
      'save'
    ]);
    expect(bench.outputs).toHaveLength(1);
    expect(JSON.stringify(bench.outputs)).not.toContain('secret of the log');
    expect(new CellOutput(bench.model).saved).toMatchObject({ state: 'done' });
    expect(bench.model.executionState).toBe('idle');
  });

  it('tells the server what it needs', async () => {
    const bench = new Bench(done());
    bench.notebook.settings = SETTINGS;
    await bench.run();
    expect(bench.server.asked[0]?.body).toEqual({
      path: 'a.ipynb',
      source: SOURCE,
      index: 0,
      cell_id: bench.model.id,
      settings: SETTINGS,
      earlier: [],
      no_cache: true
    });
  });
});

describe('a cell that the user did not write', () => {
  const ITEM = 'this Dockerfile cell: FROM a';

  /** Refused until the request says that the user has approved it. */
  function refusing(answer: boolean): Bench {
    return new Bench(
      done(),
      {
        'POST builds': ({ body }) => {
          const { approved = [], typed = false } = body as IBuildRequest;
          return typed || approved.includes(ITEM)
            ? [201, job()]
            : [403, failed({ type: 'CellNotApproved', items: [ITEM] }).error];
        }
      },
      { answer }
    );
  }

  it('is shown before it is built', async () => {
    const bench = refusing(true);
    expect(await bench.run()).toBe(null);
    expect(bench.questions.asked).toEqual([`cell ${ITEM}`]);
    expect(new CellOutput(bench.model).saved).toMatchObject({ state: 'done' });
  });

  it('is not built if the user declines, and says so', async () => {
    const bench = refusing(false);
    expect((await bench.run())?.name).toBe('CellNotApproved');
    expect(
      bench.server.asked.filter(one => one.method === 'POST')
    ).toHaveLength(1);
    expect(JSON.stringify(bench.outputs)).toContain('CellNotApproved');
  });

  it('is not shown if the user has typed it in this page', async () => {
    const bench = refusing(false);
    bench.model.sharedModel.setSource('');
    bench.typedCells.watch(bench.model);
    bench.model.sharedModel.setSource(SOURCE);
    const typed = EditorState.create().update({
      changes: { from: 0, insert: SOURCE },
      userEvent: 'input.type'
    });
    bench.typedCells.update(bench.model, SOURCE, [typed]);
    expect(await bench.run()).toBe(null);
    expect(bench.questions.asked).toEqual([]);
  });
});

describe('a cell that a kernel has set', () => {
  /** A kernel that answers with a text for the next cell. */
  function setting(text: string): KernelCells {
    const cells = new KernelCells();
    const anyMessage = new Signal<object, unknown>({});
    cells.watch({ anyMessage } as unknown as Kernel.IKernelConnection);
    anyMessage.emit({
      direction: 'recv',
      msg: {
        header: { msg_type: 'execute_reply' },
        content: { payload: [{ source: 'set_next_input', text }] }
      }
    });
    return cells;
  }

  it('is marked, and stays so when it is edited', () => {
    const cells = setting(SOURCE);
    const [set, other] = [new CodeCellModel(), new CodeCellModel()];
    set.sharedModel.setSource(SOURCE);
    other.sharedModel.setSource('%%dockerfile\nFROM mine');
    expect(cells.has(set)).toBe(true);
    cells.mark([set, other]);
    set.sharedModel.setSource(`${SOURCE} # and more`);
    expect(cells.has(set)).toBe(true);
    expect(new KernelCells().has(set)).toBe(true);
    expect(cells.has(other)).toBe(false);
  });

  it('is no matter where it builds nothing', () => {
    const cells = setting('1 + 1');
    const model = new CodeCellModel();
    model.sharedModel.setSource('1 + 1');
    cells.mark([model]);
    expect(cells.has(model)).toBe(false);
  });

  it('is told to the server', async () => {
    const bench = new Bench(done());
    bench.model.setMetadata('jupyter_containers', { by_kernel: true });
    await bench.run();
    expect(bench.server.asked[0]?.body).toMatchObject({ foreign: true });
  });
});

describe('a cell counts as typed', () => {
  const insert = (text: string, userEvent?: string) =>
    EditorState.create().update({
      changes: { from: 0, insert: text },
      ...(userEvent && { userEvent })
    });

  it.each([
    ['typed', ['input.type', 'delete.backward', 'input.paste'], true],
    ['set by a kernel or another person', [undefined], false],
    ['typed, and changed by something else', ['input.type', undefined], false],
    ['typed, and undone', ['input.type', 'undo'], false]
  ])('if it was %s: %s', (_, events, expected) => {
    const cells = new TypedCells();
    const model = new CodeCellModel();
    cells.watch(model);
    events.forEach((event, index) => {
      const text = 'x'.repeat(index + 1);
      model.sharedModel.setSource(text);
      cells.update(model, text, [insert(text, event)]);
    });
    expect(cells.has(model)).toBe(expected);
  });

  it('only as long as nothing else changed it', () => {
    const cells = new TypedCells();
    const model = new CodeCellModel();
    cells.watch(model);
    model.sharedModel.setSource('a');
    cells.update(model, 'a', [insert('a', 'input.type')]);
    expect(cells.has(model)).toBe(true);
    model.sharedModel.setSource('b'); // out of view, without an editor
    expect(cells.has(model)).toBe(false);
    cells.watch(model);
    expect(cells.has(model)).toBe(false);
    const loaded = new CodeCellModel();
    loaded.sharedModel.setSource('a');
    cells.watch(loaded);
    expect(cells.has(loaded)).toBe(false);
  });
});

describe('a build that would read more than the notebook’s folder', () => {
  const ITEM = 'the folder /home/me/Documents, read by its build';
  const refused = failed({ type: 'BuildNotApproved', items: [ITEM] });

  /** Refused until the request says that the user has approved it. */
  function asking(answer: boolean): Bench {
    let ends = refused;
    return new Bench(
      refused,
      {
        'POST builds': ({ body }) => {
          const { approved = [] } = body as { approved?: string[] };
          ends = approved.includes(ITEM) ? done() : refused;
          return [201, job({ id: ends === refused ? 'j1' : 'j2' })];
        },
        'GET builds/j2/events': () =>
          stream([lines(event(0, 'end', { job: ends }))])
      },
      { answer }
    );
  }

  it('asks once, and builds with what was approved', async () => {
    const bench = asking(true);
    expect(await bench.run()).toBe(null);
    expect(bench.questions.asked).toEqual([`read ${ITEM}`]);
    const sent = bench.server.asked.filter(({ method }) => method === 'POST');
    expect(sent.map(({ body }) => body)).toMatchObject([
      { path: 'a.ipynb' },
      { path: 'a.ipynb', approved: [ITEM] }
    ]);
    expect(sent[0]?.body).not.toHaveProperty('approved');
    expect(bench.notebook.did).toContain('switch');
  });

  it('does not build where the user declines, and says what was asked', async () => {
    const bench = asking(false);
    expect(await bench.run()).toMatchObject({
      detail: { type: 'BuildNotApproved', items: [ITEM] },
      silent: false
    });
    expect(
      bench.server.asked.filter(({ method }) => method === 'POST')
    ).toHaveLength(1);
  });
});

describe('a notebook that changes while it is built', () => {
  const APPLIED = { version: 1, image: 'a', memory: '4g' };
  const AFTER = { ...APPLIED, image: 'localhost/made:1', build: { cell: 'x' } };

  /** The first build changes the notebook as it ends; the others find its image. */
  function changing(change: (notebook: FakeNotebook) => void, reused = true) {
    const first = done({ settings: { ...SETTINGS, build: { cell: 'x' } } });
    let count = 0;
    const bench = new Bench(first, {
      'POST builds': () => [201, job({ id: `j${String(++count)}` })],
      'GET builds/j1/events': () => {
        change(bench.notebook);
        return stream([lines(event(0, 'end', { job: first }))]);
      },
      'GET builds/j2/events': () =>
        stream([
          lines(
            event(0, 'end', {
              job: { ...done({ settings: AFTER, reused }), id: 'j2' }
            })
          )
        ])
    });
    const posted = () =>
      bench.server.asked
        .filter(one => one.method === 'POST')
        .map(one => one.body);
    return { bench, posted };
  }

  it('keeps settings that were applied meanwhile', async () => {
    const { bench, posted } = changing(notebook => {
      notebook.settings = APPLIED;
    });
    bench.notebook.settings = SETTINGS;
    expect(await bench.run()).toBe(null);
    expect(bench.notebook.settings).toEqual(AFTER);
    // The second asks for the bases of the first, and for no build without a cache.
    expect(posted()).toEqual([
      expect.objectContaining({ settings: SETTINGS, no_cache: true }),
      expect.not.objectContaining({ no_cache: true })
    ]);
    expect(posted()[1]).toMatchObject({
      settings: { ...APPLIED, build: { cell: 'x' } },
      source: SOURCE
    });
    // What was built is what the cell shows.
    expect(bench.shown?.job.id).toBe('j1');
  });

  it('is approved under its new name', async () => {
    const { bench, posted } = changing(notebook => {
      notebook.path = 'b.ipynb';
    });
    expect(await bench.run()).toBe(null);
    expect(posted()).toMatchObject([{ path: 'a.ipynb' }, { path: 'b.ipynb' }]);
    expect(bench.notebook.settings).toEqual(AFTER);
  });

  it('is approved under a name that it gets while its kernel starts', async () => {
    const { bench, posted } = changing(() => undefined);
    const { notebook } = bench;
    const start = vi.spyOn(notebook, 'switchKernel');
    start.mockImplementationOnce(() => {
      notebook.path = 'b.ipynb';
      return Promise.reject(new Error('not approved'));
    });
    expect(await bench.run()).toBe(null);
    expect(posted()).toMatchObject([{ path: 'a.ipynb' }, { path: 'b.ipynb' }]);
    expect(start).toHaveBeenCalledTimes(2);
  });

  it('is not built once more for a kernel that does not start', async () => {
    const { bench, posted } = changing(() => undefined);
    bench.notebook.broken = 'no memory';
    expect((await bench.run())?.detail.message).toContain('no memory');
    expect(posted()).toHaveLength(1);
  });

  it('shows a second build that finds no image', async () => {
    const { bench } = changing(notebook => {
      notebook.path = 'b.ipynb';
    }, false);
    expect(await bench.run()).toBe(null);
    expect(bench.shown?.job.id).toBe('j2');
  });

  it('restarts its kernel though the second build was none', async () => {
    const { bench } = changing(notebook => {
      notebook.settings = APPLIED;
    });
    bench.notebook.kernelName = 'container';
    bench.server.routes['GET notebook'] = () => [
      200,
      state({ kernel: kernel(AFTER) })
    ];
    expect(await bench.run()).toBe(null);
    expect(bench.notebook.did).toContain('restart');
  });

  it('is looked at anew where another page had it built', async () => {
    const { bench, posted } = changing(() => undefined);
    const { model, notebook } = bench;
    const sent = readSource(notebook, model.id);
    notebook.settings = APPLIED;
    const found = done({ settings: SETTINGS });
    bench.server.routes['GET builds/j1/events'] =
      bench.server.routes['GET builds/j2/events']!;
    await bench.builder.moveNotebook(
      { model, notebook },
      { job: found, source: sent },
      true
    );
    expect(posted()).toMatchObject([{ settings: APPLIED }]);
    expect(notebook.settings).toEqual(AFTER);
  });
});

describe('a build that fails', () => {
  it('says why and marks the line', async () => {
    const bench = new Bench(failed());
    const stop = await bench.run();
    expect(stop?.detail.type).toBe('BuildFailed');
    expect(bench.outputs.map(one => one.output_type)).toEqual([
      'display_data',
      'error'
    ]);
    expect(bench.marks.get(bench.model)).toMatchObject({
      line: 3,
      text: 'RUN false'
    });
    expect(bench.notebook.did).toEqual(['save']);
    expect(bench.model.executionState).toBe('idle');
  });

  it('is marked only while the line stands as it did', async () => {
    const bench = new Bench(failed());
    await bench.run();
    bench.model.sharedModel.setSource(`${SOURCE} || true`);
    expect(bench.marks.get(bench.model)).toBe(null);
  });

  it('before it begins says so in the same way', async () => {
    const bench = new Bench(done(), {
      'POST builds': () => [
        400,
        {
          type: 'BadInput',
          message: 'Dockerfile line 1: no.',
          hint: 'h',
          line: 1
        }
      ]
    });
    await bench.run();
    expect(bench.outputs).toMatchObject([{ evalue: 'Line 2: no.' }]);
    expect(bench.marks.get(bench.model)?.line).toBe(2);
  });

  it('that was cancelled is no error', async () => {
    const bench = new Bench(job({ state: 'cancelled', ended: 1001 }));
    expect((await bench.run())?.silent).toBe(true);
    expect(bench.outputs.map(one => one.output_type)).toEqual(['display_data']);
    expect(bench.marks.get(bench.model)).toBe(null);
  });

  it('forgets its mark when it is built again', async () => {
    const bench = new Bench(done());
    bench.marks.set(bench.model, failed().error!);
    await bench.run();
    expect(bench.marks.get(bench.model)).toBe(null);
  });
});

describe('a build that goes on elsewhere', () => {
  it('is shown, and its job given back without a switch', async () => {
    const bench = new Bench(done());
    const build = bench.builds.follow(job());
    const ended = await bench.builder.resume(bench.model, build);
    expect(ended.state).toBe('done');
    expect(bench.outputs[0]?.data).toHaveProperty([BUILD_VIEW]);
    expect(bench.notebook.did).toEqual([]);
    expect(await bench.builder.wouldMove(bench.notebook, ended)).toBe(true);
    const kept = { ...ended, result: result({ settings: null }) };
    expect(await bench.builder.wouldMove(bench.notebook, kept)).toBe(false);
  });

  it('leaves the outputs of a cell that is gone', async () => {
    const bench = new Bench(done());
    const build = bench.builds.follow(job());
    bench.model.dispose();
    await expect(bench.builder.resume(bench.model, build)).rejects.toThrow();
  });
});

it('sends the Dockerfiles above a cell along', () => {
  const notebook = new FakeNotebook([
    { id: 'x', type: 'code', source: '%%dockerfile -t a\nFROM b' },
    { id: 'y', type: 'code', source: '1' },
    { id: 'z', type: 'code', source: '%%dockerfile\nFROM a' }
  ]);
  expect(createRequest(notebook, 'z')).toMatchObject({
    index: 2,
    earlier: ['%%dockerfile -t a\nFROM b']
  });
});
