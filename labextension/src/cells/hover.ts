/** Explains the instructions and options of Dockerfile cells below the pointer, or at the cursor. */

import { type Extension, StateEffect, StateField } from '@codemirror/state';
import {
  EditorView,
  hoverTooltip,
  showTooltip,
  type Tooltip
} from '@codemirror/view';
import {
  EditorExtensionRegistry,
  type IEditorExtensionFactory
} from '@jupyterlab/codemirror';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { isDockerfileCell } from '../notebook/highlight';
import {
  type ICompletionSources,
  instructionOf,
  magicOptions
} from './completions';
import { copyOptions, runOptions } from './dockerfilewords';

const MARKDOWN = 'text/markdown';

/** What is said of a word. */
export interface IExplanation {
  /** Where the word is in the cell. */
  readonly from: number;
  readonly to: number;
  readonly markdown: string;
}

/** What is to be said of the word at an offset of a Dockerfile cell. */
export async function explain(
  source: string,
  offset: number,
  sources: ICompletionSources
): Promise<IExplanation | null> {
  const start = source.lastIndexOf('\n', offset - 1) + 1;
  const line = source.slice(start).split('\n', 1)[0] ?? '';
  const word = [...line.matchAll(/[\w-]+/g)].find(
    ({ index, 0: { length } }) =>
      start + index <= offset && offset < start + index + length
  );
  if (!word) {
    return null;
  }
  const from = start + word.index;
  const above = source.slice(0, start).split('\n').slice(0, -1);
  const magic = above.findIndex(text => text.trim());
  const markdown =
    magic < 0
      ? magicOptions(sources).find(({ name }) => name === word[0])?.doc
      : await explainWord(word[0], word.index, line, above.slice(magic + 1));
  return markdown ? { from, to: from + word[0].length, markdown } : null;
}

/** The same at the cursor: of the word before or behind it, or of the instruction of its line. */
export async function explainAround(
  source: string,
  offset: number,
  sources: ICompletionSources
): Promise<IExplanation | null> {
  const found =
    (await explain(source, offset, sources)) ??
    (offset > 0 ? await explain(source, offset - 1, sources) : null);
  if (found) {
    return found;
  }
  const above = source.slice(0, offset).split('\n').slice(0, -1);
  const start = source.lastIndexOf('\n', offset - 1) + 1;
  const line = source.slice(start).split('\n', 1)[0] ?? '';
  const magic = above.findIndex(text => text.trim());
  const name =
    magic < 0 ? null : instructionOf(line, above.slice(magic + 1))?.name;
  const markdown = name && (await lookUp(name));
  return markdown ? { from: offset, to: offset, markdown } : null;
}

/** What is said of a word in a line of a Dockerfile. */
async function explainWord(
  word: string,
  index: number,
  line: string,
  earlier: readonly string[]
): Promise<string | undefined> {
  const found = instructionOf(line, earlier);
  if (!found) {
    return undefined;
  }
  if (word.toUpperCase() === found.name) {
    const isAtStart = found.isFirst && !line.slice(0, index).trim();
    return isAtStart ? lookUp(found.name) : undefined;
  }
  if (!word.startsWith('--')) {
    return undefined;
  }
  const flag = word.replace(/-+(\w)/g, (_, first: string) =>
    first.toUpperCase()
  );
  const options = found.name === 'RUN' ? runOptions() : copyOptions();
  const own = options
    .filter(({ name }) => name.split('=', 1)[0] === word)
    .map(({ name, doc }) => `- \`${name}\` ${doc}`);
  return (await lookUp(`${found.name}_Flag${flag}`)) ?? own.join('\n');
}

/**
 * What the language service of Docker's editors says of an instruction or option. It is loaded when
 * the first question is asked. Only its texts are: its parser needs Node.js.
 */
async function lookUp(key: string): Promise<string | undefined> {
  const { MarkdownDocumentation } =
    await import('dockerfile-language-service/lib/dockerMarkdown');
  const texts = new MarkdownDocumentation();
  const found = texts.getMarkdown(key) as { contents: unknown } | undefined;
  return typeof found?.contents === 'string' ? found.contents : undefined;
}

const setShown = StateEffect.define<Tooltip | null>();

/** What is shown at the cursor, until something is typed or the cursor is elsewhere. */
const shown = StateField.define<Tooltip | null>({
  create: () => null,
  update: (value, { docChanged, effects, selection }) => {
    const effect = effects.find(one => one.is(setShown));
    if (effect) {
      return effect.value;
    }
    return docChanged || selection ? null : value;
  },
  provide: field => showTooltip.from(field)
});

const hideOnBlur = EditorView.domEventHandlers({
  blur: ({ relatedTarget }, view) => {
    const isInside =
      relatedTarget instanceof Node && view.dom.contains(relatedTarget);
    if (!isInside && view.state.field(shown, false)) {
      view.dispatch({ effects: setShown.of(null) });
    }
  }
});

/** Shows explanations in the editors of Dockerfile cells. */
export class Explainer {
  constructor(
    private readonly rendermime: IRenderMimeRegistry,
    private readonly sources: () => ICompletionSources
  ) {}

  /** The editor extension, for JupyterLab's registry. */
  get extension(): IEditorExtensionFactory {
    const below = hoverTooltip(async ({ state }, offset) => {
      const source = state.doc.toString();
      const found = isDockerfileCell(source)
        ? await explain(source, offset, this.sources())
        : null;
      return found && this.show(found);
    });
    const all: Extension = [below, shown, hideOnBlur];
    return {
      name: 'jupyter-containers:hover',
      factory: ({ model }) =>
        'type' in model && model.type === 'code'
          ? EditorExtensionRegistry.createImmutableExtension(all)
          : null
    };
  }

  /** Explain what the cursor is at, as JupyterLab's tooltip does. */
  async showAtCursor(view: EditorView): Promise<void> {
    const { doc, selection } = view.state;
    const source = doc.toString();
    const found = isDockerfileCell(source)
      ? await explainAround(source, selection.main.head, this.sources())
      : null;
    const tooltip = found && (await this.show(found));
    if (tooltip && view.state.doc === doc) {
      view.dispatch({ effects: setShown.of(tooltip) });
    }
  }

  private async show(found: IExplanation): Promise<Tooltip> {
    const { from, to, markdown } = found;
    const renderer = this.rendermime.createRenderer(MARKDOWN);
    const model = this.rendermime.createModel({
      data: { [MARKDOWN]: markdown }
    });
    await renderer.renderModel(model);
    renderer.addClass('jp-ContainersHover');
    const dom = document.createElement('div');
    dom.setAttribute('role', 'status'); // for screen readers, which it has no focus for
    dom.append(renderer.node);
    const create = () => ({ dom, destroy: () => renderer.dispose() });
    return { pos: from, end: to, above: true, create };
  }
}
