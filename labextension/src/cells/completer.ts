/** The completion provider for Dockerfile cells, which needs no kernel. */

import type { CodeEditor } from '@jupyterlab/codeeditor';
import type {
  CompletionHandler,
  ICompletionContext,
  ICompletionProvider
} from '@jupyterlab/completer';

import type { Api } from '../api/api';
import { DOCKERFILE_CELL } from '../constants';
import { trans } from '../trans';
import { containerIcon } from '../ui/icon';
import {
  completionsAt,
  type ICompletionSources,
  type IPathBegun
} from './completions';
import type { ICompletion } from './dockerfilewords';

/** Milliseconds after which the images, settings and engines are fetched again. */
const MAX_AGE = 30_000;

/** Milliseconds that a completion waits for the server; JupyterLab waits 1000. */
const TIMEOUT = 600;

/** Completes instructions, images, options and paths. */
export class DockerfileCompleter implements ICompletionProvider {
  readonly identifier = 'jupyter-containers:dockerfile';
  /** Above the kernel's provider (550), which knows no Dockerfiles, and below language servers (600). */
  readonly rank = 560;

  /** What is known of this machine. */
  sources: ICompletionSources = { images: [], fields: [], engines: [] };

  private refreshing: Promise<void> | null = null;
  private staleAt = 0;

  constructor(
    private readonly api: Api,
    /** The path of the notebook of a cell; undefined outside of notebooks. */
    private readonly pathOf: (model: CodeEditor.IModel) => string | undefined
  ) {}

  /** Whether the editor is that of a Dockerfile cell. */
  isApplicable(context: ICompletionContext): Promise<boolean> {
    return Promise.resolve(isInDockerfileCell(context));
  }

  /** Fetch what completions need, before the user types. */
  prepare(): void {
    void this.refresh();
  }

  /** See `ICompletionProvider`. */
  async fetch(
    { text, offset }: CompletionHandler.IRequest,
    { editor }: ICompletionContext
  ): Promise<CompletionHandler.ICompletionItemsReply> {
    const timeout = new Promise(resolve => setTimeout(resolve, TIMEOUT));
    await Promise.race([this.refresh(), timeout]);
    const found = completionsAt(text, offset, this.sources);
    const words =
      found.path && editor
        ? await this.fetchPaths(editor.model, text, found.path)
        : found.words;
    const items = words.map(({ name, doc }) => ({
      label: name,
      insertText: name,
      type: doc,
      icon: containerIcon,
      documentation: doc
    }));
    return { start: found.start, end: offset, items };
  }

  /** What lies beside the notebook: the last parts of paths, folders with a slash behind them. */
  private async fetchPaths(
    model: CodeEditor.IModel,
    source: string,
    { typed, isContext }: IPathBegun
  ): Promise<readonly ICompletion[]> {
    const path = this.pathOf(model);
    if (path === undefined) {
      return [];
    }
    try {
      const cell = isContext ? '%%dockerfile\n' : source;
      const names = await this.api.paths(path, cell, typed);
      return names
        .filter(({ folder }) => folder || !isContext)
        .map(({ name, folder }) => ({
          name: `${name.slice(name.lastIndexOf('/') + 1)}${folder ? '/' : ''}`,
          doc: folder ? trans.__('A folder') : trans.__('A file')
        }));
    } catch {
      // The magic's line is not finished, or the server is gone: the build will say so.
      return [];
    }
  }

  /** Fetch what is outdated. */
  private refresh(): Promise<void> {
    if (Date.now() > this.staleAt) {
      this.staleAt = Date.now() + MAX_AGE;
      this.refreshing = this.fetchSources();
    }
    return this.refreshing ?? Promise.resolve();
  }

  /** Update `sources`; what cannot be fetched stays as it was. */
  private async fetchSources(): Promise<void> {
    const put = (part: Partial<ICompletionSources>) => {
      this.sources = { ...this.sources, ...part };
    };
    await Promise.allSettled([
      this.api.images().then(({ images }) => {
        put({ images: images.map(image => image.reference) });
      }),
      this.api.fields().then(fields => {
        put({ fields });
      }),
      this.api.engines().then(({ engines }) => {
        const usable = engines.filter(engine => engine.usable);
        put({ engines: usable.map(engine => engine.name) });
      })
    ]);
  }
}

function isInDockerfileCell({ editor }: ICompletionContext): boolean {
  return editor?.model.mimeType === DOCKERFILE_CELL;
}

const keptOut = new WeakSet<ICompletionProvider>();

/**
 * Keep the providers of other extensions out of Dockerfile cells, of which they know nothing: a
 * kernel and a language server offer Python names.
 *
 * JupyterLab merges what all applicable providers offer, and waits for the slowest. None can say
 * that it answers alone, so each of the others says that it is not applicable.
 */
export function keepOut(providers: Iterable<ICompletionProvider>): void {
  for (const provider of providers) {
    if (provider instanceof DockerfileCompleter || keptOut.has(provider)) {
      continue;
    }
    keptOut.add(provider);
    const isApplicable = provider.isApplicable.bind(provider);
    provider.isApplicable = async context =>
      !isInDockerfileCell(context) && isApplicable(context);
  }
}
