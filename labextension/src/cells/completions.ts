/** What can stand where the cursor is in a Dockerfile cell. Pure. */

import { shortImage } from '../ui/format';
import type { IField } from '../api/types';

/** A word and what it does. */
export interface IWord {
  readonly name: string;
  readonly doc: string;
}

/** The instructions, the usual ones first. https://docs.docker.com/reference/dockerfile/ */
export const INSTRUCTIONS: readonly IWord[] = [
  { name: 'FROM', doc: 'The image to start from; begins a stage' },
  { name: 'RUN', doc: 'Run a command and keep what it changes' },
  { name: 'COPY', doc: 'Copy files from beside the notebook or a stage' },
  { name: 'ENV', doc: 'Set a variable, here and in the container' },
  { name: 'ARG', doc: 'A variable of the build: --build-arg NAME=VALUE' },
  { name: 'WORKDIR', doc: 'Set the directory for what follows' },
  { name: 'LABEL', doc: 'Describe the image: title, version, source' },
  { name: 'USER', doc: 'Who runs what follows' },
  { name: 'ADD', doc: 'Copy, unpack archives, fetch URLs; COPY is clearer' },
  { name: 'SHELL', doc: 'The shell that RUN uses' },
  {
    name: 'ENTRYPOINT',
    doc: 'What the container starts; a kernel does not use it'
  },
  { name: 'CMD', doc: 'Default command; a kernel does not use it' },
  { name: 'EXPOSE', doc: 'Say which port is served' },
  { name: 'VOLUME', doc: 'Say which directory holds data' },
  {
    name: 'HEALTHCHECK',
    doc: 'How to see if it works; a kernel does not use it'
  },
  { name: 'STOPSIGNAL', doc: 'The signal that ends the container' },
  { name: 'ONBUILD', doc: 'An instruction for images built from this one' }
];

/** The options of `%%dockerfile` that are not settings. */
export const OPTIONS: readonly IWord[] = [
  { name: '-t', doc: 'Name of the image, as in --tag' },
  { name: '--tag', doc: 'Name of the image; a later FROM can use it' },
  { name: '--build-arg', doc: 'NAME=VALUE for an ARG of the Dockerfile' },
  { name: '--target', doc: 'Build up to this stage' },
  { name: '--context', doc: 'Folder that COPY reads; else the notebook’s' },
  {
    name: '--secret',
    doc: 'Name of a secret that RUN --mount=type=secret reads'
  },
  { name: '--no-cache', doc: 'Run every instruction anew' },
  { name: '--no-switch', doc: 'Build only: the notebook’s kernel stays' },
  { name: '--engine', doc: 'Program that builds and runs it' }
];

/** What is known of this machine. */
export interface IKnown {
  /** Names of images. */
  readonly images: readonly string[];
  readonly fields: readonly IField[];
  /** Names of engines that work. */
  readonly engines: readonly string[];
}

/** Words, and which part of the text they replace. */
export interface ICompletions {
  readonly start: number;
  readonly words: readonly IWord[];
}

const NOTHING: ICompletions = { start: 0, words: [] };

/** The completions at an offset. */
export function completionsAt(
  text: string,
  offset: number,
  known: IKnown
): ICompletions {
  const before = text.slice(0, offset);
  const lines = before.split('\n');
  const current = lines.pop() ?? '';
  const magic = lines.findIndex(line => line.trim());
  const found =
    magic < 0
      ? ofMagic(current, known)
      : ofLine(current, lines.slice(magic + 1), known);
  const typed = current.slice(current.length - found.start);
  return { start: offset - found.start, words: matching(found.words, typed) };
}

/**
 * The words that begin with what is typed, in its case: where several providers answer,
 * JupyterLab takes off what is typed already, and knows it by that.
 */
function matching(words: readonly IWord[], typed: string): IWord[] {
  const small = /^[a-z]/.test(typed);
  return words.flatMap(word => {
    const isInstruction = /^[A-Z]+$/.test(word.name);
    const name = small && isInstruction ? word.name.toLowerCase() : word.name;
    return name.startsWith(
      isInstruction && !small ? typed.toUpperCase() : typed
    )
      ? [{ name, doc: word.doc }]
      : [];
  });
}

