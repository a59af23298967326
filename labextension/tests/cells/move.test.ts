import { describe, expect, it } from 'vitest';

import {
  cellLine,
  chooseMove,
  earlierDockerfiles,
  type ICodeCell,
  startsWholeRun
} from '../../src/cells/move';
import { kernel, result, SETTINGS } from './fakes';

describe('decide', () => {
  const same = kernel({ image: 'localhost/made:1', version: 1 });

  it.each([
    ['nothing runs', {}, '', null, 'switch'],
    ['another kernel runs', {}, 'python3', null, 'switch'],
    ['--no-switch', { settings: null }, 'python3', null, 'stay'],
    ['the same runs', { reused: true }, 'container', same, 'stay'],
    [
      'the image was made anew',
      { reused: false },
      'container',
      same,
      'restart'
    ],
    [
      'other settings run',
      { reused: true },
      'container',
      kernel({}),
      'restart'
    ],
    [
      'it runs no container',
      { reused: true },
      'container',
      kernel(null),
      'restart'
    ],
    [
      'the server knows no kernel',
      { reused: true },
      'container',
      null,
      'switch'
    ],
    [
      'the container is dead',
      { reused: true },
      'container',
      kernel(SETTINGS, { state: 'dead' }),
      'switch'
    ],
    [
      'a pinned image runs with the same settings',
      { reused: true },
      'pinned',
      same,
      'switch'
    ]
  ] as const)('%s', (_, built, spec, runs, move) => {
    expect(chooseMove(result(built), { spec, kernel: runs })).toBe(move);
  });
});

const CELLS: readonly ICodeCell[] = [
  { id: 'm', type: 'markdown', source: '# Title' },
  { id: 'e', type: 'code', source: ' \n' },
  { id: 'd', type: 'code', source: '%%dockerfile\nFROM a' },
  { id: 'a', type: 'code', source: '1' },
  { id: 'd2', type: 'code', source: '%%dockerfile\nFROM b' },
  { id: 'r', type: 'raw', source: 'x' }
];

describe('a whole run', () => {
  const held =
    (...ids: string[]) =>
    (id: string) =>
      ids.includes(id);

  it('begins with the Dockerfile and has all code cells', () => {
    expect(startsWholeRun(CELLS, 'd', held('d', 'a', 'd2'))).toBe(true);
  });

  it('is none with a cell left out, or one before it', () => {
    expect(startsWholeRun(CELLS, 'd', held('d', 'd2'))).toBe(false);
    expect(startsWholeRun(CELLS, 'd2', held('d', 'a', 'd2'))).toBe(false);
    expect(startsWholeRun(CELLS, 'gone', held('d', 'a', 'd2'))).toBe(false);
  });
});

it('finds the Dockerfiles above a cell', () => {
  expect(earlierDockerfiles(CELLS, 'd2')).toEqual(['%%dockerfile\nFROM a']);
  expect(earlierDockerfiles(CELLS, 'd')).toEqual([]);
});

it("counts the Dockerfile's lines from behind the magic", () => {
  expect(cellLine('%%dockerfile\nFROM a', 1)).toBe(2);
  expect(cellLine('\n\n%%dockerfile\nFROM a\nRUN b', 2)).toBe(5);
});
