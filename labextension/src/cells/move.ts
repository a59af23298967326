/** What a finished build means for the notebook's kernel. Pure. */

import { JSONExt, type PartialJSONValue } from '@lumino/coreutils';

import { isDockerfileCell } from '../notebook/highlight';
import type { IJobResult, IKernel, Settings } from '../api/types';
import { GENERIC_KERNEL } from '../constants';

/** Stay, start the same kernel spec's kernel anew, or change to our kernel spec. */
export type Move = 'stay' | 'restart' | 'switch';

/** The notebook's kernel as JupyterLab knows it, and as our server does. */
export interface IRunning {
  /** The kernel spec's name; empty where no kernel is there. */
  readonly spec: string;
  readonly kernel: IKernel | null;
}

/** Whether two settings ask for the same; the order of keys says nothing. */
export function sameSettings(a: Settings | null, b: Settings | null): boolean {
  return JSONExt.deepEqual(a as PartialJSONValue, b as PartialJSONValue);
}

/** What has to happen so that the notebook runs in what was built. */
export function decide(result: IJobResult, running: IRunning): Move {
  if (result.settings === null) {
    return 'stay';
  }
  const { spec, kernel } = running;
  if (spec !== GENERIC_KERNEL) {
    return 'switch';
  }
  if (!kernel || kernel.state === 'dead' || kernel.state === 'failed') {
    return 'switch';
  }
  const same = sameSettings(result.settings, kernel.running);
  return same && result.reused ? 'stay' : 'restart';
}

/** A notebook's cell, as far as it matters here. */
export interface ICodeCell {
  readonly id: string;
  readonly type: string;
  readonly source: string;
}

/**
 * Whether the run that `cell` belongs to is one of the whole notebook and begins with it:
 * nothing that would be lost was not asked to run anew.
 */
export function beginsWholeRun(
  cells: readonly ICodeCell[],
  cell: string,
  isHeld: (id: string) => boolean
): boolean {
  const code = cells.filter(one => one.type === 'code' && one.source.trim());
  return code[0]?.id === cell && code.every(one => isHeld(one.id));
}

/** What earlier Dockerfile cells hold: a later one's FROM may name their images. */
export function earlierDockerfiles(
  cells: readonly ICodeCell[],
  cell: string
): string[] {
  const at = cells.findIndex(one => one.id === cell);
  return cells
    .slice(0, Math.max(at, 0))
    .filter(one => one.type === 'code' && isDockerfileCell(one.source))
    .map(one => one.source);
}

/** The cell's line, from 1, that the Dockerfile's line is. */
export function cellLine(source: string, line: number): number {
  const lines = source.split('\n');
  const magic = lines.findIndex(one => one.trim());
  return line + Math.max(magic, 0) + 1;
}
