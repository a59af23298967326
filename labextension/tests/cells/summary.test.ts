import { describe, expect, it } from 'vitest';

import { applyEvent, createBuildState } from '../../src/cells/buildstate';
import {
  createErrorOutput,
  createOutput,
  describeSummary,
  parseSummary,
  summarize
} from '../../src/cells/summary';
import { BUILD_VIEW } from '../../src/constants';
import { done, event, failed, job } from './fakes';

describe('the summary', () => {
  it('stays small, whatever the log', () => {
    const fold = createBuildState();
    for (let n = 0; n < 500; n++) {
      const text = 'x'.repeat(5000);
      applyEvent(
        fold,
        event(2 * n, 'step', { step: n + 1, steps: 500, text }),
        0
      );
      applyEvent(fold, event(2 * n + 1, 'log', { text }), 0);
    }
    const output = createOutput(summarize(done(), fold, 3));
    expect(JSON.stringify(output).length).toBeLessThan(20_000);
  });

  it('comes back from the file as it was', () => {
    const fold = createBuildState();
    applyEvent(
      fold,
      event(0, 'step', { step: 1, steps: 2, text: 'FROM a' }),
      0
    );
    const summary = summarize(job(), fold, 3.14);
    const { data } = createOutput(summary);
    expect(parseSummary(JSON.parse(JSON.stringify(data[BUILD_VIEW])))).toEqual(
      summary
    );
    expect(summary).toMatchObject({ job: 'j1', seconds: 3.1 });
  });

  it('is saved the same after each run of a cell', () => {
    const fold = createBuildState();
    applyEvent(
      fold,
      event(0, 'step', { step: 1, steps: 2, text: 'FROM a' }),
      0
    );
    const first = summarize(done(), fold, 3.14);
    const again = summarize(
      { ...done({ reused: true }), id: 'j2' },
      createBuildState(),
      0.2
    );
    expect(describeSummary(first)).toBe(
      'localhost/made:1 is built (podman, 3 s).'
    );
    expect(createOutput(again)).toEqual(createOutput(first));
    const { data } = createOutput(first);
    expect(data['text/plain']).toBe('localhost/made:1 is built (podman).');
    expect(parseSummary(data[BUILD_VIEW])).toMatchObject({
      cell: 'c1',
      image: 'localhost/made:1',
      state: 'done'
    });
  });

  it.each([
    [null],
    ['text'],
    [{}],
    [{ job: 1, state: 'done' }],
    [{ job: 'x' }],
    [{ job: 'x', state: 'exploded' }]
  ])('is none in %j', data => expect(parseSummary(data)).toBe(null));

  it('takes of a hostile file what can be shown', () => {
    const read = parseSummary({
      job: 'x',
      state: 'done',
      image: { toString: 'no' },
      seconds: 'many',
      steps: [null, { number: NaN, text: 7, state: 'owned', seconds: Infinity }]
    });
    expect(read).toMatchObject({ image: '', seconds: 0 });
    expect(read?.steps).toEqual([
      { number: 0, text: '', state: 'stopped', seconds: 0 }
    ]);
  });

  it.each([
    [job(), 'Building an image (podman) …'],
    [done({ reused: true }), 'localhost/made:1 is up to date (podman).'],
    [failed(), 'The build failed (podman).'],
    [job({ state: 'cancelled' }), 'The build was cancelled (podman).']
  ])('is one sentence', (one, said) => {
    expect(describeSummary(summarize(one, createBuildState(), 0))).toBe(said);
  });
});

describe('the error', () => {
  it('has the message, the last output once, and the hint', () => {
    const output = createErrorOutput(failed().error!);
    expect(output.ename).toBe('BuildFailed');
    expect(output.evalue).toBe(
      'Dockerfile line 2: RUN false ended with exit code 1.'
    );
    const text = output.traceback.join('\n');
    expect(text.match(/no way/g)).toHaveLength(1);
    expect(text).toContain('Look at the output.');
  });

  it('keeps the end of a long output, and no escapes but its own', () => {
    const tail = Array.from({ length: 99 }, (_, n) => `line ${String(n)}`);
    const { traceback } = createErrorOutput({
      type: 'X\u001b[2J',
      message: 'm',
      hint: '',
      tail: tail.join('\n')
    });
    expect(traceback[0]).not.toContain('\u001b[2J');
    expect(traceback[2]?.split('\n')).toEqual(tail.slice(-30));
  });
});
