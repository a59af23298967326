import { CodeCellModel } from '@jupyterlab/cells';
import { CodeEditor } from '@jupyterlab/codeeditor';
import { classHighlighter, highlightTree } from '@lezer/highlight';
import { describe, expect, it } from 'vitest';

import { DOCKERFILE_CELL } from '../../src/constants';
import {
  dockerfileCellLanguage,
  dockerfileCellWatcher,
  isDockerfileCell
} from '../../src/notebook/highlight';

const PYTHON = 'text/x-ipython';

function cell(source: string): CodeCellModel {
  const model = new CodeCellModel();
  model.mimeType = PYTHON;
  model.sharedModel.setSource(source);
  dockerfileCellWatcher.factory({ inline: true, model });
  return model;
}

describe('isDockerfileCell', () => {
  it.each([
    '%%dockerfile',
    '%%dockerfile -t me/image\nFROM scratch',
    '\n  %%dockerfile\nFROM scratch'
  ])('takes %j', source => expect(isDockerfileCell(source)).toBe(true));

  it.each([
    '',
    '%%dockerfiles',
    '%dockerfile',
    '# %%dockerfile',
    'x\n%%dockerfile'
  ])('leaves %j', source => expect(isDockerfileCell(source)).toBe(false));
});

describe('the watcher', () => {
  it('leaves a Python cell alone', () => {
    expect(cell('import os').mimeType).toBe(PYTHON);
  });

  it('follows the source as it is typed', () => {
    const model = cell('%%docker');
    expect(model.mimeType).toBe(PYTHON);
    model.sharedModel.setSource('%%dockerfile\nFROM scratch');
    expect(model.mimeType).toBe(DOCKERFILE_CELL);
    model.sharedModel.setSource('print(1)');
    expect(model.mimeType).toBe(PYTHON);
  });

  it('keeps a Dockerfile cell when the kernel changes, and gives back the new type', () => {
    const model = cell('%%dockerfile');
    model.mimeType = 'text/x-julia';
    expect(model.mimeType).toBe(DOCKERFILE_CELL);
    model.sharedModel.setSource('1 + 1');
    expect(model.mimeType).toBe('text/x-julia');
  });

  it('leaves the file editor alone', () => {
    const model = new CodeEditor.Model({ mimeType: PYTHON });
    model.sharedModel.setSource('%%dockerfile');
    dockerfileCellWatcher.factory({ inline: true, model });
    expect(model.mimeType).toBe(PYTHON);
  });
});

describe('the language', () => {
  const classes = (source: string): [string, string][] => {
    const found: [string, string][] = [];
    const tree = dockerfileCellLanguage.support!.language.parser.parse(source);
    highlightTree(tree, classHighlighter, (from, to, name) =>
      found.push([source.slice(from, to), name])
    );
    return found;
  };

  it('shows the magic, instructions and comments', () => {
    const found = classes('%%dockerfile -t me\nFROM scratch\n# why\nRUN true');
    expect(found).toContainEqual(['%%dockerfile -t me', 'tok-meta']);
    expect(found).toContainEqual(['FROM', 'tok-keyword']);
    expect(found).toContainEqual(['# why', 'tok-comment']);
    expect(found).toContainEqual(['RUN', 'tok-keyword']);
  });

  it('takes a blank line before the magic', () => {
    expect(classes('\n%%dockerfile\nFROM a')).toContainEqual([
      '%%dockerfile',
      'tok-meta'
    ]);
  });
});
