/** Numbers, times and names as text. Pure. */

import type { IPlacement } from '../api/types';
import { trans } from '../trans';

const CONTROL =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Text without control characters and bidirectional overrides, which would change how the text
 * around it is shown. The server removes them too, but not all text comes from it.
 */
export function stripControls(text: string): string {
  return text.replace(CONTROL, '');
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** A size, such as `1.4 GiB`. */
export function formatBytes(count: number): string {
  let size = Math.max(0, count);
  let unit = 0;
  while (size >= 1023.95 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  return `${size.toFixed(digits).replace(/\.0$/, '')} ${UNITS[unit] ?? ''}`;
}

/** A duration, such as `7 s`, `3 min 5 s` or `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return trans.__('%1 s', whole);
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) {
    const rest = whole % 60;
    return rest
      ? trans.__('%1 min %2 s', minutes, rest)
      : trans.__('%1 min', minutes);
  }
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return rest ? trans.__('%1 h %2 min', hours, rest) : trans.__('%1 h', hours);
}

const AGES: readonly [number, (count: number) => string][] = [
  [365 * 86400, count => trans._n('%1 year', '%1 years', count)],
  [30 * 86400, count => trans._n('%1 month', '%1 months', count)],
  [7 * 86400, count => trans._n('%1 week', '%1 weeks', count)],
  [86400, count => trans._n('%1 day', '%1 days', count)],
  [3600, count => trans._n('%1 hour', '%1 hours', count)],
  [60, count => trans._n('%1 minute', '%1 minutes', count)]
];

/** What `formatAge` says of less than a minute. */
export const justNow = (): string => trans.__('just now');

/** The time since then, such as `3 weeks`; empty for an unknown time. */
export function formatAge(iso: string, now: number = Date.now()): string {
  const then = Date.parse(iso);
  if (Number.isNaN(then) || then <= 0) {
    return '';
  }
  const seconds = (now - then) / 1000;
  for (const [length, say] of AGES) {
    const count = Math.floor(seconds / length);
    if (count >= 1) {
      return say(count);
    }
  }
  return justNow();
}

/** A cluster's job, such as `123 on n1, 1 h 10 min left`. */
export function formatPlacement(
  placement: IPlacement,
  now: number = Date.now()
): string {
  const { ends, job, node } = placement;
  const at = node === null ? job : trans.__('%1 on %2', job, node);
  const left =
    ends === null ? '' : formatDuration(Math.max(0, ends - now / 1000));
  return stripControls(left ? trans.__('%1, %2 left', at, left) : at);
}

/** An image's usual name: `python:3` for `docker.io/library/python:3`. */
export function shortImage(reference: string): string {
  const clean = stripControls(reference);
  if (clean.startsWith('sha256:')) {
    return `${clean.slice(0, 19)}…`;
  }
  return clean
    .replace(/^docker\.io\/(library\/)?/, '')
    .replace(/@sha256:([0-9a-f]{12})[0-9a-f]+$/, '@$1…');
}

/** The last part of an image's name, such as `python:3`. */
export function imageName(reference: string): string {
  const short = shortImage(reference);
  return short.slice(short.lastIndexOf('/') + 1);
}

/** A layer's instruction as in the Dockerfile, without the shell that engines add. */
export function formatInstruction(createdBy: string): string {
  return stripControls(createdBy)
    .replace(/^\|\d+ .*? (?=\/bin\/sh -c )/s, '')
    .replace(/^\/bin\/sh -c #\(nop\)\s+/, '')
    .replace(/^(RUN )?\/bin\/sh -c /, 'RUN ')
    .replace(/ # buildkit$/, '')
    .trim();
}

/** The last part of a path. */
export function basename(path: string): string {
  const parts = path.split('/').filter(part => part && part !== '.');
  return parts.pop() ?? '';
}

/** A part of a whole in percent, from 0 to 100. */
export function percent(part: number, whole: number): number {
  if (!(whole > 0)) {
    return 0;
  }
  return Math.min(100, Math.max(0, Math.round((part / whole) * 100)));
}
