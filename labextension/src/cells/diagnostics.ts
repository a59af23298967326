/** Remarks and failed lines as the editor's diagnostics. */

import type { Action, Diagnostic } from '@codemirror/lint';
import type { Text } from '@codemirror/state';

import type { IRemark } from '../api/types';
import { stripControls } from '../ui/format';
import type { IFailedLine } from './failedlines';

/**
 * The diagnostics of a cell, in the order of its lines. `actionsOf` makes the buttons below a
 * remark that is no error.
 */
export function createDiagnostics(
  doc: Text,
  remarks: readonly IRemark[],
  failed: IFailedLine | null,
  actionsOf: (code: string) => Action[]
): Diagnostic[] {
  const found: Diagnostic[] = remarks.map(remark => ({
    ...remarkDiagnostic(doc, remark),
    actions:
      remark.code && remark.level !== 'error' ? actionsOf(remark.code) : []
  }));
  if (failed) {
    found.push(failureDiagnostic(doc, failed));
  }
  return found.sort((a, b) => a.from - b.from || a.to - b.to);
}

function remarkDiagnostic(doc: Text, remark: IRemark): Diagnostic {
  const { level, code, message, url } = remark;
  const severity = level === 'style' ? 'hint' : level;
  return {
    ...range(doc, remark.line, remark.column),
    severity,
    message: stripControls(message),
    markClass: `jp-ContainersLint jp-mod-${severity}`,
    renderMessage: () => renderMessage(code, message, url)
  };
}

function failureDiagnostic(doc: Text, failed: IFailedLine): Diagnostic {
  return {
    ...range(doc, failed.line, 0),
    severity: 'error',
    message: stripControls(failed.message),
    markClass: 'jp-ContainersLint jp-mod-failed'
  };
}

/** The range from a column to the end of its line; the whole line without a column. */
function range(
  doc: Text,
  number: number,
  column: number
): { from: number; to: number } {
  const line = doc.line(Math.min(Math.max(number, 1), doc.lines));
  const indent = line.text.length - line.text.trimStart().length;
  const to = line.from + line.text.trimEnd().length;
  const from = line.from + Math.max(column - 1, indent);
  return from < to
    ? { from, to }
    : { from: Math.min(line.from + indent, to), to };
}

/** The message, with a link to the explanation of its rule. */
function renderMessage(
  code: string,
  message: string,
  url: string
): HTMLElement {
  const box = document.createElement('span');
  box.className = 'jp-ContainersLint-message';
  box.append(stripControls(message));
  if (code && isHttp(url)) {
    const link = document.createElement('a');
    link.href = url;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    link.textContent = stripControls(code);
    link.title = 'What this rule means, and why';
    box.append(' ', link);
  } else if (code) {
    box.append(` (${stripControls(code)})`);
  }
  return box;
}

function isHttp(url: string): boolean {
  return /^https?:\/\//i.test(url);
}
