import { describe, expect, it } from 'vitest';

import type { IImage, IImageDetail } from '../../src/api/types';
import {
  byRepository,
  layersOf,
  type Row,
  rowsOf
} from '../../src/models/imagerows';

function image(reference: string): IImage {
  return {
    reference,
    id: reference,
    engine: 'podman',
    size: 1,
    created: '',
    pinned: null
  };
}

const IMAGES = [
  'docker.io/library/python:3.9',
  'docker.io/library/python:3.12',
  'ghcr.io/org/python:3.9',
  'localhost:5000/tool@sha256:0123456789abcdef0123456789abcdef',
  'sha256:0123456789abcdef0123456789abcdef',
  'docker.io/library/alpine:latest'
].map(image);

/** A row as it reads: indented where it is below its repository. */
function textOf(row: Row): string {
  const count =
    row.kind === 'repository' ? ` (${String(row.images.length)})` : '';
  const nested = row.kind === 'image' && row.nested ? '  ' : '';
  return `${nested}${row.name}${count}${row.place && ` in ${row.place}`}`;
}

describe('rows of images', () => {
  const rows = (open: boolean) =>
    rowsOf(byRepository(IMAGES), () => open).map(textOf);

  it('are one for each repository, by its short name', () => {
    expect(rows(false)).toEqual([
      'alpine:latest',
      'python (2)',
      'python:3.9 in ghcr.io/org',
      'sha256:0123456789ab…',
      'tool@0123456789ab… in localhost:5000'
    ]);
  });

  it('have the tags below them, the last first', () => {
    expect(rows(true).slice(1, 4)).toEqual(['python (2)', '  3.12', '  3.9']);
  });

  it('are the same for the same images, so that 500 are not drawn again', () => {
    const repositories = byRepository(IMAGES);
    const [first, second] = [1, 2].map(() => rowsOf(repositories, () => true));
    const images = (some: readonly Row[]) =>
      some.map(row => (row.kind === 'image' ? row.image : row.images));
    images(first!).forEach((one, at) => expect(images(second!)[at]).toBe(one));
  });
});

it('layers are those of the Dockerfile, the oldest first', () => {
  const detail = {
    layers: [
      {
        created_by:
          '/bin/sh -c #(nop) LABEL "jupyter-containers.build"="a b c"',
        size: 0,
        created: ''
      },
      { created_by: 'LABEL mine=1', size: 0, created: '' },
      { created_by: '/bin/sh -c pip install x', size: 5, created: '' },
      { created_by: '/bin/sh -c #(nop) ADD file:1 in /', size: 9, created: '' }
    ]
  } as unknown as IImageDetail;
  expect(layersOf(detail)).toEqual([
    { instruction: 'ADD file:1 in /', size: 9 },
    { instruction: 'RUN pip install x', size: 5 },
    { instruction: 'LABEL mine=1', size: 0 }
  ]);
});
