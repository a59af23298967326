/** The completions at a position in a Dockerfile cell. Pure. */

import type { IField } from '../api/types';
import { trans } from '../trans';
import { shortImage } from '../ui/format';
import {
  cellOptions,
  copyOptions,
  type ICompletion,
  instructions,
  runOptions
} from './dockerfilewords';

/** What the completions offer, beside the Dockerfile's own words. */
export interface ICompletionSources {
  /** Names of images. */
  readonly images: readonly string[];
  readonly fields: readonly IField[];
  /** Names of usable engines. */
  readonly engines: readonly string[];
}

/** Words, and the start of the text that they replace. */
export interface ICompletions {
  readonly start: number;
  readonly words: readonly ICompletion[];
  /** The words are what the server says of this path. */
  readonly path?: IPathBegun;
}

/** A path that somebody begins to type. */
export interface IPathBegun {
  readonly typed: string;
  /** It is the folder that `--context` names, and not a file in it. */
  readonly isContext: boolean;
}

const NOTHING: ICompletions = { start: 0, words: [] };

/** The completions at an offset. */
export function completionsAt(
  text: string,
  offset: number,
  sources: ICompletionSources
): ICompletions {
  const before = text.slice(0, offset);
  const lines = before.split('\n');
  const current = lines.pop() ?? '';
  const magic = lines.findIndex(line => line.trim());
  const found =
    magic < 0
      ? completeMagic(current, sources)
      : completeLine(current, lines.slice(magic + 1), sources);
  const typed = current.slice(current.length - found.start);
  return {
    ...found,
    start: offset - found.start,
    words: matching(found.words, typed)
  };
}

/**
 * The words that begin with the typed text, in its case: with several providers, JupyterLab
 * compares the typed text with the start of each word.
 */
function matching(words: readonly ICompletion[], typed: string): ICompletion[] {
  const isLowerCase = /^[a-z]/.test(typed);
  return words.flatMap(word => {
    const isInstruction = /^[A-Z]+$/.test(word.name);
    const name =
      isLowerCase && isInstruction ? word.name.toLowerCase() : word.name;
    return name.startsWith(
      isInstruction && !isLowerCase ? typed.toUpperCase() : typed
    )
      ? [{ name, doc: word.doc }]
      : [];
  });
}

/** Complete the magic's line. `start` counts back from the cursor, here and below. */
function completeMagic(
  line: string,
  sources: ICompletionSources
): ICompletions {
  const words = line.trimStart().split(/\s+/);
  const last = words.pop() ?? '';
  if (words[0] !== '%%dockerfile') {
    return NOTHING;
  }
  const option = words[words.length - 1] ?? '';
  const field = sources.fields.find(field => field.option === option);
  let choices: readonly ICompletion[] = [];
  if (option === '--context') {
    return pathBegun(last, true);
  }
  if (option === '--engine') {
    choices = withDoc(sources.engines, trans.__('An engine of this machine'));
  } else if (field && field.choices.length > 0) {
    choices = withDoc(field.choices, field.doc);
  } else if (last.startsWith('--')) {
    // Without the dashes, as a kernel completes too: matches from the start come first.
    choices = magicOptions(sources)
      .filter(({ name }) => name.startsWith('--'))
      .map(({ name, doc }) => ({ name: name.slice(2), doc }));
    return { start: last.length - 2, words: choices };
  } else if (last === '' || last === '-') {
    choices = magicOptions(sources);
  }
  return { start: last.length, words: choices };
}

/** All options of `%%dockerfile`, including those of settings. */
export function magicOptions(sources: ICompletionSources): ICompletion[] {
  const taken = new Set(cellOptions().map(({ name }) => name));
  const settings = sources.fields
    .filter(field => field.in_cell && !taken.has(field.option))
    .map(({ option, doc }) => ({ name: option, doc }));
  return [...cellOptions(), ...settings];
}

