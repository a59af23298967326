import type { ISessionContext } from '@jupyterlab/apputils';
import { CodeCellModel, RawCellModel } from '@jupyterlab/cells';
import {
  KernelError,
  runCell,
  type INotebookCellExecutor,
  type NotebookPanel
} from '@jupyterlab/notebook';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import type { CellBuilder, IBuildCell } from '../../src/cells/builder';
import { claimsOf } from '../../src/cells/claims';
import { CellExecutor } from '../../src/cells/executor';
import { KernelCells } from '../../src/cells/kernelcells';
import { UsedKernels } from '../../src/cells/panelnotebook';
import { RunError } from '../../src/cells/runerror';

vi.mock('@jupyterlab/notebook', async original => ({
  ...(await original<object>()),
  runCell: vi.fn()
}));

type Options = INotebookCellExecutor.IRunCellOptions;

const core = vi.mocked(runCell);

/** The awareness of a document with two pages. */
class Awareness {
  readonly clientID = 1;
  readonly states = new Map<number, Record<string, unknown>>([
    [1, {}],
    [2, {}]
  ]);
  private readonly listeners = new Set<(change: unknown) => void>();

  getStates() {
    return this.states;
  }
  getLocalState() {
    return this.states.get(1);
  }
  setLocalStateField(key: string, value: unknown): void {
    this.states.set(1, { [key]: value });
  }
  on(_: string, listener: (change: unknown) => void): void {
    this.listeners.add(listener);
  }
  off(_: string, listener: (change: unknown) => void): void {
    this.listeners.delete(listener);
  }
  /** What the other page says. */
  say(state: Record<string, unknown>): void {
    this.states.set(2, state);
    [...this.listeners].forEach(listener => {
      listener({ added: [], updated: [2], removed: [] });
    });
  }
}

/** A panel with code cells, and a builder that ends when it is told. */
class Bench {
  readonly executor = new CellExecutor();
  readonly built: IBuildCell[] = [];
  readonly told: string[] = [];
  readonly awareness = new Awareness();
  readonly pages = new Map<string, (built: boolean) => void>();
  readonly panel: NotebookPanel;
  readonly context: ISessionContext;
  private readonly models: CodeCellModel[];
  private ends: ((error?: Error) => void)[] = [];

  constructor(...sources: string[]) {
    this.models = sources.map(source => {
      const model = new CodeCellModel();
      model.sharedModel.setSource(source);
      return model;
    });
    this.context = {
      session: null,
      statusChanged: { connect: vi.fn() }
    } as never;
    this.panel = {
      isDisposed: false,
      sessionContext: this.context,
      context: { model: { sharedModel: { awareness: this.awareness } } },
      content: { model: { cells: this.models } }
    } as never;
    this.executor.attach({
      builder: {
        build: (cell: IBuildCell) => {
          this.built.push(cell);
          return new Promise<void>((resolve, reject) => {
            this.ends.push(error => {
              if (error) {
                reject(error);
              } else {
                resolve();
              }
            });
          });
        }
      } as unknown as CellBuilder,
      usedKernels: new UsedKernels(),
      kernelCells: new KernelCells(),
      panelOf: one => (one === this.context ? this.panel : undefined),
      waitForPage: (_, { run }) =>
        new Promise(resolve => {
          this.pages.set(run, resolve);
        })
    });
  }

  run(...cells: number[]): Promise<boolean>[] {
    return cells.map(at => this.executor.runCell(this.options(at)));
  }

  options(at: number): Options {
    const cell = { model: this.models[at], isDisposed: false };
    return {
      cell,
      notebook: { cells: [] },
      sessionContext: this.context,
      onCellExecuted: ({ success }: { success: boolean }) =>
        this.told.push(`${String(at)} ${success ? 'ran' : 'failed'}`),
      onCellExecutionScheduled: () => this.told.push(`${String(at)} scheduled`)
    } as unknown as Options;
  }

  async end(error?: Error): Promise<void> {
    this.ends.shift()?.(error);
    await turn();
  }

  get states(): string[] {
    return this.models.map(model => model.executionState);
  }
}

async function turn(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve));
}

const DOCKERFILE = '%%dockerfile\nFROM a';

beforeEach(() => {
  core.mockReset();
  core.mockResolvedValue(true);
});

describe('other cells', () => {
  it("are run by JupyterLab's own function, in the call itself", () => {
    const bench = new Bench('1', '2');
    void bench.run(0, 1);
    expect(core).toHaveBeenCalledTimes(2);
    expect(bench.built).toHaveLength(0);
  });

  it('and Dockerfile cells too, before there is a tracker or without a panel', () => {
    const bench = new Bench(DOCKERFILE);
    const options = bench.options(0);
    void new CellExecutor().runCell(options);
    void bench.executor.runCell({ ...options, sessionContext: {} as never });
    expect(core).toHaveBeenCalledTimes(2);
  });

  it('that are no code are never held', () => {
    const bench = new Bench(DOCKERFILE);
    void bench.run(0);
    const cell = { model: new RawCellModel() };
    const options = { ...bench.options(0), cell };
    void bench.executor.runCell(options as never);
    expect(core).toHaveBeenCalledTimes(1);
  });
});

