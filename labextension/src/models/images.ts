/** The images of all engines: the list, its filter, which are open, and actions on them. */

import type { Api } from '../api/api';
import type {
  IImage,
  IImageDetail,
  IImageReference,
  IImages,
  IStarter
} from '../api/types';
import { shortImage } from '../ui/format';
import type { Connection } from './connection';
import { byRepository, type IRepository, type Row, rowsOf } from './imagerows';
import { Resource } from './resource';

/** Rows that are shown at first; "Show more" adds as many. */
const ROWS = 40;

/** A key for an image on an engine; an engine's name has no space. */
export function imageKey(image: IImageReference): string {
  return `${image.engine} ${image.reference}`;
}

const NONE: readonly IImage[] = [];

function matching(all: readonly IImage[], query: string): readonly IImage[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length
    ? all.filter(image => {
        const text =
          `${image.reference} ${image.pinned ?? ''} ${image.engine}`.toLowerCase();
        return words.every(word => text.includes(word));
      })
    : all;
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
    const all = this.data?.images ?? NONE;
    if (this._found?.all !== all || this._found.query !== this._query) {
      const found = matching(all, this._query);
      this._found = { all, query: this._query, found };
    }
    return this._found.found;
  }

  /** The filtered images as rows, by repository; all are open while there is a filter. */
  get rows(): readonly Row[] {
    const { filtered } = this;
    if (this._grouped?.of !== filtered) {
      this._grouped = { of: filtered, repositories: byRepository(filtered) };
    }
    const isOpen = (key: string) =>
      this._query.trim() !== '' || this._openRepositories.has(key);
    return rowsOf(this._grouped.repositories, isOpen);
  }

  /** Show or hide the images of a repository. */
  toggleRepository(key: string): void {
    if (!this._openRepositories.delete(key)) {
      this._openRepositories.add(key);
    }
    this.stateChanged.emit();
  }

  /** How many rows are shown. */
  get visibleRows(): number {
    return this._visibleRows;
  }

  /** Show more rows. */
  showMore(): void {
    this._visibleRows += ROWS;
    this.stateChanged.emit();
  }

  /** Show the first rows only when they are drawn the next time: a long list is slow to draw. */
  showFirst(): void {
    this._visibleRows = ROWS;
  }

  /** Whether an image's details are open. */
  isOpen(image: IImageReference): boolean {
    return this._open.has(imageKey(image));
  }

  /** The size of an engine's images together, at most: they share layers. */
  sizeOn(engine: string): number {
    const sizes = new Map<string, number>();
    for (const image of this.data?.images ?? NONE) {
      if (image.engine === engine) {
        sizes.set(image.id, image.size);
      }
    }
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
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

  private _found: {
    readonly all: readonly IImage[];
    readonly query: string;
    readonly found: readonly IImage[];
  } | null = null;
  private _grouped: {
    readonly of: readonly IImage[];
    readonly repositories: readonly IRepository[];
  } | null = null;
  private readonly _openRepositories = new Set<string>();
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

/** Bases that are offered. */
const MOST = 5;

/** The base that is offered where none is here. */
export const USUAL_BASE = 'docker.io/library/python:3.12-slim';

/** Images that this extension has built for notebooks; its own base has another name. */
const BUILT = /^localhost\/jupyter-containers\/(?!python(:|$))/;

/** What an image may be used for, by its name, the likeliest first. */
const USES: readonly RegExp[] = [
  /(^|\/)python(:|$)/,
  /python/,
  /conda|mamba|miniforge/,
  /notebook|jupyter|scipy|pytorch|tensorflow|cuda|julia|r-ver|rocker/
];

function useOf(reference: string): number {
  const name = shortImage(reference).split('@', 1)[0] ?? '';
  return USES.findIndex(use => use.test(name));
}

/**
 * Images of an engine that notebooks are usually built on, the likeliest first; the usual one
 * where there is none.
 */
export function suggestBases(
  images: readonly IImage[],
  engine: string | null
): readonly string[] {
  const found = images
    .filter(image => engine === null || image.engine === engine)
    // The default needs no naming, and hadolint's rule warns of it.
    .map(({ reference }) => reference.replace(/:latest$/, ''))
    .filter(name => !BUILT.test(name) && !/^sha256:|<none>/.test(name))
    .filter(name => useOf(name) >= 0);
  const bases = [...new Set(found)].sort(
    (a, b) => useOf(a) - useOf(b) || b.localeCompare(a, 'en', { numeric: true })
  );
  return bases.length > 0 ? bases.slice(0, MOST) : [USUAL_BASE];
}

/** The base for a file: one that has what installs it; empty for the usual one. */
export function baseFor(
  kind: IStarter['kind'],
  bases: readonly string[]
): string {
  const use = kind === 'conda' ? [2] : [0, 1];
  return bases.find(base => use.includes(useOf(base))) ?? '';
}
