/** The list of images as rows: one for each repository, and below it its images. Pure. */

import type { IImage, IImageDetail } from '../api/types';
import { formatInstruction, shortImage } from '../ui/format';

/** A repository with several images. */
export interface IRepositoryRow {
  readonly kind: 'repository';
  readonly key: string;
  /** The last part of its name, such as `python`. */
  readonly name: string;
  /** What stands before the name, such as `ghcr.io/org`; empty for Docker Hub's own. */
  readonly place: string;
  readonly images: readonly IImage[];
  readonly open: boolean;
}

/** An image: alone in its repository, or below the row of that. */
export interface IImageRow {
  readonly kind: 'image';
  readonly image: IImage;
  /** `python:3.12`, or `3.12` below its repository. */
  readonly name: string;
  readonly place: string;
  readonly nested: boolean;
}

/** A row of the list. */
export type Row = IRepositoryRow | IImageRow;

/** A repository's images, and its name in two parts. */
export interface IRepository {
  readonly key: string;
  readonly name: string;
  readonly place: string;
  readonly images: readonly IImage[];
}

/** An image's name in three parts: where it is, its repository's last part, its tag or digest. */
function partsOf(reference: string): readonly [string, string, string] {
  const short = shortImage(reference);
  const slash = short.lastIndexOf('/');
  const last = short.slice(slash + 1);
  const cut = short.startsWith('sha256:') ? -1 : last.search(/[:@]/);
  return [
    slash < 0 ? '' : short.slice(0, slash),
    cut < 0 ? last : last.slice(0, cut),
    cut < 0 ? '' : last.slice(cut + (last[cut] === ':' ? 1 : 0))
  ];
}

const { compare } = new Intl.Collator('en', { numeric: true });

/** The images by repository, in the order of their short names; tags from the last to the first. */
export function byRepository(
  images: readonly IImage[]
): readonly IRepository[] {
  const found = new Map<
    string,
    { name: string; place: string; images: [string, IImage][] }
  >();
  for (const image of images) {
    const [place, name, tag] = partsOf(image.reference);
    const key = `${place}/${name}`;
    const repository = found.get(key) ?? { name, place, images: [] };
    repository.images.push([tag, image]);
    found.set(key, repository);
  }
  return [...found]
    .map(([key, { images, ...names }]) => ({
      key,
      ...names,
      images: images
        .sort(([one], [other]) => compare(other, one))
        .map(([, image]) => image)
    }))
    .sort(
      (one, other) =>
        compare(one.name, other.name) || compare(one.place, other.place)
    );
}

/** The rows to draw: those below a repository only if it is open. */
export function rowsOf(
  repositories: readonly IRepository[],
  isOpen: (key: string) => boolean
): readonly Row[] {
  return repositories.flatMap((repository): readonly Row[] => {
    const { images, name, place } = repository;
    const row = (image: IImage, nested: boolean): IImageRow => {
      const [, , tag] = partsOf(image.reference);
      const plain = nested ? tag : `${name}${tag && `:${tag}`}`;
      return {
        kind: 'image',
        image,
        name: plain.replace(':@', '@') || name,
        place: nested ? '' : place,
        nested
      };
    };
    const [only] = images;
    if (images.length === 1 && only) {
      return [row(only, false)];
    }
    const open = isOpen(repository.key);
    const below = open ? images.map(image => row(image, true)) : [];
    return [{ kind: 'repository', ...repository, open }, ...below];
  });
}

/** The label that every image of ours has. */
const OUR_LABEL = /^LABEL "?jupyter-containers\./;

/** An image's layers, the oldest first, as in its Dockerfile: without our own label. */
export function layersOf(
  detail: IImageDetail
): readonly { readonly instruction: string; readonly size: number }[] {
  return detail.layers
    .map(({ created_by: text, size }) => ({
      instruction: formatInstruction(text),
      size
    }))
    .filter(({ instruction }) => !OUR_LABEL.test(instruction))
    .reverse();
}