describe('a Dockerfile cell', () => {
  it('holds those behind it, with a star, until it is built', async () => {
    const bench = new Bench(DOCKERFILE, '1', '2');
    const runs = bench.run(0, 1, 2);
    await turn();
    expect(bench.states).toEqual(['running', 'running', 'running']);
    expect(core).not.toHaveBeenCalled();
    await bench.end();
    expect(core).toHaveBeenCalledTimes(2);
    expect(await Promise.all(runs)).toEqual([true, true, true]);
    expect(bench.told).toEqual(['0 scheduled', '0 ran']);
  });

  it('that fails stops the run as a kernel does, and leaves no star', async () => {
    const bench = new Bench(DOCKERFILE, '1');
    const [build, held] = bench.run(0, 1);
    const thrown = build!.catch((reason: unknown) => reason);
    await turn();
    await bench.end(
      new RunError({ type: 'BuildFailed', message: 'no', hint: '' })
    );
    const error = await thrown;
    expect(error).toBeInstanceOf(KernelError);
    expect((error as Error).message).toMatch(
      /^KernelReplyNotOK: BuildFailed no/
    );
    expect(await held).toBe(false);
    expect(core).not.toHaveBeenCalled();
    expect(bench.states[1]).toBe('idle');
    expect(bench.told).toEqual(['0 scheduled', '0 failed']);
  });

  it('knows whether the whole notebook is run', async () => {
    const bench = new Bench(DOCKERFILE, '1', '2');
    void bench.run(0, 1, 2);
    await turn();
    expect(bench.built[0]?.isWholeRun()).toBe(true);

    const some = new Bench(DOCKERFILE, '1', '2');
    void some.run(0, 1);
    await turn();
    expect(some.built[0]?.isWholeRun()).toBe(false);
  });

  it('is given up where the notebook is closed meanwhile', async () => {
    const bench = new Bench(DOCKERFILE);
    const [build] = bench.run(0);
    await turn();
    Object.assign(bench.panel, { isDisposed: true });
    await bench.end(new RunError({ type: 'X', message: 'x', hint: '' }, true));
    expect(await build).toBe(false);
    expect(bench.told).toEqual(['0 scheduled']);
  });

  it('is asked for with the options of its run, and only of its run', async () => {
    const bench = new Bench(DOCKERFILE);
    const { executor, panel } = bench;
    const during = executor.runWithOptions(
      panel,
      { no_cache: true },
      async () => {
        await Promise.all(bench.run(0));
        return true;
      }
    );
    await turn();
    await bench.end();
    await during;
    void bench.run(0);
    await turn();
    expect(bench.built.map(one => one.options)).toEqual([
      { no_cache: true },
      {}
    ]);
  });
});

describe('a build of another page', () => {
  const claim = { run: 'a', cell: 'x' };

  it('holds the cells of this page, and those that it skips stay idle', async () => {
    const bench = new Bench('1', '2');
    bench.awareness.say({ 'jupyter-containers': [claim] });
    const [one] = bench.run(0);
    await turn();
    expect(bench.states[0]).toBe('running');
    expect(core).not.toHaveBeenCalled();
    bench.pages.get('a')!(true);
    expect(await one).toBe(true);
    expect(core).toHaveBeenCalledTimes(1);

    bench.awareness.say({ 'jupyter-containers': [{ ...claim, run: 'b' }] });
    const [two] = bench.run(1);
    await turn();
    bench.pages.get('b')!(false);
    expect(await two).toBe(false);
    expect(bench.states[1]).toBe('idle');
    expect(core).toHaveBeenCalledTimes(1);
  });

  it('is told of those of this page while they wait or run', async () => {
    const bench = new Bench(DOCKERFILE);
    const claims = claimsOf(bench.panel);
    const said = () => bench.awareness.states.get(1)?.['jupyter-containers'];
    const [built] = bench.run(0);
    await turn();
    expect(said()).toHaveLength(1);
    expect(claims.others).toEqual([]);
    await bench.end();
    await built;
    expect(said()).toEqual([]);
  });

  it('has ended when its page says so or leaves, and may be anything', async () => {
    const bench = new Bench('1');
    const claims = claimsOf(bench.panel);
    bench.awareness.say({ 'jupyter-containers': [claim, null, { run: 1 }] });
    expect(claims.others).toEqual([claim]);
    const ended = vi.fn();
    void claims.ended(claim).then(ended);
    bench.awareness.say({ 'jupyter-containers': [claim] });
    await turn();
    expect(ended).not.toHaveBeenCalled();
    bench.awareness.say({ 'jupyter-containers': 'nothing' });
    await turn();
    expect(ended).toHaveBeenCalledExactlyOnceWith(true);

    bench.awareness.say({ 'jupyter-containers': [claim] });
    void claims.ended(claim).then(ended);
    claims.giveUp();
    await turn();
    expect(ended).toHaveBeenLastCalledWith(false);
  });
});

it("plain cells are run by another extension's executor, where there is one", () => {
  const other = { runCell: vi.fn().mockResolvedValue(true) };
  const bench = new Bench('1');
  void new CellExecutor(other).runCell(bench.options(0));
  expect(other.runCell).toHaveBeenCalledTimes(1);
  expect(core).not.toHaveBeenCalled();
});
