import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { keepRuns, takeRun } from '../../src/cells/keptruns';

const KEY = 'jupyter-containers:runs';

/** How the page was reached. */
function arrive(type: string): void {
  vi.spyOn(performance, 'getEntriesByType').mockReturnValue([
    { type } as unknown as PerformanceEntry
  ]);
}

beforeEach(() => arrive('reload'));
afterEach(() => {
  vi.restoreAllMocks();
  sessionStorage.clear();
});

it('a run is taken once, and that of another notebook stays', () => {
  keepRuns(
    new Map([
      ['a.ipynb', ['1', '2']],
      ['b.ipynb', ['3']]
    ])
  );
  expect(takeRun('a.ipynb')).toEqual(['1', '2']);
  expect(takeRun('a.ipynb')).toEqual([]);
  expect(takeRun('b.ipynb')).toEqual(['3']);
  expect(sessionStorage.getItem(KEY)).toBe(null);
});

it('a tab that was opened again runs nothing', () => {
  arrive('navigate');
  keepRuns(new Map([['a.ipynb', ['1']]]));
  expect(takeRun('a.ipynb')).toEqual([]);
});

it.each(['{', '{}', '[1]', '[["a.ipynb", [1]]]', '[["a.ipynb"]]', 'null'])(
  'what else is stored runs nothing: %s',
  text => {
    sessionStorage.setItem(KEY, text);
    expect(takeRun('a.ipynb')).toEqual([]);
  }
);