/** In the magic's line. `start` counts back from the cursor, here and below. */
function ofMagic(line: string, known: IKnown): ICompletions {
  const words = line.trimStart().split(/\s+/);
  const last = words.pop() ?? '';
  if (words[0] !== '%%dockerfile') {
    return NOTHING;
  }
  const option = words[words.length - 1] ?? '';
  const field = known.fields.find(one => one.option === option);
  let choices: readonly IWord[] = [];
  if (option === '--engine') {
    choices = named(known.engines, 'An engine of this machine');
  } else if (field && field.choices.length > 0) {
    choices = named(field.choices, field.doc);
  } else if (last.startsWith('--')) {
    // Without the dashes, as a kernel completes too: what matches from the start comes first.
    choices = optionsOf(known)
      .filter(one => one.name.startsWith('--'))
      .map(one => ({ ...one, name: one.name.slice(2) }));
    return { start: last.length - 2, words: choices };
  } else if (last === '' || last === '-') {
    choices = optionsOf(known);
  }
  return { start: last.length, words: choices };
}

/** All options, those of settings with their own words for it. */
export function optionsOf(known: IKnown): IWord[] {
  const taken = new Set(OPTIONS.map(one => one.name));
  const settings = known.fields
    .filter(one => one.in_cell && !taken.has(one.option))
    .map(one => ({ name: one.option, doc: one.doc }));
  return [...OPTIONS, ...settings];
}

function ofLine(
  line: string,
  earlier: readonly string[],
  known: IKnown
): ICompletions {
  if (line.trimStart().startsWith('#') || inHeredoc(earlier)) {
    return NOTHING;
  }
  const from = /(?:--from=|,from=)([^\s,]*)$/.exec(line);
  if (from) {
    return { start: length(from[1]), words: sources(earlier, known) };
  }
  if (continues(earlier)) {
    return NOTHING;
  }
  const base = /^\s*FROM\s+(?:--platform=\S+\s+)?(\S*)$/i.exec(line);
  if (base) {
    return { start: length(base[1]), words: sources(earlier, known) };
  }
  const as = /^\s*FROM\s+(?:--platform=\S+\s+)?\S+\s+(\S*)$/i.exec(line);
  if (as) {
    const words = [{ name: 'AS', doc: 'Name this stage, for COPY --from' }];
    return { start: length(as[1]), words };
  }
  const copy = /^\s*(?:COPY|ADD)\s+(?:--\S+\s+)*(--\w*)$/i.exec(line);
  if (copy) {
    return { start: length(copy[1]), words: COPY_OPTIONS };
  }
  const word = /^\s*([A-Za-z]*)$/.exec(line);
  return word ? { start: length(word[1]), words: INSTRUCTIONS } : NOTHING;
}

const COPY_OPTIONS: readonly IWord[] = [
  { name: '--from=', doc: 'Copy from a stage or an image' },
  { name: '--chown=', doc: 'Who owns the files: user:group' },
  { name: '--chmod=', doc: 'Permissions of the files: 0644' },
  { name: '--link', doc: 'A layer that does not depend on those below' }
];

/** What a FROM or --from can name: stages above, then images of this machine. */
function sources(earlier: readonly string[], known: IKnown): IWord[] {
  const stages = earlier.flatMap(
    line => /^\s*FROM\s.*\sAS\s+(\S+)/i.exec(line)?.[1] ?? []
  );
  return [
    ...named(stages, 'A stage of this Dockerfile'),
    ...named(
      known.images.flatMap(image => [image, shortImage(image)]),
      'An image of this machine'
    )
  ];
}

function named(names: readonly string[], doc: string): IWord[] {
  return [...new Set(names)].map(name => ({ name, doc }));
}

/** Whether the last line, comments aside, goes on in the next. */
function continues(earlier: readonly string[]): boolean {
  const last = earlier.filter(line => !/^\s*(#|$)/.test(line)).pop() ?? '';
  return /\\\s*$/.test(last);
}

/** Whether a here-document is open after these lines. */
function inHeredoc(earlier: readonly string[]): boolean {
  const open: string[] = [];
  for (const line of earlier) {
    if (open.length > 0) {
      if (line.replace(/^\t+/, '') === open[0]) {
        open.shift();
      }
    } else if (/^\s*(RUN|COPY|ADD)\s/i.test(line)) {
      const found = line.matchAll(/<<-?(["']?)([A-Za-z_]\w*)\1/g);
      open.push(...[...found].map(one => one[2] ?? ''));
    }
  }
  return open.length > 0;
}

function length(text: string | undefined): number {
  return text?.length ?? 0;
}
