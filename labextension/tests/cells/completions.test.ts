import { describe, expect, it } from 'vitest';

import type { IField } from '../../src/api/types';
import {
  completionsAt,
  type ICompletionSources,
  magicOptions
} from '../../src/cells/completions';
import { instructions } from '../../src/cells/dockerfilewords';

function field(option: string, choices: string[] = [], in_cell = true): IField {
  return {
    key: option.slice(2),
    kind: 'word',
    doc: `About ${option}`,
    default: null,
    choices,
    trait: '',
    option,
    in_cell,
    unable: []
  };
}

const KNOWN: ICompletionSources = {
  images: ['docker.io/library/python:3.12', 'localhost/me:1'],
  fields: [
    field('--memory'),
    field('--network', ['private', 'none']),
    field('--engine'),
    field('--hostname', [], false)
  ],
  engines: ['podman']
};

/** The names offered at `|`, and what they replace. */
function at(text: string): { names: string[]; replaced: string } {
  const offset = text.indexOf('|');
  const whole = text.replace('|', '');
  const { start, words } = completionsAt(whole, offset, KNOWN);
  return {
    names: words.map(word => word.name),
    replaced: words.length > 0 ? whole.slice(start, offset) : ''
  };
}

const ALL = instructions().map(one => one.name);

describe('instructions', () => {
  it.each([
    ['%%dockerfile\n|', '', ALL],
    ['%%dockerfile\nFR|', 'FR', ['FROM']],
    ['%%dockerfile\nFROM a\n\nRUN a \\\n  b\nCO|\n', 'CO', ['COPY']],
    ['\n%%dockerfile\n  W|', 'W', ['WORKDIR']],
    ['%%dockerfile\nEn|', 'En', ['ENV', 'ENTRYPOINT']],
    ['%%dockerfile\nfr|', 'fr', ['from']]
  ])('in %j', (text, replaced, names) =>
    expect(at(text)).toEqual({ names, replaced })
  );

  it.each([
    ['in a continued line', '%%dockerfile\nRUN a \\\n  |'],
    ['behind a comment in one', '%%dockerfile\nRUN a \\\n# b\n  |'],
    ['in a comment', '%%dockerfile\n# FR|'],
    ['in a here-document', '%%dockerfile\nRUN <<EOF\nC|\nEOF'],
    ['in words of a RUN', '%%dockerfile\nRUN ec|'],
    ['without the magic', 'FR|']
  ])('not %s', (_, text) => expect(at(text).names).toEqual([]));

  it('behind a here-document', () => {
    expect(at('%%dockerfile\nRUN <<EOF\nC\nEOF\nC|').names).toEqual([
      'COPY',
      'CMD'
    ]);
  });
});

describe('images', () => {
  const [python = '', mine = ''] = KNOWN.images;
  const all = [python, 'python:3.12', mine];

  it.each([
    ['%%dockerfile\nFROM |', '', all],
    ['%%dockerfile\nFROM --platform=linux/arm64 docker.|', 'docker.', [python]],
    ['%%dockerfile\nfrom py|', 'py', ['python:3.12']],
    ['%%dockerfile\nFROM x|', '', []]
  ])('in %j', (text, replaced, names) =>
    expect(at(text)).toEqual({ names, replaced })
  );

  it.each([
    '%%dockerfile\nFROM a AS made\nCOPY --from=|',
    '%%dockerfile\nFROM a AS made\nFROM |',
    '%%dockerfile\nFROM a AS made\nRUN --mount=type=bind,from=|,target=/x true',
    '%%dockerfile\nFROM a AS made\nCOPY \\\n  --from=|'
  ])('and stages above in %j', text =>
    expect(at(text).names).toEqual(['made', ...all])
  );

  it('are followed by AS', () => {
    expect(at('%%dockerfile\nFROM a |').names).toEqual(['AS']);
  });
});

describe('paths', () => {
  const pathAt = (text: string) => {
    const offset = text.indexOf('|');
    const whole = text.replace('|', '');
    const { start, path } = completionsAt(whole, offset, KNOWN);
    return path && [path.typed, whole.slice(start, offset), path.isContext];
  };

  it.each([
    ['COPY |', '', ''],
    ['COPY da|', 'da', 'da'],
    ['copy --chown=1:1 --link data/on|', 'data/on', 'on'],
    ['ADD ./data/|', './data/', ''],
    ['COPY a.txt b|', 'b', 'b'],
    ['RUN --mount=type=bind,source=re|', 're', 're'],
    ['RUN --mount=target=/x,src=re|,rw cat', 're', 're'],
    ['RUN a \\\n --mount=type=bind,source=d/|', 'd/', '']
  ])('in %j', (line, typed, replaced) => {
    const found = pathAt(`%%dockerfile\nFROM a\n${line}`);
    expect(found).toEqual([typed, replaced, false]);
  });

  it.each([
    'COPY --from=x /|',
    'COPY a /|',
    'COPY ["a|',
    'COPY <<E|',
    'ADD https://|',
    'RUN --mount=type=cache,source=a|',
    'RUN --mount=type=bind,from=x,source=a|',
    'RUN cat a|'
  ])('not in %j', line =>
    expect(pathAt(`%%dockerfile\nFROM a\n${line}`)).toBe(undefined)
  );

  it('of the folder that COPY reads', () => {
    expect(pathAt('%%dockerfile --context da|')).toEqual(['da', 'da', true]);
  });
});

describe('options', () => {
  it('are those of the magic and its settings, each once', () => {
    const names = magicOptions(KNOWN).map(one => one.name);
    expect(names).toContain('--memory');
    expect(names).toContain('--no-switch');
    expect(names.filter(name => name === '--engine')).toHaveLength(1);
    // The magic knows no --hostname.
    expect(names).not.toContain('--hostname');
    expect(at('%%dockerfile |').names).toEqual(names);
    expect(at('%%dockerfile -t me --me|')).toEqual({
      names: ['memory'],
      replaced: 'me'
    });
  });

  it('have values', () => {
    expect(at('%%dockerfile --network |').names).toEqual(['private', 'none']);
    expect(at('%%dockerfile --engine p|')).toEqual({
      names: ['podman'],
      replaced: 'p'
    });
    expect(at('%%dockerfile --memory 8|').names).toEqual([]);
  });

  it('of COPY and RUN are their own', () => {
    const { names } = at('%%dockerfile\nCOPY --f|');
    expect(names).toEqual(['--from=']);
    expect(at('%%dockerfile\nRUN --n|').names).toEqual(['--network=none']);
    expect(at('%%dockerfile\nRUN --f|').names).toEqual([]);
  });
});
