/** JupyterLab's completer in Dockerfile cells. Fetches what is known; needs no kernel. */

import type {
  CompletionHandler,
  ICompletionContext,
  ICompletionProvider
} from '@jupyterlab/completer';

import type { Api } from '../api/api';
import { containerIcon } from '../ui/icon';
import { DOCKERFILE_CELL } from '../constants';
import { completionsAt, type IKnown } from './completions';

/** Milliseconds after which the machine's images are asked for anew. */
const FRESH = 30_000;

/** Milliseconds that a completion waits for them; JupyterLab gives up after 1000. */
const PATIENCE = 600;

/** Completes instructions, images and options. */
export class DockerfileCompleter implements ICompletionProvider {
  readonly identifier = 'jupyter-containers:dockerfile';
  /** Before the kernel's (550), which knows no Dockerfile; behind language servers' (600). */
  readonly rank = 560;

  private known: IKnown = { images: [], fields: [], engines: [] };
  private asking: Promise<void> | null = null;
  private until = 0;

  constructor(private readonly api: Api) {}

  /** Only in Dockerfile cells. */
  isApplicable({ editor }: ICompletionContext): Promise<boolean> {
    return Promise.resolve(editor?.model.mimeType === DOCKERFILE_CELL);
  }

  /** Called when somebody is about to write in a Dockerfile cell. */
  prepare(): void {
    void this.machine();
  }

  /** See `ICompletionProvider`. */
  async fetch({
    text,
    offset
  }: CompletionHandler.IRequest): Promise<CompletionHandler.ICompletionItemsReply> {
    const late = new Promise(resolve => setTimeout(resolve, PATIENCE));
    await Promise.race([this.machine(), late]);
    const found = completionsAt(text, offset, this.known);
    const items = found.words.map(({ name, doc }) => ({
      label: name,
      insertText: name,
      type: doc,
      icon: containerIcon,
      documentation: doc
    }));
    return { start: found.start, end: offset, items };
  }

  /** Keeps `known` fresh; an engine that is slow to answer holds no completion up. */
  private machine(): Promise<void> {
    if (Date.now() > this.until) {
      this.until = Date.now() + FRESH;
      this.asking = this.ask();
    }
    return this.asking ?? Promise.resolve();
  }

  /** What does not answer stays as it was known. */
  private async ask(): Promise<void> {
    const put = (part: Partial<IKnown>) => {
      this.known = { ...this.known, ...part };
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
