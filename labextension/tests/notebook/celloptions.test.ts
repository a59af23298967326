import { describe, expect, it } from 'vitest';

import OPTIONS from '../../../tests/helpers/cell_options.json';
import { toOption } from '../../src/models/form';
import { optionsOf, withOption } from '../../src/notebook/celloptions';
import { field, FIELDS } from '../models/fake';

const REST = '\nFROM a:1\nRUN x --memory 1g';

describe('the options of a cell', () => {
  it.each([
    ['%%dockerfile\nRUN x --memory 8g', []],
    ['%%dockerfile --memory 8g --read-only', ['--memory', '--read-only']],
    ['\n  %%dockerfile --memory=8g -t x', ['--memory']],
    ['%%dockerfile --env "A= --memory 8g" --cpus 2', ['--env', '--cpus']],
    ["%%dockerfile --env 'A= --memory' --port 1", ['--env', '--port']],
    ['%%dockerfile --env A=--memory', ['--env']],
    ['%%dockerfile --env A=b\\\\ --memory 8g', ['--env', '--memory']]
  ])('%j', (source, names) => expect(optionsOf(source)).toEqual(names));
});

/** The server's tests read the same lines, and find these values. */
describe('a value of the form is written as the cell takes it:', () => {
  it.each(OPTIONS)('$key', ({ key, value, line }) => {
    const about =
      FIELDS.find(one => one.key === key) ?? field(key, { kind: 'word' });
    const option = line.split(' ', 1)[0]!;
    const written = toOption(about, value);
    const write = (source: string) =>
      withOption(source + REST, option, written);
    expect(write('%%dockerfile')).toBe(`%%dockerfile ${line}${REST}`);
    const old = option === '--read-only' ? option : `${option} "x y"`;
    expect(write(`\n%%dockerfile -t b ${old} --target c `)).toBe(
      `\n%%dockerfile -t b ${line} --target c ${REST}`
    );
    const none = toOption(about, undefined);
    expect(withOption(`%%dockerfile ${line}${REST}`, option, none)).toBe(
      `%%dockerfile${REST}`
    );
  });
});

it('all values of an option are replaced, in both ways to write it', () => {
  const source = "%%dockerfile --env=A=1 -t b --env B=2  --env 'C=3 4'";
  expect(withOption(source, '--env', ['D=5', 'E=6'])).toBe(
    '%%dockerfile --env D=5 --env E=6 -t b'
  );
  expect(withOption('%%dockerfile', '--mount', ['-a:/b:rw'])).toBe(
    '%%dockerfile --mount=-a:/b:rw'
  );
});

it('a cell is not broken by what cannot stand in it', () => {
  for (const value of ['A=b\nRUN c', 'A=\u2028', 'A=\u202e', 'A=\u00a0']) {
    expect(() => withOption('%%dockerfile', '--env', [value])).toThrow(
      'control character'
    );
  }
  expect(() => withOption('%%dockerfile --env "A=1', '--cpus', ['2'])).toThrow(
    'quote'
  );
});
