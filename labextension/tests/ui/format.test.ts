import { describe, expect, it } from 'vitest';

import { mountForFolder } from '../../src/commands/foldercommands';
import { kernelSpecName, suggestTitle } from '../../src/models/images';
import {
  basename,
  formatAge,
  formatBytes,
  formatDuration,
  formatInstruction,
  formatPlacement,
  imageName,
  percent,
  shortImage,
  stripControls
} from '../../src/ui/format';

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [1024 * 1024 - 1, '1 MiB'],
  [1234567890, '1.1 GiB'],
  [-5, '0 B']
])('%d bytes are %s', (count, said) => expect(formatBytes(count)).toBe(said));

it.each([
  [0.4, '0 s'],
  [59.6, '1 min'],
  [125, '2 min 5 s'],
  [7200, '2 h'],
  [7260, '2 h 1 min']
])('%d seconds are %s', (seconds, said) =>
  expect(formatDuration(seconds)).toBe(said)
);

it.each([
  [{ node: 'n1', ends: 7260 }, '12 on n1, 2 h 1 min left'],
  [{ node: 'n1', ends: null }, '12 on n1'],
  [{ node: null, ends: null }, '12'],
  [{ node: 'n1', ends: -5 }, '12 on n1, 0 s left']
])('a job %o is %s', (at, said) =>
  expect(formatPlacement({ job: '12', warning: null, ...at }, 0)).toBe(said)
);

describe('age', () => {
  const now = Date.parse('2026-11-24T00:00:00Z');
  it.each([
    ['2026-11-23T23:59:50Z', 'just now'],
    ['2026-11-23T22:00:00Z', '2 hours'],
    ['2026-11-01T00:00:00Z', '3 weeks'],
    ['2020-01-01T00:00:00Z', '6 years'],
    ['0001-01-01T00:00:00Z', ''],
    ['nonsense', ''],
    ['', '']
  ])('%s is %s', (iso, said) => expect(formatAge(iso, now)).toBe(said));
});

it('takes out what would change how text reads', () => {
  expect(stripControls('a\u202e\u2066b\u0000\u001b[31mc\n\td\u200b')).toBe(
    'ab[31mc\n\td'
  );
});

it.each([
  ['docker.io/library/python:3', 'python:3', 'python:3'],
  ['docker.io/org/a:1', 'org/a:1', 'a:1'],
  ['ghcr.io/org/a:1', 'ghcr.io/org/a:1', 'a:1'],
  [`sha256:${'a'.repeat(64)}`, `sha256:${'a'.repeat(12)}…`, undefined],
  [
    `quay.io/a@sha256:${'b'.repeat(64)}`,
    `quay.io/a@${'b'.repeat(12)}…`,
    undefined
  ]
])('%s is %s, in little room %s', (reference, short, tiny) => {
  expect(shortImage(reference)).toBe(short);
  if (tiny !== undefined) {
    expect(imageName(reference)).toBe(tiny);
  }
});

it('keeps shares within a hundred', () => {
  expect(percent(1, 0)).toBe(0);
  expect(percent(5, 2)).toBe(100);
  expect(percent(1, 3)).toBe(33);
});

it.each([
  ['ghcr.io/org/Lab:1.4', 'Lab 1.4', 'lab-1.4'],
  ['docker.io/library/python:latest', 'python', 'python'],
  [`a@sha256:${'b'.repeat(64)}`, 'a', 'a'],
  ['', 'Container', 'container']
])('suggests a name for the kernel of %s: %s', (reference, title, name) => {
  expect(suggestTitle(reference)).toBe(title);
  expect(kernelSpecName(title)).toBe(name);
});

it('makes a name of a kernel spec of whatever people call it', () => {
  expect(kernelSpecName(' My “lab”, 1.4! ')).toBe('my-lab-1.4');
  expect(kernelSpecName('Анализ')).toBe('container');
});

it.each([
  ['n.ipynb', 'data', 'data', '/mnt/data'],
  ['work/n.ipynb', 'data/big', '../data/big', '/mnt/big'],
  ['work/n.ipynb', 'work', '.', '/mnt/work'],
  ['n.ipynb', 'a b', 'a b', '/mnt/a-b']
])('mounts for %s the folder %s', (notebook, folder, source, target) => {
  expect(mountForFolder(notebook, folder)).toEqual({
    source,
    target,
    writable: false
  });
});

it.each([
  ['/bin/sh -c #(nop)  CMD ["python3"]', 'CMD ["python3"]'],
  ['/bin/sh -c apt-get update', 'RUN apt-get update'],
  ['RUN /bin/sh -c pip install x # buildkit', 'RUN pip install x'],
  ['COPY a b # buildkit', 'COPY a b'],
  ["|2 A=/run/s B='a b' /bin/sh -c echo a", 'RUN echo a'],
  ['', '']
])('%j was made by %j', (made, said) =>
  expect(formatInstruction(made)).toBe(said)
);

it('takes the last part of a path', () => {
  expect(basename('/a/b/')).toBe('b');
  expect(basename('.')).toBe('');
});
