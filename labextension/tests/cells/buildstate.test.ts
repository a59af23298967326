import { describe, expect, it } from 'vitest';

import type { IJobEvent } from '../../src/api/types';
import {
  applyEvent,
  createBuildState,
  type IBuildState,
  LOG_LINES,
  transferTotals
} from '../../src/cells/buildstate';
import { done, event, failed, job } from './fakes';

function folded(...events: IJobEvent[]): IBuildState {
  const fold = createBuildState();
  events.forEach((one, at) => applyEvent(fold, one, at));
  return fold;
}

const first = event(0, 'step', { step: 1, steps: 3, line: 1, text: 'FROM a' });
const second = event(1, 'step', { step: 2, steps: 3, line: 2, text: 'RUN b' });

function states(fold: IBuildState): string[] {
  return fold.steps.map(step => `${String(step.number)} ${step.state}`);
}

describe('steps', () => {
  it('end when the next one begins, and take the time between', () => {
    const fold = folded(first, second);
    expect(states(fold)).toEqual(['1 done', '2 running']);
    expect(fold.steps[0]?.seconds).toBe(1);
    expect(fold.total).toBe(3);
  });

  it('are cached with or without having begun', () => {
    const cached = (n: number, step: number) =>
      event(n, 'cached', { step, steps: 3, text: 'RUN b' });
    expect(states(folded(first, cached(1, 1), cached(2, 2)))).toEqual([
      '1 cached',
      '2 cached'
    ]);
  });

  it('that others overtook go on when they say something', () => {
    const said = event(2, 'log', { step: 1, text: 'still here' });
    expect(states(folded(first, second, said))).toEqual([
      '1 running',
      '2 running'
    ]);
  });

  it('are done when the build is', () => {
    const end = event(2, 'end', { job: done() });
    expect(states(folded(first, second, end))).toEqual(['1 done', '2 done']);
  });

  it('have failed where the error names their line, else the last', () => {
    const overtaken = event(2, 'log', { step: 1, text: 'x' });
    const end = (line: number) => event(3, 'end', { job: failed({ line }) });
    expect(states(folded(first, second, overtaken, end(1)))).toEqual([
      '1 failed',
      '2 stopped'
    ]);
    expect(states(folded(first, second, overtaken, end(0)))).toEqual([
      '1 stopped',
      '2 failed'
    ]);
  });

  it('stop where somebody cancels', () => {
    const end = event(1, 'end', { job: job({ state: 'cancelled' }) });
    expect(states(folded(first, end))).toEqual(['1 stopped']);
  });
});

describe('the log', () => {
  it('keeps the last lines of very many, in little time', () => {
    const fold = createBuildState();
    const began = performance.now();
    const count = 200_000;
    for (let n = 0; n < count; n++) {
      applyEvent(fold, event(n, 'log', { text: `line ${String(n)}` }), 0);
    }
    expect(fold.log.length).toBeLessThan(2 * LOG_LINES);
    expect(fold.log.length).toBeGreaterThanOrEqual(LOG_LINES);
    expect(fold.log.length + fold.dropped).toBe(count);
    expect(fold.log[fold.log.length - 1]).toBe(`line ${String(count - 1)}`);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('cuts a line without end', () => {
    const fold = folded(event(0, 'log', { text: 'x'.repeat(1_000_000) }));
    expect(fold.log[0]?.length).toBe(1000);
  });

  it('shows the last line that says something', () => {
    const fold = folded(
      event(0, 'log', { text: 'Collecting numpy' }),
      event(1, 'log', { text: '  ' })
    );
    expect(fold.current).toBe('Collecting numpy');
  });
});

it('leaves out an event that came before', () => {
  const said = event(0, 'log', { text: 'once' });
  expect(folded(said, said).log).toEqual(['once']);
});

it('adds up what is fetched; the total only where all are known', () => {
  const bytes = (n: number, text: string, now: number, total: number) =>
    event(n, 'bytes', { text, done: now, total });
  const known = folded(
    bytes(0, 'a', 10, 100),
    bytes(1, 'b', 5, 50),
    bytes(2, 'a', 100, 100)
  );
  expect(transferTotals(known)).toEqual({ done: 105, total: 150 });
  const unknown = folded(bytes(0, 'a', 10, 100), bytes(1, 'b', 5, 0));
  expect(transferTotals(unknown)).toEqual({ done: 15, total: 0 });
});
