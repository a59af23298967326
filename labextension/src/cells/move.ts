/** How a notebook moves into an image, and the cells of its run. Pure. */

import { JSONExt, type PartialJSONValue } from '@lumino/coreutils';

import type { IJobResult, IKernel, Settings } from '../api/types';
import { GENERIC_KERNEL } from '../constants';
import { isDockerfileCell } from '../notebook/highlight';

/** Keep the kernel, restart it, or change to the kernel spec for containers. */
export type Move = 'stay' | 'restart' | 'switch';

/** The notebook's kernel, as JupyterLab and as the server extension know it. */
export interface IRunningKernel {
  /** The kernel spec's name; empty without a kernel. */
  readonly spec: string;
  readonly kernel: IKernel | null;
}

/** Whether two settings are equal, apart from the order of keys. */
export function sameSettings(a: Settings | null, b: Settings | null): boolean {
  return JSONExt.deepEqual(a as PartialJSONValue, b as PartialJSONValue);
}

/** How the notebook has to move to run in the image that was built. */
export function chooseMove(result: IJobResult, current: IRunningKernel): Move {
  if (result.settings === null) {
    return 'stay';
  }
  const { spec, kernel } = current;
  if (spec !== GENERIC_KERNEL) {
    return 'switch';
  }
  if (!kernel || ['dead', 'empty', 'failed'].includes(kernel.state)) {
    return 'switch';
  }
  const isSame = sameSettings(result.settings, kernel.running);
  return isSame && result.reused ? 'stay' : 'restart';
}

/** A notebook's cell, as builds use it. */
export interface ICodeCell {
  readonly id: string;
  readonly type: string;
  readonly source: string;
}

/**
 * Whether `cell` is the first of a run of all code cells: a restart of the kernel then loses
 * nothing that is not computed again.
 */
export function startsWholeRun(
  cells: readonly ICodeCell[],
  cell: string,
  isQueued: (id: string) => boolean
): boolean {
  const code = cells.filter(
    ({ type, source }) => type === 'code' && source.trim()
  );
  return code[0]?.id === cell && code.every(({ id }) => isQueued(id));
}

/** The sources of the Dockerfile cells above `cell`, whose images its FROM may name. */
export function earlierDockerfiles(
  cells: readonly ICodeCell[],
  cell: string
): string[] {
  const at = cells.findIndex(({ id }) => id === cell);
  return cells
    .slice(0, Math.max(at, 0))
    .filter(({ type, source }) => type === 'code' && isDockerfileCell(source))
    .map(({ source }) => source);
}

/** The line of the cell for a line of its Dockerfile, both from 1. */
export function cellLine(source: string, line: number): number {
  const lines = source.split('\n');
  const magic = lines.findIndex(text => text.trim());
  return line + Math.max(magic, 0) + 1;
}
