/** The completion provider for Dockerfile cells, which needs no kernel. */

import type {
  CompletionHandler,
  ICompletionContext,
  ICompletionProvider
} from '@jupyterlab/completer';

import type { Api } from '../api/api';
import { DOCKERFILE_CELL } from '../constants';
import { containerIcon } from '../ui/icon';
import { completionsAt, type ICompletionSources } from './completions';

/** Milliseconds after which the images, settings and engines are fetched again. */
const MAX_AGE = 30_000;

/** Milliseconds that a completion waits for the server; JupyterLab waits 1000. */
const TIMEOUT = 600;

/** Completes instructions, images and options. */
export class DockerfileCompleter implements ICompletionProvider {
  readonly identifier = 'jupyter-containers:dockerfile';
  /** Above the kernel's provider (550), which knows no Dockerfiles, and below language servers (600). */
  readonly rank = 560;

  private sources: ICompletionSources = { images: [], fields: [], engines: [] };
  private refreshing: Promise<void> | null = null;
  private staleAt = 0;

  constructor(private readonly api: Api) {}

  /** Whether the editor is that of a Dockerfile cell. */
  isApplicable({ editor }: ICompletionContext): Promise<boolean> {
    return Promise.resolve(editor?.model.mimeType === DOCKERFILE_CELL);
  }

  /** Fetch what completions need, before the user types. */
  prepare(): void {
    void this.refresh();
  }

  /** See `ICompletionProvider`. */
  async fetch({
    text,
    offset
  }: CompletionHandler.IRequest): Promise<CompletionHandler.ICompletionItemsReply> {
    const timeout = new Promise(resolve => setTimeout(resolve, TIMEOUT));
    await Promise.race([this.refresh(), timeout]);
    const found = completionsAt(text, offset, this.sources);
    const items = found.words.map(({ name, doc }) => ({
      label: name,
      insertText: name,
      type: doc,
      icon: containerIcon,
      documentation: doc
    }));
    return { start: found.start, end: offset, items };
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