function completeLine(
  line: string,
  earlier: readonly string[],
  sources: ICompletionSources
): ICompletions {
  if (line.trimStart().startsWith('#') || isInHeredoc(earlier)) {
    return NOTHING;
  }
  const from = /(?:--from=|,from=)([^\s,]*)$/.exec(line);
  if (from) {
    return { start: length(from[1]), words: imageSources(earlier, sources) };
  }
  const mount = /\s--mount=(\S*,)?(?:source|src)=([^\s,]*)$/.exec(line);
  if (mount) {
    // Of a cache, a secret or a stage, it is nothing in the context.
    return /type=(?!bind)|from=/.test(mount[1] ?? '')
      ? NOTHING
      : pathBegun(mount[2] ?? '');
  }
  if (isContinued(earlier)) {
    return NOTHING;
  }
  const base = /^\s*FROM\s+(?:--platform=\S+\s+)?(\S*)$/i.exec(line);
  if (base) {
    return { start: length(base[1]), words: imageSources(earlier, sources) };
  }
  const as = /^\s*FROM\s+(?:--platform=\S+\s+)?\S+\s+(\S*)$/i.exec(line);
  if (as) {
    const words = [
      { name: 'AS', doc: trans.__('Name this stage, for COPY --from') }
    ];
    return { start: length(as[1]), words };
  }
  const flag = /^\s*(COPY|ADD|RUN)\s+(?:--\S+\s+)*(--\w*)$/i.exec(line);
  if (flag) {
    const words = /^run$/i.test(flag[1] ?? '') ? runOptions() : copyOptions();
    return { start: length(flag[2]), words };
  }
  const copy = /^\s*(?:COPY|ADD)\s+(.*)$/i.exec(line);
  if (copy) {
    return completeSource((copy[1] ?? '').split(/\s+/));
  }
  const word = /^\s*([A-Za-z]*)$/.exec(line);
  return word ? { start: length(word[1]), words: instructions() } : NOTHING;
}

/** Complete what COPY names; the last of its words is being typed. */
function completeSource(words: readonly string[]): ICompletions {
  const typed = words.at(-1) ?? '';
  const before = words.slice(0, -1).filter(word => !word.startsWith('--'));
  const isElsewhere =
    words.some(word => word.startsWith('--from=')) ||
    /^--|^<<|^\[|["']|:\/\//.test(typed) ||
    // Behind a source, it is where in the image to copy it.
    (before.length > 0 && typed.startsWith('/'));
  return isElsewhere ? NOTHING : pathBegun(typed);
}

/** The last part of a path is completed. */
function pathBegun(typed: string, isContext = false): ICompletions {
  const start = typed.length - typed.lastIndexOf('/') - 1;
  return { start, words: [], path: { typed, isContext } };
}

/** What FROM and --from can name: earlier stages, then images of this machine. */
function imageSources(
  earlier: readonly string[],
  sources: ICompletionSources
): ICompletion[] {
  const stages = earlier.flatMap(
    line => /^\s*FROM\s.*\sAS\s+(\S+)/i.exec(line)?.[1] ?? []
  );
  return [
    ...withDoc(stages, trans.__('A stage of this Dockerfile')),
    ...withDoc(
      sources.images.flatMap(image => [image, shortImage(image)]),
      trans.__('An image of this machine')
    )
  ];
}

function withDoc(names: readonly string[], doc: string): ICompletion[] {
  return [...new Set(names)].map(name => ({ name, doc }));
}

/** The instruction, in capitals, that a line belongs to, and whether it begins there. */
export function instructionOf(
  line: string,
  earlier: readonly string[]
): { readonly name: string; readonly isFirst: boolean } | null {
  if (line.trimStart().startsWith('#') || isInHeredoc(earlier)) {
    return null;
  }
  let at = earlier.length;
  while (at > 0 && isContinued(earlier.slice(0, at))) {
    at -= 1;
  }
  const first = [...earlier, line][at] ?? '';
  const name = /^\s*([A-Za-z]+)(?=\s|$)/.exec(first)?.[1]?.toUpperCase();
  return name ? { name, isFirst: at === earlier.length } : null;
}

/** Whether the last line that is no comment ends with a backslash. */
function isContinued(earlier: readonly string[]): boolean {
  const last = earlier.filter(line => !/^\s*(#|$)/.test(line)).pop() ?? '';
  return /\\\s*$/.test(last);
}

/** Whether these lines end within a here-document. */
function isInHeredoc(earlier: readonly string[]): boolean {
  const open: string[] = [];
  for (const line of earlier) {
    if (open.length > 0) {
      if (line.replace(/^\t+/, '') === open[0]) {
        open.shift();
      }
    } else if (/^\s*(RUN|COPY|ADD)\s/i.test(line)) {
      const found = line.matchAll(/<<-?(["']?)([A-Za-z_]\w*)\1/g);
      open.push(...[...found].map(match => match[2] ?? ''));
    }
  }
  return open.length > 0;
}

function length(text: string | undefined): number {
  return text?.length ?? 0;
}
