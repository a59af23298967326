/** Finds, inserts and changes the Dockerfile cells of an open notebook. */

import type { Cell, ICellModel } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import { optionsOf } from './celloptions';
import { isDockerfileCell } from './highlight';

/**
 * The Dockerfile of a new cell, by the usual good practice: a pinned base, labels, one RUN that
 * removes its caches, a working directory.
 */
export const TEMPLATE = `%%dockerfile
# Run this cell, or all: the notebook then runs in what it describes.
FROM docker.io/library/python:3.12-slim

LABEL org.opencontainers.image.title="My analysis" \\
      org.opencontainers.image.description="What this notebook needs"

# Packages at fixed versions, so that it is the same next year. One RUN is one layer: what it
# removes again takes no room in the image.
RUN pip install --no-cache-dir \\
      numpy==2.3.3 \\
      pandas==2.3.2 \\
 && rm -rf /root/.cache /tmp/*

WORKDIR /work
`;

/** The range of the base image's name in a cell, which the user changes first. */
export function baseRange(
  source: string
): { line: number; from: number; to: number } | null {
  const lines = source.split('\n');
  const line = lines.findIndex(text => text.startsWith('FROM '));
  const to = lines[line]?.length ?? 0;
  return line < 0 ? null : { line, from: 'FROM '.length, to };
}

/** A Dockerfile cell on an image, with a line to begin with. */
export function cellOn(image: string): string {
  return `%%dockerfile\nFROM ${image}\n\n# RUN pip install --no-cache-dir pandas`;
}

/** The Dockerfile cells of a notebook, in order. */
export function dockerfileCellsOf(panel: NotebookPanel): ICellModel[] {
  return [...(panel.content.model?.cells ?? [])].filter(
    cell => cell.type === 'code' && isDockerfileCell(cell.sharedModel.source)
  );
}

/** The cells that move the notebook into what they build; the last one decides. */
export function movingCellsOf(panel: NotebookPanel): ICellModel[] {
  return dockerfileCellsOf(panel).filter(
    ({ sharedModel }) => !optionsOf(sharedModel.source).includes('--no-switch')
  );
}

/**
 * Those of them that say an option: Run All runs all, so the last of these decides unless a later
 * run of another one does.
 */
export function cellsSaying(
  panel: NotebookPanel,
  option: string
): ICellModel[] {
  return movingCellsOf(panel).filter(({ sharedModel }) =>
    optionsOf(sharedModel.source).includes(option)
  );
}

/** Replace a cell's text, as one step that Undo takes back. */
export function setCellSource(cell: ICellModel, source: string): void {
  cell.sharedModel.transact(() => cell.sharedModel.setSource(source));
}

/**
 * Insert a Dockerfile cell: at the top if there is none so far, else above the active cell. The
 * name of its base image is selected, for the user to change.
 */
export function insertDockerfileCell(
  panel: NotebookPanel,
  source: string
): Cell | null {
  const notebook = panel.content;
  if (dockerfileCellsOf(panel).length === 0) {
    notebook.activeCellIndex = 0;
  }
  NotebookActions.insertAbove(notebook);
  const cell = notebook.activeCell;
  if (!cell) {
    return null;
  }
  if (cell.model.type !== 'code') {
    NotebookActions.changeCellType(notebook, 'code');
  }
  setCellSource(cell.model, source.trimEnd());
  notebook.mode = 'edit';
  const range = baseRange(source);
  void cell.ready.then(() => {
    if (range && !cell.isDisposed) {
      const { line, from, to } = range;
      cell.editor?.setSelection({
        start: { line, column: from },
        end: { line, column: to }
      });
    }
    cell.editor?.focus();
  });
  return cell;
}

/** Make a cell the active one, and scroll to it. */
export async function showCell(
  panel: NotebookPanel,
  id: string
): Promise<void> {
  const notebook = panel.content;
  const index = notebook.widgets.findIndex(({ model }) => model.id === id);
  if (index >= 0) {
    notebook.activeCellIndex = index;
    notebook.deselectAll();
    await notebook.scrollToItem(index, 'start');
  }
}
