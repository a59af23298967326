/** Remarks and failed lines as the editor's diagnostics. */

import type { Diagnostic } from '@codemirror/lint';
import type { Text } from '@codemirror/state';

import { plain } from '../ui/format';
import type { IRemark } from '../api/types';
import type { IFailedLine } from './failedlines';

/** All that is to be shown in a cell, in the order of its lines. */
export function diagnose(
  doc: Text,
  remarks: readonly IRemark[],
  failed: IFailedLine | null
): Diagnostic[] {
  const found = remarks.map(remark => ofRemark(doc, remark));
  if (failed) {
    found.push(ofFailure(doc, failed));
  }
  return found.sort((a, b) => a.from - b.from || a.to - b.to);
}

function ofRemark(doc: Text, remark: IRemark): Diagnostic {
  const { level, code, message, url } = remark;
  const severity = level === 'style' ? 'hint' : level;
  return {
    ...range(doc, remark.line, remark.column),
    severity,
    message: plain(message),
    markClass: `jp-ContainersLint jp-mod-${severity}`,
    renderMessage: () => rendered(code, message, url)
  };
}

function ofFailure(doc: Text, failed: IFailedLine): Diagnostic {
  return {
    ...range(doc, failed.line, 0),
    severity: 'error',
    message: plain(failed.message),
    markClass: 'jp-ContainersLint jp-mod-failed'
  };
}

/** From a column to the line's last word; the whole line where the column says nothing. */
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

/** The message, and its rule as a link to what explains it. */
function rendered(code: string, message: string, url: string): HTMLElement {
  const box = document.createElement('span');
  box.className = 'jp-ContainersLint-message';
  box.append(plain(message));
  if (code && isWeb(url)) {
    const link = document.createElement('a');
    link.href = url;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    link.textContent = plain(code);
    link.title = 'What this rule means, and why';
    box.append(' ', link);
  } else if (code) {
    box.append(` (${plain(code)})`);
  }
  return box;
}

function isWeb(url: string): boolean {
  return /^https?:\/\//i.test(url);
}
