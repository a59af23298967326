import { EditorState, Text } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { forEachDiagnostic } from '@codemirror/lint';
import { CodeCellModel } from '@jupyterlab/cells';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import schema from '../../schema/plugin.json';
import type { IRemark } from '../../src/api/types';
import { createDiagnostics } from '../../src/cells/diagnostics';
import { FailedLines } from '../../src/cells/failedlines';
import { CellLinter } from '../../src/cells/lint';
import { LintRules } from '../../src/cells/lintrules';
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
  const actions = (name: string) => [{ name, apply: () => undefined }];
  const shown = (one: IRemark) => {
    const found = createDiagnostics(doc, [one], null, actions)[0]!;
    return { ...found, text: doc.sliceString(found.from, found.to) };
  };

  it('stands under its line, without the blanks around it', () => {
    expect(shown(remark()).text).toBe('FROM a');
    expect(shown(remark({ column: 8 })).text).toBe('a');
    expect(shown(remark({ line: 99 })).text).toBe('RUN b');
    expect(shown(remark({ line: 0, column: 0 })).text).toBe('%%dockerfile');
  });

  it('can be switched off, unless it is an error', () => {
    expect(shown(remark()).actions?.map(one => one.name)).toEqual(['DL1']);
    expect(shown(remark({ level: 'error' })).actions).toEqual([]);
    expect(shown(remark({ code: '' })).actions).toEqual([]);
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

/** JupyterLab's settings, with our one alone. */
class FakeSettings {
  readonly changed = new Signal<this, undefined>(this);

  constructor(private codes: readonly string[]) {}

  get(): { composite: readonly string[] } {
    return { composite: this.codes };
  }

  set(_: string, codes: readonly string[]): Promise<void> {
    this.codes = codes;
    this.changed.emit(undefined);
    return Promise.resolve();
  }
}

describe('as one types', () => {
  let view: EditorView;
  let model: CodeCellModel;
  let marks: FailedLines;
  let rules: LintRules;
  let commands: CommandRegistry;

  beforeEach(() => {
    commands = new CommandRegistry();
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
    rules = new LintRules();
    view = new EditorView({ state: EditorState.create({ doc: source }) });
    const linting = new CellLinter(view, model, {
      api: server.api,
      failedLines: marks,
      rules,
      trans: nullTranslator.load(''),
      commands,
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

  it('says nothing of rules that are off, and asks again when one is', async () => {
    const { server } = open(SOURCE, () => [200, { remarks: [remark()] }]);
    const settings = new FakeSettings(['DL9']);
    rules.use(settings as unknown as ISettingRegistry.ISettings);
    await vi.advanceTimersByTimeAsync(600);
    forEachDiagnostic(view.state, ({ actions }, from, to) => {
      expect(actions?.map(one => one.name)).toEqual(['Switch off DL1']);
      actions?.[0]?.apply(view, from, to);
    });
    await vi.advanceTimersByTimeAsync(600);
    const bodies = server.asked.map(one => one.body);
    expect(bodies).toMatchObject([
      { ignored: ['DL9'] },
      { ignored: ['DL1', 'DL9'] }
    ]);
  });

  it('leads to the setting with the rules', async () => {
    const execute = vi.fn();
    commands.addCommand('settingeditor:open', { execute });
    open(SOURCE, () => [200, { remarks: [remark()] }]);
    await vi.advanceTimersByTimeAsync(600);
    forEachDiagnostic(view.state, ({ actions }, from, to) => {
      expect(actions?.map(one => one.name)).toEqual([
        'Switch off DL1',
        'Settings'
      ]);
      actions?.[1]?.apply(view, from, to);
    });
    const query = schema.properties.lintIgnored.title;
    expect(execute).toHaveBeenCalledWith({ query });
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
