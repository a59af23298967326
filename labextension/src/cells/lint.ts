/** Lints Dockerfile cells while they are edited, and marks the line that a build failed at. */

import { type Action, setDiagnostics } from '@codemirror/lint';
import { ViewPlugin, type EditorView, type ViewUpdate } from '@codemirror/view';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import {
  EditorExtensionRegistry,
  type IEditorExtensionFactory
} from '@jupyterlab/codemirror';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import type { Api } from '../api/api';
import { RequestError } from '../api/request';
import type { IRemark } from '../api/types';
import { isDockerfileCell } from '../notebook/highlight';
import { createDiagnostics } from './diagnostics';
import type { FailedLines } from './failedlines';
import type { LintRules } from './lintrules';
import { cellLine } from './move';

/** Milliseconds after the last key before a cell is linted. */
const LINT_DELAY = 500;

/** JupyterLab's command that opens its settings, and the title of ours, which its search finds. */
const OPEN_SETTINGS = 'settingeditor:open';
const RULES = 'Remarks on Dockerfile cells that are switched off';

/** The services that linting needs. */
export interface ILintContext {
  readonly api: Api;
  readonly failedLines: FailedLines;
  readonly rules: LintRules;
  readonly trans: TranslationBundle;
  /** The path of the notebook of a cell; undefined outside of notebooks. */
  readonly pathOf: (model: CodeEditor.IModel) => string | undefined;
  readonly commands: CommandRegistry;
}

/** Lints the cell of one editor. */
export class CellLinter {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private request: AbortController | null = null;
  private remarks: readonly IRemark[] = [];
  private shown = false;

  constructor(
    private readonly view: EditorView,
    private readonly model: CodeEditor.IModel,
    private readonly context: ILintContext
  ) {
    context.failedLines.changed.connect(this.onFailedLine);
    context.rules.changed.connect(this.onRules);
    this.schedule();
  }

  /** Called by the editor. */
  update(update: ViewUpdate): void {
    if (update.docChanged) {
      this.schedule();
    }
  }

  /** Called by the editor when it is removed. */
  destroy(): void {
    clearTimeout(this.timer);
    this.request?.abort();
    this.context.failedLines.changed.disconnect(this.onFailedLine);
    this.context.rules.changed.disconnect(this.onRules);
  }

  private schedule(): void {
    clearTimeout(this.timer);
    this.request?.abort();
    this.request = null;
    if (this.shown || isDockerfileCell(this.source)) {
      this.timer = setTimeout(() => {
        void this.lint();
      }, LINT_DELAY);
    }
  }

  private get source(): string {
    return this.view.state.doc.toString();
  }

  private async lint(): Promise<void> {
    const { source } = this;
    if (!isDockerfileCell(source)) {
      this.remarks = [];
      this.showDiagnostics();
      return;
    }
    const path = this.context.pathOf(this.model);
    if (path === undefined) {
      return;
    }
    const request = new AbortController();
    this.request = request;
    try {
      const { api, rules } = this.context;
      const { signal } = request;
      const remarks = await api.lint(path, source, rules.ignored, signal);
      if (!request.signal.aborted) {
        this.remarks = remarks;
        this.showDiagnostics();
      }
    } catch (error) {
      // Other errors mean a newer request or no server: the build will report what is wrong.
      if (error instanceof RequestError && error.status === 400) {
        this.remarks = [magicError(source, error)];
        this.showDiagnostics();
      }
    }
  }

  private readonly onRules = () => {
    this.schedule();
  };

  private readonly onFailedLine = (
    _: FailedLines,
    model: CodeEditor.IModel
  ) => {
    if (model === this.model) {
      this.showDiagnostics();
    }
  };

  private showDiagnostics(): void {
    const { state } = this.view;
    const failed = this.context.failedLines.get(this.model);
    const found = createDiagnostics(state.doc, this.remarks, failed, code =>
      this.actions(code)
    );
    if (found.length > 0 || this.shown) {
      this.shown = found.length > 0;
      this.view.dispatch(setDiagnostics(state, found));
    }
  }

  private actions(code: string): Action[] {
    const { commands, rules, trans } = this.context;
    const off = {
      name: trans.__('Switch off %1', code),
      apply: () => void rules.switchOff(code)
    };
    if (!commands.hasCommand(OPEN_SETTINGS)) {
      return [off];
    }
    const open = () => void commands.execute(OPEN_SETTINGS, { query: RULES });
    return [off, { name: trans.__('Settings'), apply: open }];
  }
}

/** The remark for an error in the magic's line. */
function magicError(source: string, error: RequestError): IRemark {
  return {
    line: cellLine(source, 0),
    column: 0,
    level: 'error',
    code: '',
    message: `${error.message} ${error.hint}`.trim(),
    url: ''
  };
}

/** The editor extension, for JupyterLab's registry. */
export function lintExtension(context: ILintContext): IEditorExtensionFactory {
  return {
    name: 'jupyter-containers:lint',
    factory: ({ model }) =>
      'type' in model && model.type === 'code'
        ? EditorExtensionRegistry.createImmutableExtension(
            ViewPlugin.define(view => new CellLinter(view, model, context))
          )
        : null
  };
}
