/** Remarks on Dockerfile cells as they are typed, and the line that a build failed at. */

import { setDiagnostics } from '@codemirror/lint';
import { ViewPlugin, type EditorView, type ViewUpdate } from '@codemirror/view';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import {
  EditorExtensionRegistry,
  type IEditorExtensionFactory
} from '@jupyterlab/codemirror';

import type { Api } from '../api/api';
import { isDockerfileCell } from '../notebook/highlight';
import { RequestError } from '../api/request';
import type { IRemark } from '../api/types';
import { cellLine } from './move';
import { diagnose } from './diagnostics';
import type { FailedLines } from './failedlines';

/** Milliseconds without a key after which a cell is looked at. */
const DELAY = 500;

/** What the remarks of editors come from. */
export interface ILintParts {
  readonly api: Api;
  readonly marks: FailedLines;
  /** The path of the notebook that a cell stands in; undefined where it is in none. */
  readonly pathOf: (model: CodeEditor.IModel) => string | undefined;
}

/** The remarks on one editor's text. */
export class Linting {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private request: AbortController | null = null;
  private remarks: readonly IRemark[] = [];
  private shown = false;

  constructor(
    private readonly view: EditorView,
    private readonly model: CodeEditor.IModel,
    private readonly parts: ILintParts
  ) {
    parts.marks.changed.connect(this.onMarks);
    this.schedule();
  }

  /** Called by the editor. */
  update(update: ViewUpdate): void {
    if (update.docChanged) {
      this.schedule();
    }
  }

  /** Called by the editor when it goes. */
  destroy(): void {
    clearTimeout(this.timer);
    this.request?.abort();
    this.parts.marks.changed.disconnect(this.onMarks);
  }

  private schedule(): void {
    clearTimeout(this.timer);
    this.request?.abort();
    this.request = null;
    if (this.shown || isDockerfileCell(this.source)) {
      this.timer = setTimeout(() => {
        void this.look();
      }, DELAY);
    }
  }

  private get source(): string {
    return this.view.state.doc.toString();
  }

  private async look(): Promise<void> {
    const { source } = this;
    if (!isDockerfileCell(source)) {
      this.remarks = [];
      this.show();
      return;
    }
    const path = this.parts.pathOf(this.model);
    if (path === undefined) {
      return;
    }
    const request = new AbortController();
    this.request = request;
    try {
      const remarks = await this.parts.api.lint(path, source, request.signal);
      if (!request.signal.aborted) {
        this.remarks = remarks;
        this.show();
      }
    } catch (error) {
      // Otherwise it is superseded, or nobody is there to ask: the build will tell what is wrong.
      if (error instanceof RequestError && error.status === 400) {
        this.remarks = [refused(source, error)];
        this.show();
      }
    }
  }

  private readonly onMarks = (_: FailedLines, model: CodeEditor.IModel) => {
    if (model === this.model) {
      this.show();
    }
  };

  private show(): void {
    const { state } = this.view;
    const failed = this.parts.marks.get(this.model);
    const found = diagnose(state.doc, this.remarks, failed);
    if (found.length > 0 || this.shown) {
      this.shown = found.length > 0;
      this.view.dispatch(setDiagnostics(state, found));
    }
  }
}

/** What is wrong with the magic's own line. */
function refused(source: string, error: RequestError): IRemark {
  return {
    line: cellLine(source, 0),
    column: 0,
    level: 'error',
    code: '',
    message: `${error.message} ${error.hint}`.trim(),
    url: ''
  };
}

/** The extension of editors, for JupyterLab's registry. */
export function lintExtension(parts: ILintParts): IEditorExtensionFactory {
  return {
    name: 'jupyter-containers:lint',
    factory: ({ model }) =>
      'type' in model && model.type === 'code'
        ? EditorExtensionRegistry.createImmutableExtension(
            ViewPlugin.define(view => new Linting(view, model, parts))
          )
        : null
  };
}
