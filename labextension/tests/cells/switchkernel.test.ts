import { describe, expect, it } from 'vitest';

import type { IJobResult, INotebook } from '../../src/api/types';
import { RunError } from '../../src/cells/runerror';
import { moveToImage } from '../../src/cells/switchkernel';
import {
  FakeNotebook,
  FakeQuestions,
  FakeServer,
  type Handler,
  kernel,
  result,
  SETTINGS,
  state
} from './fakes';

interface ICase {
  readonly notebook?: FakeNotebook;
  readonly result?: Partial<IJobResult>;
  readonly kernels?: INotebook['kernel'][];
  readonly answer?: boolean;
  readonly askToDrop?: boolean;
  readonly routes?: Record<string, Handler>;
}

function run(given: ICase) {
  const { notebook = new FakeNotebook(), kernels = [] } = given;
  let asked = 0;
  const server = new FakeServer({
    'GET notebook': () => [
      200,
      state({ kernel: kernels[Math.min(asked++, kernels.length - 1)] ?? null })
    ],
    'POST approvals': () => [200, state()],
    ...given.routes
  });
  const questions = new FakeQuestions(given.answer ?? true);
  const settled = moveToImage(server.api, notebook, questions, {
    result: result(given.result),
    confirmMove: given.askToDrop ?? true
  });
  return { notebook, server, questions, settled };
}

async function stopped(settled: Promise<unknown>): Promise<RunError> {
  const error = await settled.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RunError);
  return error as RunError;
}

describe('the switch', () => {
  it('writes the settings, saves, changes the kernel and saves again', async () => {
    const { notebook, settled } = run({});
    expect(await settled).toBe('switch');
    expect(notebook.did).toEqual(['settings', 'save', 'switch', 'save']);
    expect(notebook.settings).toEqual(SETTINGS);
  });

  it('does not happen with --no-switch', async () => {
    const { notebook, server, settled } = run({ result: { settings: null } });
    expect(await settled).toBe('stay');
    expect(notebook.did).toEqual([]);
    expect(server.asked).toEqual([]);
  });

  it('does not happen where the same runs: variables stay', async () => {
    const notebook = new FakeNotebook();
    notebook.kernelName = 'container';
    notebook.settings = SETTINGS;
    notebook.ran = true;
    notebook.did.length = 0;
    const kernels = [kernel(SETTINGS)];
    const { questions, settled } = run({
      notebook,
      kernels,
      result: { reused: true }
    });
    expect(await settled).toBe('stay');
    expect(notebook.did).toEqual([]);
    expect(questions.asked).toEqual([]);
  });

  it('is a restart in our kernel spec', async () => {
    const notebook = new FakeNotebook();
    notebook.kernelName = 'container';
    const { settled } = run({ notebook, kernels: [kernel({ image: 'old' })] });
    expect(await settled).toBe('restart');
    expect(notebook.did).toEqual(['settings', 'save', 'restart', 'save']);
  });

  it('that fails stops the run and says so', async () => {
    const notebook = new FakeNotebook();
    notebook.broken = 'boom';
    const stop = await stopped(run({ notebook }).settled);
    expect(stop.detail.message).toContain('boom');
    expect(stop.silent).toBe(false);
  });

  it('into a container that cannot start tells its trouble', async () => {
    const trouble = { message: 'Out of memory.', hint: 'Give it more.' };
    const dead = kernel(null, { state: 'failed', trouble });
    const stop = await stopped(run({ kernels: [null, dead] }).settled);
    expect(stop.detail).toMatchObject(trouble);
  });
});

describe('questions', () => {
  it('what is missing is asked once, and approved as it will be', async () => {
    const { server, questions, settled } = run({
      result: { missing: ['the folder data'] }
    });
    await settled;
    expect(questions.asked).toEqual(['approve the folder data']);
    const posted = server.asked.find(one => one.path === 'approvals');
    expect(posted?.body).toEqual({
      path: 'a.ipynb',
      settings: SETTINGS,
      items: ['the folder data']
    });
  });

  it('what leads elsewhere by now is asked anew', async () => {
    const items = ['the folder /private'];
    const { server, questions, settled } = run({
      result: { missing: ['the folder data'] },
      routes: {
        'POST approvals': ({ body }) =>
          (body as { items: string[] }).items[0] === items[0]
            ? [200, state()]
            : [409, { type: 'AsksMore', message: 'More.', hint: '', items }]
      }
    });
    await settled;
    expect(questions.asked).toEqual([
      'approve the folder data',
      'approve the folder /private'
    ]);
    const posted = server.asked.filter(one => one.path === 'approvals');
    expect(posted).toHaveLength(2);
  });

  it('a refusal stops, quietly, and leaves the notebook as it was', async () => {
    const { notebook, server, settled } = run({
      result: { missing: ['the folder data'] },
      answer: false
    });
    expect((await stopped(settled)).silent).toBe(true);
    expect(notebook.did).toEqual([]);
    expect(server.asked.some(one => one.path === 'approvals')).toBe(false);
  });

  it('a kernel that has run cells goes only after one', async () => {
    const notebook = new FakeNotebook();
    notebook.ran = true;
    const { questions, settled } = run({ notebook, answer: false });
    expect((await stopped(settled)).silent).toBe(true);
    expect(questions.asked).toEqual(['drop for localhost/made:1']);
    expect(notebook.did).toEqual([]);
  });

  it('there are none in a run of the whole notebook', async () => {
    const notebook = new FakeNotebook();
    notebook.ran = true;
    const { questions, settled } = run({ notebook, askToDrop: false });
    expect(await settled).toBe('switch');
    expect(questions.asked).toEqual([]);
  });
});
