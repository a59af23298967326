import { expect, it } from 'vitest';

import type { IField } from '../../src/api/types';
import { explain, explainAround } from '../../src/cells/hover';

const MEMORY = {
  option: '--memory',
  in_cell: true,
  doc: 'Limit of memory.'
} as IField;
const SOURCES = { images: [], fields: [MEMORY], engines: [] };

const CELL = `

%%dockerfile --memory 8g
# syntax=docker/dockerfile:1
FROM python:3.12 AS one
RUN --mount=type=cache,target=/x echo RUN
COPY --chmod=0644 \\
  # FROM here
  --from=one \\
  copy b
RUN <<EOF
USER nobody
EOF
healthcheck --start-interval=3s CMD x`;

/** What is said of the first place of some text. */
function of(text: string, source = CELL) {
  return explain(source, source.indexOf(text), SOURCES);
}

it.each([
  ['FROM python', 'to use for subsequent instructions', 'FROM'],
  ['COPY --chmod', 'Copy files', 'COPY'],
  ['--from=one', 'previous build stage', '--from'],
  ['--chmod=', 'Permissions', '--chmod'],
  ['--mount=', 'stays between builds', '--mount'],
  ['--memory', 'Limit of memory.', '--memory'],
  ['healthcheck', 'test the container', 'healthcheck'],
  ['--start-int', 'during the start period', '--start-interval']
])('explains %j', async (text, said, word) => {
  const found = (await of(text))!;
  expect(found.markdown).toContain(said);
  expect(CELL.slice(found.from, found.to)).toBe(word);
});

it.each([
  ...['%%dockerfile', '8g', 'python:', 'echo', 'RUN\nCOPY', 'FROM here'],
  ...['copy b', 'USER', 'CMD x', '=3s']
])('has nothing to say of %j', async text => expect(await of(text)).toBe(null));

it.each([
  ['FROM|', 'to use for subsequent instructions'],
  ['FROM pyth|on:3.12', 'to use for subsequent instructions'],
  ['--from|=one', 'previous build stage'],
  ['  copy b|', 'Copy files'],
  ['|COPY', 'Copy files'],
  ['USER nob|', null],
  ['# syntax|', null]
])('explains at the cursor in %j', async (text, said) => {
  const at = CELL.indexOf(text.replace('|', '')) + text.indexOf('|');
  const found = await explainAround(CELL, at, SOURCES);
  expect(found?.markdown ?? null).toEqual(
    said && expect.stringContaining(said)
  );
});

it.each(['', '%%dockerfile', '%%dockerfile\n', '%%dockerfile\nRUM a\n\n'])(
  'takes %j',
  async source => {
    for (let at = 0; at <= source.length; at++) {
      expect(await explain(source, at, SOURCES)).toBe(null);
    }
  }
);
