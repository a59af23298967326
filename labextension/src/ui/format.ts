/** Numbers, times and names as text. Pure. */

import type { IPlacement } from '../api/types';

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
    return `${String(whole)} s`;
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) {
    const rest = whole % 60;
    return `${String(minutes)} min${rest ? ` ${String(rest)} s` : ''}`;
  }
  const rest = minutes % 60;
  return `${String(Math.floor(minutes / 60))} h${rest ? ` ${String(rest)} min` : ''}`;
}

const AGES: readonly [number, string][] = [
  [365 * 86400, 'year'],
  [30 * 86400, 'month'],
  [7 * 86400, 'week'],
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute']
];

/** The time since then, such as `3 weeks`; empty for an unknown time. */
export function formatAge(iso: string, now: number = Date.now()): string {
  const then = Date.parse(iso);
  if (Number.isNaN(then) || then <= 0) {
    return '';
  }
  const seconds = (now - then) / 1000;
  for (const [length, word] of AGES) {
    const count = Math.floor(seconds / length);
    if (count >= 1) {
      return `${String(count)} ${word}${count > 1 ? 's' : ''}`;
    }
  }
  return 'just now';
}

/** A cluster's job, such as `123 on n1, 1 h 10 min left`. */
export function formatPlacement(
  placement: IPlacement,
  now: number = Date.now()
): string {
  const node = placement.node === null ? '' : ` on ${placement.node}`;
  const left =
    placement.ends === null
      ? ''
      : `, ${formatDuration(placement.ends - now / 1000)} left`;
  return stripControls(`${placement.job}${node}${left}`);
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
