/** The cells whose whole text was typed in this page. */

import type { Transaction } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import {
  EditorExtensionRegistry,
  type IEditorExtensionFactory
} from '@jupyterlab/codemirror';

interface ITyped {
  /** The text that was there at the last look. */
  source: string;
  isTyped: boolean;
}

/**
 * The cells whose whole text was typed in this page.
 *
 * A cell counts that was empty when its editor was made, and has changed by the user's typing,
 * pasting and deleting since then. What a kernel sets (`set_next_input`), another person types, or
 * undo brings back reaches the editor without a user event of CodeMirror.
 */
export class TypedCells {
  private readonly cells = new WeakMap<CodeEditor.IModel, ITyped>();

  /** Whether the cell's text, as it is now, was typed here. */
  has(model: CodeEditor.IModel): boolean {
    const cell = this.cells.get(model);
    return (
      cell !== undefined &&
      cell.isTyped &&
      cell.source === model.sharedModel.getSource()
    );
  }

  /** An editor is made for the cell, also when it comes into view again. */
  watch(model: CodeEditor.IModel): void {
    const source = model.sharedModel.getSource();
    const cell = this.cells.get(model);
    const isTyped = cell
      ? cell.isTyped && cell.source === source
      : source === '';
    this.cells.set(model, { source, isTyped });
  }

  /** The editor's text has changed. */
  update(
    model: CodeEditor.IModel,
    source: string,
    transactions: readonly Transaction[]
  ): void {
    const cell = this.cells.get(model);
    if (cell) {
      cell.source = source;
      cell.isTyped &&= transactions.every(isByUser);
    }
  }
}

function isByUser(transaction: Transaction): boolean {
  return (
    !transaction.docChanged ||
    ['input', 'delete', 'move'].some(event => transaction.isUserEvent(event))
  );
}

/** The editor extension, for JupyterLab's registry. */
export function typedCellsExtension(
  cells: TypedCells
): IEditorExtensionFactory {
  return {
    name: 'jupyter-containers:typed-cells',
    factory: ({ model }) => {
      if (!('type' in model) || model.type !== 'code') {
        return null;
      }
      cells.watch(model);
      return EditorExtensionRegistry.createImmutableExtension(
        EditorView.updateListener.of(update => {
          if (update.docChanged) {
            const source = update.state.doc.toString();
            cells.update(model, source, update.transactions);
          }
        })
      );
    }
  };
}
