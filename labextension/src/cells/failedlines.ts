/** The instructions that failed, to be marked in their cells. */

import type { CodeEditor } from '@jupyterlab/codeeditor';
import { Signal, type ISignal } from '@lumino/signaling';

import type { IServerError } from '../api/types';
import { cellLine } from './move';

/** A line of a cell that a build failed at. */
export interface IFailedLine {
  /** From 1. */
  readonly line: number;
  /** What stood there: where it was changed, the mark has no meaning any more. */
  readonly text: string;
  readonly message: string;
}

/** One per application; the builder writes, the editors' extension reads. */
export class FailedLines {
  private readonly lines = new WeakMap<CodeEditor.IModel, IFailedLine>();
  private readonly signal = new Signal<this, CodeEditor.IModel>(this);

  /** The marks of a cell are other ones now. */
  get changed(): ISignal<this, CodeEditor.IModel> {
    return this.signal;
  }

  /** The failed line of a cell, while it stands as it did. */
  get(model: CodeEditor.IModel): IFailedLine | null {
    const found = this.lines.get(model);
    const lines = model.sharedModel.getSource().split('\n');
    return found && lines[found.line - 1] === found.text ? found : null;
  }

  /** Mark what an error blames; nothing where it names no line. */
  set(model: CodeEditor.IModel, error: IServerError): void {
    if (!error.line || model.isDisposed) {
      return;
    }
    const source = model.sharedModel.getSource();
    const line = cellLine(source, error.line);
    const text = source.split('\n')[line - 1];
    if (text !== undefined) {
      const message = error.message.split('\n', 1)[0] ?? '';
      this.lines.set(model, { line, text, message });
      this.signal.emit(model);
    }
  }

  /** Forget them. */
  clear(model: CodeEditor.IModel): void {
    if (this.lines.delete(model)) {
      this.signal.emit(model);
    }
  }
}
