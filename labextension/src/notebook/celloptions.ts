/** The options behind `%%dockerfile`: reading and changing them. Pure. */

import { trans } from '../trans';

/** A word, as Python's `shlex.split` reads the line. */
const WORD = /(?:[^\s'"\\]|\\.|'[^']*'|"(?:\\.|[^"\\])*")+/g;

/** A part of a word: in single quotes, in double quotes, after a backslash, or plain. */
const PART = /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|([^'"\\]+)/g;

/** Characters that a word may have without quotes. */
const PLAIN = /^[\w@%+=:,./-]+$/;

interface IWord {
  readonly text: string;
  /** Where it ends in the line. */
  readonly end: number;
}

function unquote(word: string): string {
  return word.replace(
    PART,
    (_, single?: string, double?: string, escaped?: string, plain?: string) =>
      single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped ?? plain ?? ''
  );
}

function quote(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** The magic's line, its place in the cell, and its words. */
function readLine(source: string): {
  readonly from: number;
  readonly line: string;
  readonly words: readonly IWord[];
} {
  const from = Math.max(0, source.search(/\S/));
  const [line = ''] = source.slice(from).split('\n', 1);
  const words = [...line.matchAll(WORD)].map(({ 0: word, index }) => ({
    text: unquote(word),
    end: index + word.length
  }));
  return { from, line, words };
}

/** The names of the options behind the magic, such as `--memory`. */
export function optionsOf(source: string): readonly string[] {
  return readLine(source).words.flatMap(
    ({ text }) => /^--[a-z][a-z-]*(?==|$)/.exec(text) ?? []
  );
}

/**
 * A cell with these values of an option in place of those that it has: one for each value, or a
 * flag that is there or not. Throws an Error for what cannot stand there.
 */
export function withOption(
  source: string,
  option: string,
  values: readonly string[] | boolean
): string {
  const { from, line, words } = readLine(source);
  if (line.replace(WORD, '').trim()) {
    throw new Error(
      trans.__(
        'The options of the Dockerfile cell cannot be read: a quote is not closed. Correct it in the cell.'
      )
    );
  }
  const written =
    typeof values === 'boolean'
      ? values
        ? ` ${option}`
        : ''
      : values.map(value => ` ${writtenAs(option, value)}`).join('');
  // Each with the space before it.
  const given = words.flatMap(({ text, end }, at) => {
    const start = words[at - 1]?.end ?? 0;
    const value = typeof values === 'boolean' ? undefined : words[at + 1];
    return text === option
      ? [{ start, end: value?.end ?? end }]
      : text.startsWith(`${option}=`)
        ? [{ start, end }]
        : [];
  });
  const place = given[0]?.start ?? line.trimEnd().length;
  const kept = given.reduceRight(
    (text, { start, end }) => text.slice(0, start) + text.slice(end),
    line
  );
  const changed = kept.slice(0, place) + written + kept.slice(place);
  return source.slice(0, from) + changed + source.slice(from + line.length);
}

function writtenAs(option: string, value: string): string {
  // What Python calls not printable: the server refuses a line with it.
  if (/[\p{C}\p{Z}]/u.test(value.replaceAll(' ', ''))) {
    throw new Error(
      trans.__(
        '%1 of the Dockerfile cell cannot hold a line break or a control character. Take the option out of the cell, and apply again.',
        option
      )
    );
  }
  return value.startsWith('-')
    ? `${option}=${quote(value)}`
    : `${option} ${quote(value)}`;
}
