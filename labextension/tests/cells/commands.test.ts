import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { describe, expect, it, vi } from 'vitest';

import { LiveBuilds } from '../../src/cells/builds';
import { addCommands, findBuilds } from '../../src/cells/commands';
import { Bench } from './bench';
import { done, event, FakeServer, job, lines, stream } from './fakes';

const INTERRUPT = 'notebook:interrupt-kernel';

/** A notebook panel, as far as commands look. */
function panelOf(path: string, cells: readonly unknown[]): NotebookPanel {
  const content = { model: { cells } };
  return { id: path, context: { localPath: path }, content } as never;
}

function trackerOf(panels: readonly NotebookPanel[]): INotebookTracker {
  return {
    currentWidget: panels[0],
    currentChanged: new Signal({}),
    find: (is: (panel: NotebookPanel) => boolean) => panels.find(is)
  } as unknown as INotebookTracker;
}

/** JupyterLab's commands, and notebooks of which the first is used. */
function lab(
  builds: LiveBuilds,
  panels: readonly NotebookPanel[],
  interrupt: (panel: NotebookPanel) => void = () => undefined
): CommandRegistry {
  const commands = new CommandRegistry();
  commands.addCommand(INTERRUPT, { execute: () => undefined });
  const tracker = trackerOf(panels);
  const api = {} as never;
  const during = vi.fn();
  addCommands({
    commands,
    tracker,
    api,
    builds,
    dialogs: null,
    activate: () => undefined,
    interrupt,
    runWithOptions: during
  });
  return commands;
}

describe('the builds of a notebook', () => {
  const cells = [{ id: 'c1' }];
  const copy = panelOf('copy.ipynb', cells);
  const builds = () => {
    const found = new LiveBuilds(
      new FakeServer({ 'GET builds/j1/events': () => stream([], true) }).api
    );
    found.follow(job());
    return found;
  };

  it.each([
    ['its own', [panelOf('a.ipynb', cells), copy], 1],
    ['one from before it was renamed', [panelOf('b.ipynb', cells)], 1],
    [
      'none of the notebook that it is a copy of',
      [copy, panelOf('a.ipynb', cells)],
      0
    ],
    ['none of others', [panelOf('b.ipynb', [{ id: 'c2' }])], 0]
  ])('are %s', (_, panels, count) => {
    const tracker = trackerOf(panels);
    expect(findBuilds(builds(), panels[0]!, tracker)).toHaveLength(count);
  });
});

describe('Stop', () => {
  /** A build whose POST answers late; `stop` is pressed meanwhile. */
  async function late(stops: boolean) {
    let answer!: () => void;
    const answered = new Promise<void>(resolve => (answer = resolve));
    let cancelled = false;
    const bench = new Bench(done(), {
      'POST builds': async () => {
        await answered;
        return new Response(JSON.stringify(job()), { status: 201 });
      },
      'DELETE builds/j1': () => {
        cancelled = true;
        return [200, job({ state: 'cancelled', ended: 1001 })];
      },
      'GET builds/j1/events': async () => {
        await vi.waitFor(() => expect(cancelled).toBe(stops));
        const end = stops ? job({ state: 'cancelled', ended: 1001 }) : done();
        return stream([lines(event(0, 'end', { job: end }))]);
      }
    });
    const { builder, builds, model } = bench;
    const commands = lab(
      builds,
      [panelOf('a.ipynb', [stops ? model : {}])],
      panel => builder.interrupt(panel.content.model?.cells ?? [])
    );
    const run = bench.run();
    await vi.waitFor(() => expect(bench.server.asked).toHaveLength(1));
    await commands.execute(INTERRUPT);
    answer();
    return { bench, stop: await run, cancelled };
  }

  it('that comes before the build has an id is remembered', async () => {
    const { bench, cancelled, stop } = await late(true);
    expect(cancelled).toBe(true);
    expect(stop?.silent).toBe(true);
    expect(bench.notebook.did).toEqual(['save']);
  });

  it('is for the cells of its notebook', async () => {
    const { cancelled, stop } = await late(false);
    expect(cancelled).toBe(false);
    expect(stop).toBe(null);
  });

  it('while the notebook is saved sends nothing', async () => {
    const bench = new Bench(done());
    const { builder, model } = bench;
    const run = bench.run();
    builder.interrupt([model]);
    expect((await run)?.silent).toBe(true);
    expect(bench.server.asked).toEqual([]);
    // It is over with that run.
    expect(await bench.run()).toBe(null);
  });
});
