/** What an output that is isolated is drawn as. Pure. */

import { BUILD_VIEW } from '../constants';

/**
 * How a MIME type is drawn: `text` by JupyterLab's renderer as data that is not trusted, `html`
 * the same or in a frame, `script` in a frame, `svg` as an image, `ours` by our own renderer.
 */
export type Kind = 'text' | 'html' | 'script' | 'svg' | 'ours';

/** What ipywidgets shows its widgets by. */
export const WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json';

const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['text/html', 'html'],
  ['image/svg+xml', 'svg'],
  ['application/javascript', 'script'],
  ['text/javascript', 'script'],
  [BUILD_VIEW, 'ours'],
  ...[
    'application/json',
    'application/vnd.jupyter.error',
    'application/vnd.jupyter.stderr',
    'application/vnd.jupyter.stdout',
    'image/bmp',
    'image/gif',
    'image/jpeg',
    'image/png',
    'image/webp',
    'text/latex',
    'text/markdown',
    'text/plain'
  ].map((type): [string, Kind] => [type, 'text'])
]);

/** How a MIME type is drawn; undefined for one that is not. */
export function kindOf(mimeType: string): Kind | undefined {
  return KINDS.get(mimeType);
}

/**
 * The MIME type of a bundle to draw, of `ranked`, the types that have a renderer.
 *
 * The best that can be drawn; but where that is only the text in place of something richer, or a
 * script that would not find there what drew before it, the other, which is not drawn but named.
 */
export function preferredType(
  bundle: Readonly<Record<string, unknown>>,
  ranked: readonly string[]
): string | undefined {
  const present = ranked.filter(type => type in bundle);
  const drawn = present.find(type => KINDS.has(type));
  if (drawn !== undefined && kindOf(drawn) === 'script') {
    return present.find(type => !KINDS.has(type)) ?? drawn;
  }
  return drawn === undefined || drawn === 'text/plain' ? present[0] : drawn;
}

/**
 * Whether JupyterLab would leave out of this HTML what makes it work or look as it should. `scoped`
 * styles are those of pandas, whose tables JupyterLab has a style for.
 *
 * Only the look depends on it: what needs no frame is sanitized, whatever it is.
 */
export function needsFrame(html: string): boolean {
  return ACTIVE_ELEMENT.test(html) || EVENT_HANDLER.test(html);
}

const ACTIVE_ELEMENT =
  /<(?:script|style(?![^>]*\bscoped\b)|svg|math|canvas|iframe|object|embed|link|input|select|textarea|button|dialog)\b/i;
const EVENT_HANDLER = /<[a-z][^>]*?[\s"'/]on[a-z]+\s*=/i;

/** Whether JupyterLab draws an output into a frame of the page's own origin. */
export function isMarkedIsolated(
  mimeType: string,
  metadata: Readonly<Record<string, unknown>>
): boolean {
  const own = metadata[mimeType] as { isolated?: unknown } | undefined;
  return Boolean(own?.isolated ?? metadata.isolated);
}

/** Sanitized HTML without the attributes by which a click runs one of JupyterLab's commands. */
export function withoutCommands(html: string): string {
  return html.replace(/<button\b[^>]*>/g, tag =>
    tag.replace(/\sdata-commandlinker-[a-z]+(?:="[^"]*")?/g, '')
  );
}
