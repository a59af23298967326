/** What was installed in a notebook's container, and the Dockerfile cell that takes it. */

import type { ICellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

import type { Api } from '../api/api';
import type { IAdditions, Packages } from '../api/types';
import { isDockerfileCell } from './highlight';
import { isContainerSpec } from './livekernel';

/** Sources without these words install nothing: the server reads all others. */
const INSTALLS =
  /\b(pip[0-9.]*|conda|mamba|micromamba|uv|apt|apt-get)\b.*\binstall\b/;

/** Characters of an output that are sent; what was installed is told at its end. */
const MOST_OUTPUT = 200_000;

/** Milliseconds to wait for the kernel: cells that were run meanwhile come first. */
const PATIENCE = 600_000;

/**
 * The packages that a Python kernel sees, and its conda's, in hex. One expression without a name
 * of its own: nothing appears among the user's variables.
 */
const SEEN = `(lambda i, n: i('json').dumps({
  'pip': {n(d.metadata['Name'] or ''): d.version for d in reversed(list(
    i('importlib.metadata', fromlist=['x']).distributions(
      path=[*i('sys').path, i('site').getusersitepackages()])))},
  'conda': {f.rsplit('-', 2)[0]: f.rsplit('-', 2)[1] for f in (
    i('os').listdir(i('sys').prefix + '/conda-meta')
    if i('os').path.isdir(i('sys').prefix + '/conda-meta') else [])
    if f.count('-') > 1},
}).encode().hex())(__import__, lambda t: __import__('re').sub('[-_.]+', '-', t).lower())`;

/** A cell that was run: its source, what it printed, and what the kernel saw if it was asked. */
export interface IInstalled {
  readonly source: string;
  readonly output: string;
  readonly packages: Packages | null;
}

/** Whether a cell's source may install packages. */
export function mayInstall(source: string): boolean {
  return !isDockerfileCell(source) && INSTALLS.test(source);
}

/** The text among outputs. */
export function textOf(outputs: readonly IOutput[]): string {
  return outputs
    .map(({ text, traceback }) => {
      const lines = (traceback ?? text ?? '') as string | readonly string[];
      return typeof lines === 'string' ? lines : lines.join('');
    })
    .join('\n')
    .slice(-MOST_OUTPUT);
}

/** The kernel of a notebook, if it runs in a container. */
export function containerKernel({
  sessionContext
}: NotebookPanel): Kernel.IKernelConnection | null {
  const kernel = sessionContext.session?.kernel ?? null;
  const { specsManager } = sessionContext;
  return kernel && isContainerSpec(specsManager, kernel.name) ? kernel : null;
}

/** The packages that a kernel sees; null if it is not Python's or does not answer. */
export async function readPackages(
  kernel: Kernel.IKernelConnection
): Promise<Packages | null> {
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false,
    user_expressions: { seen: SEEN.replaceAll('\n', ' ') }
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<null>(resolve => {
    timer = setTimeout(resolve, PATIENCE, null);
  });
  const reply = await Promise.race([future.done.catch(() => null), timeout]);
  clearTimeout(timer);
  future.dispose();
  return reply?.content.status === 'ok'
    ? parsePackages(reply.content.user_expressions.seen)
    : null;
}

/** What a kernel answers to `SEEN`; null for anything else. */
export function parsePackages(answer: unknown): Packages | null {
  const { data } = (answer ?? {}) as { data?: Record<string, unknown> };
  const hex = /^'((?:[0-9a-f]{2})+)'$/.exec(String(data?.['text/plain']))?.[1];
  if (!hex) {
    return null;
  }
  const bytes = hex.match(/../g)?.map(pair => parseInt(pair, 16)) ?? [];
  try {
    const text = new TextDecoder().decode(Uint8Array.from(bytes));
    return JSON.parse(text) as Packages;
  } catch {
    return null;
  }
}

/** The notebook's first Dockerfile cell. */
export function findDockerfileCell(
  panel: NotebookPanel
): ICellModel | undefined {
  return [...(panel.content.model?.cells ?? [])].find(
    cell =>
      cell.type === 'code' && isDockerfileCell(cell.sharedModel.getSource())
  );
}

/** The Dockerfile cell with what a cell has installed. Throws RequestError. */
export function findAdditions(
  api: Api,
  panel: NotebookPanel,
  installed: IInstalled
): Promise<IAdditions> {
  return api.additions({
    path: panel.context.localPath,
    dockerfile: findDockerfileCell(panel)?.sharedModel.getSource() ?? '',
    ...installed
  });
}

/** Write the Dockerfile cell; insert one at the top if there is none. */
export function writeDockerfile(panel: NotebookPanel, source: string): void {
  const cell = findDockerfileCell(panel);
  if (cell) {
    cell.sharedModel.setSource(source);
  } else {
    panel.content.model?.sharedModel.insertCell(0, {
      cell_type: 'code',
      source,
      metadata: {}
    });
  }
}

/** Show the Dockerfile cell, and give it the focus. */
export async function showDockerfile(panel: NotebookPanel): Promise<void> {
  const notebook = panel.content;
  const cell = findDockerfileCell(panel);
  const index = notebook.widgets.findIndex(({ model }) => model === cell);
  if (index >= 0) {
    notebook.activeCellIndex = index;
    await notebook.scrollToItem(index);
    notebook.activate();
  }
}
