import { EditorState, Text } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { forEachDiagnostic } from '@codemirror/lint';
import { CodeCellModel } from '@jupyterlab/cells';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { IRemark } from '../../src/api/types';
import { createDiagnostics } from '../../src/cells/diagnostics';
import { FailedLines } from '../../src/cells/failedlines';
import { CellLinter } from '../../src/cells/lint';
import { FakeServer, type Handler } from './fakes';

const SOURCE = '%%dockerfile\n  FROM a  \nRUN b';

function remark(rest: Partial<IRemark> = {}): IRemark {
  return {
    line: 2,
    column: 1,
    level: 'warning',
    code: 'DL1',
    message: 'Pin it.',
    url: 'https://example.org/DL1',
    ...rest
  };
}

describe('a remark', () => {
  const doc = Text.of(SOURCE.split('\n'));
  const shown = (one: IRemark) => {
    const found = createDiagnostics(doc, [one], null)[0]!;
    return { ...found, text: doc.sliceString(found.from, found.to) };
  };

  it('stands under its line, without the blanks around it', () => {
    expect(shown(remark()).text).toBe('FROM a');
    expect(shown(remark({ column: 8 })).text).toBe('a');
    expect(shown(remark({ line: 99 })).text).toBe('RUN b');
    expect(shown(remark({ line: 0, column: 0 })).text).toBe('%%dockerfile');
  });

  it('links to what explains it', () => {
    const node = shown(remark()).renderMessage?.({} as EditorView) as Element;
    const link = node.querySelector('a');
    expect(link?.href).toBe('https://example.org/DL1');
    expect(link?.textContent).toBe('DL1');
    expect(node.textContent).toContain('Pin it.');
  });

  it('is text, and links nowhere but to the web', () => {
    const evil = remark({
      message: '<img src=x onerror=alert(1)>',
      url: 'javascript:alert(1)'
    });
    const node = shown(evil).renderMessage?.({} as EditorView) as Element;
    expect(node.querySelector('img, a')).toBe(null);
    expect(node.textContent).toContain('<img');
  });
});

describe('as one types', () => {
  let view: EditorView;
  let model: CodeCellModel;
  let marks: FailedLines;

  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    view.destroy();
    vi.useRealTimers();
  });

  function open(source: string, lint: Handler) {
    const server = new FakeServer({ 'POST lint': lint });
    model = new CodeCellModel();
    model.sharedModel.setSource(source);
    marks = new FailedLines();
    view = new EditorView({ state: EditorState.create({ doc: source }) });
    const linting = new CellLinter(view, model, {
      api: server.api,
      failedLines: marks,
      pathOf: () => 'a.ipynb'
    });
    const type = (text: string) => {
      const end = view.state.doc.length;
      view.dispatch({ changes: { from: end, insert: text } });
      linting.update({ docChanged: true } as never);
    };
    return { server, linting, type };
  }

  function found(): string[] {
    const all: string[] = [];
    forEachDiagnostic(view.state, one => all.push(one.message));
    return all;
  }

  it('asks once it is quiet, and shows what is said', async () => {
    const { server, type } = open(SOURCE, () => [200, { remarks: [remark()] }]);
    await vi.advanceTimersByTimeAsync(400);
    type('c');
    await vi.advanceTimersByTimeAsync(400);
    expect(server.asked).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(200);
    expect(server.asked.map(one => one.body)).toEqual([
      { path: 'a.ipynb', source: `${SOURCE}c` }
    ]);
    expect(found()).toEqual(['Pin it.']);
  });

  it('gives up a question that is superseded', async () => {
    const { server, type } = open(SOURCE, () => new Promise(() => undefined));
    await vi.advanceTimersByTimeAsync(600);
    type('c');
    expect(server.asked[0]?.signal?.aborted).toBe(true);
  });

  it('marks the magic where its options are wrong', async () => {
    open(SOURCE, () => [
      400,
      { type: 'BadInput', message: 'No such option.', hint: 'Write …' }
    ]);
    await vi.advanceTimersByTimeAsync(600);
    expect(found()).toEqual(['No such option. Write …']);
  });

  it('asks nothing of another cell, and takes its remarks away', async () => {
    const { server, type } = open('print(1)', () => [200, { remarks: [] }]);
    type('\n');
    await vi.advanceTimersByTimeAsync(2000);
    expect(server.asked).toHaveLength(0);
  });

  it('shows the line that a build failed at, beside the remarks', async () => {
    open(SOURCE, () => [200, { remarks: [remark()] }]);
    await vi.advanceTimersByTimeAsync(600);
    const error = { type: 'X', message: 'It failed.\nx', hint: '', line: 2 };
    marks.set(model, error);
    expect(found()).toEqual(['Pin it.', 'It failed.']);
    marks.clear(model);
    expect(found()).toEqual(['Pin it.']);
  });
});
