/** The images of all engines: the list, its filter, which are open, and actions on them. */

import type { Api } from '../api/api';
import type {
  IImage,
  IImageDetail,
  IImageReference,
  IImages
} from '../api/types';
import type { Connection } from './connection';
import { Resource } from './resource';

/** Rows that are shown at first; "Show more" adds twice as many. */
const ROWS = 50;

/** A key for an image on an engine; an engine's name has no space. */
export function imageKey(image: IImageReference): string {
  return `${image.engine} ${image.reference}`;
}

/** The images of this machine. */
export class Images extends Resource<IImages> {
  constructor(
    private readonly api: Api,
    connection: Connection
  ) {
    super(() => api.images(), connection);
  }

  /** The text of the filter. */
  get query(): string {
    return this._query;
  }

  set query(query: string) {
    this._query = query;
    this._visibleRows = ROWS;
    this.stateChanged.emit();
  }

  /** The engines that could not list their images. */
  get problems(): IImages['problems'] {
    return this.data?.problems ?? [];
  }

  /** The images whose name, engine or pinned kernel contains all words of the filter. */
  get filtered(): readonly IImage[] {
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

  /** How many of the filtered images are shown. */
  get visibleRows(): number {
    return this._visibleRows;
  }

  /** Show more of the filtered images. */
  showMore(): void {
    this._visibleRows += 2 * ROWS;
    this.stateChanged.emit();
  }

  /** Whether an image's details are open. */
  isOpen(image: IImageReference): boolean {
    return this._open.has(imageKey(image));
  }

  /** Open or close an image's details, which are fetched then. */
  toggle(image: IImageReference): void {
    const key = imageKey(image);
    if (!this._open.delete(key)) {
      this._open.add(key);
      this.detail(image).active = true;
    }
    this.stateChanged.emit();
  }

  /** The details of an image; always the same object. */
  detail(image: IImageReference): Resource<IImageDetail> {
    const key = imageKey(image);
    let detail = this._details.get(key);
    if (!detail) {
      detail = new Resource(() => this.api.image(image), this.connection);
      detail.stateChanged.connect(() => this.stateChanged.emit());
      this._details.set(key, detail);
    }
    return detail;
  }

  /** Whether an image is being probed for kernels. */
  isProbing(image: IImageReference): boolean {
    return this._probing.has(imageKey(image));
  }

  /** Probe an image for kernels, which starts a container. */
  async probe(image: IImageReference): Promise<void> {
    const key = imageKey(image);
    this._probing.add(key);
    this.stateChanged.emit();
    try {
      const detail = await this.api.probe(image);
      this.detail(image).set(detail);
    } finally {
      this._probing.delete(key);
      this.stateChanged.emit();
    }
  }

  /** Remove an image from its engine. Throws RequestError. */
  async remove(image: IImageReference): Promise<void> {
    await this.api.removeImage(image);
    const key = imageKey(image);
    this._open.delete(key);
    this._details.get(key)?.dispose();
    this._details.delete(key);
    if (this.data) {
      const images = this.data.images.filter(other => imageKey(other) !== key);
      this.set({ ...this.data, images });
    }
    this.invalidate();
  }

  /** Add a kernel spec for an image, with the display name `title`. Throws RequestError. */
  async pin(image: IImageReference, title: string): Promise<void> {
    const settings = {
      version: 1,
      image: image.reference,
      engine: image.engine
    };
    await this.api.pin(kernelSpecName(title), settings, title);
    this.invalidate();
  }

  /** Remove a pinned kernel spec. Throws RequestError. */
  async unpin(name: string): Promise<void> {
    await this.api.unpin(name);
    this.invalidate();
  }

  private readonly _details = new Map<string, Resource<IImageDetail>>();
  private readonly _open = new Set<string>();
  private readonly _probing = new Set<string>();
  private _query = '';
  private _visibleRows = ROWS;
}

/** A display name for an image: `Lab 1.4` for `ghcr.io/org/Lab:1.4`. */
export function suggestTitle(reference: string): string {
  const last = reference.replace(/@.*$/, '').split('/').pop() ?? '';
  return last.replace(/:latest$/, '').replace(':', ' ') || 'Container';
}

/** A kernel spec's name for its display name: `my-lab-1.4` for `My lab 1.4`. */
export function kernelSpecName(title: string): string {
  return (
    title
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, '-')
      .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '') || 'container'
  );
}
