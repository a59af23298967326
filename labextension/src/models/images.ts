/** The images of every engine: the list, a filter, what is open, and what is done with them. */

import type { Api } from '../api/api';
import type {
  IImage,
  IImageDetail,
  IImageReference,
  IImages
} from '../api/types';
import { Source } from './resource';
import type { Server } from './connection';

/** Rows that are drawn at first, and more at each "Show more". */
const ROWS = 50;

/** One string for an image on an engine; an engine's name has no space. */
export function imageKey(image: IImageReference): string {
  return `${image.engine} ${image.reference}`;
}

/** The images here. */
export class Images extends Source<IImages> {
  constructor(
    private readonly api: Api,
    private readonly itsServer: Server
  ) {
    super(() => api.images(), itsServer);
  }

  /** What is typed into the filter. */
  get query(): string {
    return this._query;
  }

  set query(query: string) {
    this._query = query;
    this._rows = ROWS;
    this.stateChanged.emit();
  }

  /** Engines that could not say what they have. */
  get problems(): IImages['problems'] {
    return this.data?.problems ?? [];
  }

  /** The images whose name or pinned kernel has every word of the filter. */
  get found(): readonly IImage[] {
    const words = this._query.toLowerCase().split(/\s+/).filter(Boolean);
    const all = this.data?.images ?? [];
    return words.length
      ? all.filter(image => {
          const text =
            `${image.reference} ${image.pinned ?? ''} ${image.engine}`.toLowerCase();
          return words.every(word => text.includes(word));
        })
      : all;
  }

  /** How many of them are drawn. */
  get rows(): number {
    return this._rows;
  }

  /** Draw more of them. */
  more(): void {
    this._rows += 2 * ROWS;
    this.stateChanged.emit();
  }

  /** Whether an image is open. */
  isOpen(image: IImageReference): boolean {
    return this._open.has(imageKey(image));
  }

  /** Open or close an image; it is looked into when it opens. */
  toggle(image: IImageReference): void {
    const key = imageKey(image);
    if (!this._open.delete(key)) {
      this._open.add(key);
      this.detail(image).wanted = true;
    }
    this.stateChanged.emit();
  }

  /** All that is known of an image. */
  detail(image: IImageReference): Source<IImageDetail> {
    const key = imageKey(image);
    let detail = this._details.get(key);
    if (!detail) {
      detail = new Source(() => this.api.image(image), this.itsServer);
      detail.stateChanged.connect(() => this.stateChanged.emit());
      this._details.set(key, detail);
    }
    return detail;
  }

  /** Whether an image is being looked into for kernels. */
  isProbed(image: IImageReference): boolean {
    return this._probing.has(imageKey(image));
  }

  /** Find the kernels in an image, which starts a container. */
  async probe(image: IImageReference): Promise<void> {
    const key = imageKey(image);
    this._probing.add(key);
    this.stateChanged.emit();
    try {
      const detail = await this.api.probe(image);
      this.detail(image).put(detail);
    } finally {
      this._probing.delete(key);
      this.stateChanged.emit();
    }
  }

  /** Take an image off its engine. Throws RequestError. */
  async remove(image: IImageReference): Promise<void> {
    await this.api.removeImage(image);
    const key = imageKey(image);
    this._open.delete(key);
    this._details.get(key)?.dispose();
    this._details.delete(key);
    if (this.data) {
      const images = this.data.images.filter(one => imageKey(one) !== key);
      this.put({ ...this.data, images });
    }
    this.invalidate();
  }

  /** Make a kernel of an image, that people find by `title`. Throws RequestError. */
  async pin(image: IImageReference, title: string): Promise<void> {
    const settings = {
      version: 1,
      image: image.reference,
      engine: image.engine
    };
    await this.api.pin(specName(title), settings, title);
    this.invalidate();
  }

  /** Take back an image's kernel. Throws RequestError. */
  async unpin(name: string): Promise<void> {
    await this.api.unpin(name);
    this.invalidate();
  }

  private readonly _details = new Map<string, Source<IImageDetail>>();
  private readonly _open = new Set<string>();
  private readonly _probing = new Set<string>();
  private _query = '';
  private _rows = ROWS;
}

/** What people may call an image in the Launcher: `ghcr.io/org/Lab:1.4` is `Lab 1.4`. */
export function suggestedTitle(reference: string): string {
  const last = reference.replace(/@.*$/, '').split('/').pop() ?? '';
  return last.replace(/:latest$/, '').replace(':', ' ') || 'Container';
}

/** A kernel spec's name for what people call it: `My lab 1.4` is `my-lab-1.4`. */
export function specName(title: string): string {
  return (
    title
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, '-')
      .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '') || 'container'
  );
}
