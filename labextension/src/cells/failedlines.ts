/** The lines at which builds failed, which the editors mark. */

import type { CodeEditor } from '@jupyterlab/codeeditor';
import { Signal, type ISignal } from '@lumino/signaling';

import type { IServerError } from '../api/types';
import { cellLine } from './move';

/** A line of a cell that a build failed at. */
export interface IFailedLine {
  /** From 1. */
  readonly line: number;
  /** The text of the line: if it changes, the mark is removed. */
  readonly text: string;
  readonly message: string;
}

/** The failed lines of all cells; one for each application. */
export class FailedLines {
  private readonly lines = new WeakMap<CodeEditor.IModel, IFailedLine>();
  private readonly _changed = new Signal<this, CodeEditor.IModel>(this);

  /** Emitted when the mark of a cell changes. */
  get changed(): ISignal<this, CodeEditor.IModel> {
    return this._changed;
  }

  /** The failed line of a cell, unless it was edited. */
  get(model: CodeEditor.IModel): IFailedLine | null {
    const found = this.lines.get(model);
    const lines = model.sharedModel.getSource().split('\n');
    return found && lines[found.line - 1] === found.text ? found : null;
  }

  /** Mark the line of an error, if it has one. */
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
      this._changed.emit(model);
    }
  }

  /** Remove the mark of a cell. */
  clear(model: CodeEditor.IModel): void {
    if (this.lines.delete(model)) {
      this._changed.emit(model);
    }
  }
}
