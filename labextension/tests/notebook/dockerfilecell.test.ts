import type { ICellModel } from '@jupyterlab/cells';
import { describe, expect, it } from 'vitest';

import {
  baseRange,
  cellOn,
  cellsSaying,
  dockerfileCellsOf,
  movingCellsOf,
  TEMPLATE
} from '../../src/notebook/dockerfilecell';
import { isDockerfileCell } from '../../src/notebook/highlight';
import { FakePanel } from '../models/panel';

const baseOf = (source: string) => {
  const range = baseRange(source)!;
  return source.split('\n')[range.line]?.slice(range.from, range.to) ?? '';
};

describe('the template', () => {
  it('is a Dockerfile cell with a pinned base', () => {
    expect(isDockerfileCell(TEMPLATE)).toBe(true);
    expect(baseOf(TEMPLATE)).toMatch(/^[\w./-]+:\d+\.\d+[\w.-]*$/);
  });

  it('has one RUN, which cleans up, and a working directory', () => {
    expect(TEMPLATE.match(/^RUN /gm)).toHaveLength(1);
    expect(TEMPLATE).toContain('rm -rf /root/.cache');
    expect(TEMPLATE).toMatch(/^WORKDIR \//m);
    expect(TEMPLATE).toMatch(/^LABEL /m);
  });
});

describe('a cell on an image', () => {
  it('begins with that image', () => {
    expect(isDockerfileCell(cellOn('a/b:1'))).toBe(true);
    expect(baseOf(cellOn('a/b:1'))).toBe('a/b:1');
    expect(baseRange('%%dockerfile\nRUN true')).toBe(null);
  });
});

it('cells that move the notebook say its settings, earlier ones too', () => {
  const sources = [
    'print(1)',
    '%%dockerfile --memory 1g\nFROM a',
    '%%dockerfile --cpus 2\nFROM b',
    '%%dockerfile --no-switch --memory 2g\nFROM c'
  ];
  const { panel } = new FakePanel('container', undefined, sources);
  const sourcesOf = (cells: readonly ICellModel[]) =>
    cells.map(({ sharedModel }) => sources.indexOf(sharedModel.getSource()));
  expect(sourcesOf(dockerfileCellsOf(panel))).toEqual([1, 2, 3]);
  expect(sourcesOf(movingCellsOf(panel))).toEqual([1, 2]);
  expect(sourcesOf(cellsSaying(panel, '--memory'))).toEqual([1]);
  expect(movingCellsOf(new FakePanel().panel)).toEqual([]);
});
