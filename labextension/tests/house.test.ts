/** The order of `src`: no circle, no two files of one name, no fragments, a docstring on each export. */

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const SRC = `${ts.sys.getCurrentDirectory()}/labextension/src`;

/** A module that is shorter and has one importer belongs into that importer. */
const SHORT = 60;

const modules = new Map(
  ts.sys
    .readDirectory(SRC, ['.ts', '.tsx'])
    .map(path => [path, ts.sys.readFile(path) ?? ''])
);

/** The modules of ours that a module imports. */
function importsOf(path: string): string[] {
  const { importedFiles } = ts.preProcessFile(modules.get(path) ?? '');
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => {
      const stem = ts.sys.resolvePath(`${path}/../${fileName}`);
      const found = [`${stem}.ts`, `${stem}.tsx`, `${stem}/index.ts`].find(
        name => modules.has(name)
      );
      if (!found) {
        throw new Error(`${path} imports ${fileName}, which is no module.`);
      }
      return found;
    });
}

/** Modules that import each other, by way of others: each circle once, from its first module. */
function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, above: readonly string[]): void => {
    const start = above.indexOf(path);
    if (start >= 0) {
      found.push([...above.slice(start), path].map(short).join(' -> '));
    }
    if (start < 0 && !done.has(path)) {
      importsOf(path).forEach(next => visit(next, [...above, path]));
      done.add(path);
    }
  };
  [...modules.keys()].forEach(path => visit(path, []));
  return found;
}

function short(path: string): string {
  return path.slice(SRC.length + 1);
}

/** Exported declarations without a docstring. */
function undocumented(path: string): string[] {
  const source = ts.createSourceFile(
    path,
    modules.get(path) ?? '',
    ts.ScriptTarget.Latest,
    true
  );
  return source.statements
    .filter(
      node =>
        ts.canHaveModifiers(node) &&
        ts
          .getModifiers(node)
          ?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    )
    .filter(node => ts.getJSDocCommentsAndTags(node).length === 0)
    .map(node => `${short(path)}: ${node.getText().split('\n', 1)[0] ?? ''}`);
}

describe('the modules of src', () => {
  it('import each other in no circle', () => {
    expect(modules.size).toBeGreaterThan(40);
    expect(circles()).toEqual([]);
  });

  it('have names of their own', () => {
    const names = [...modules.keys()]
      .map(path => path.replace(/^.*\/|\.tsx?$/g, ''))
      .filter(name => name !== 'index');
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it('are longer than a fragment where only one other uses them', () => {
    const importers = new Map<string, number>();
    for (const path of modules.keys()) {
      for (const other of new Set(importsOf(path))) {
        importers.set(other, (importers.get(other) ?? 0) + 1);
      }
    }
    const fragments = [...modules].filter(
      ([path, text]) =>
        importers.get(path) === 1 && text.split('\n').length <= SHORT
    );
    expect(fragments.map(([path]) => short(path))).toEqual([]);
  });

  it('say what each export is', () => {
    expect([...modules.keys()].flatMap(undocumented)).toEqual([]);
  });

  it('talk to the server by the one Api of index.ts', () => {
    const having = (text: RegExp) =>
      [...modules]
        .filter(([, source]) => text.test(source))
        .map(([path]) => short(path));
    expect(having(/\bnew (Api|Requests)\(/)).toEqual(['index.ts']);
    expect(
      having(/\b(makeRequest|makeSettings|XMLHttpRequest)\b|\bfetch\(['"`]/)
    ).toEqual(['api/request.ts']);
  });
});
