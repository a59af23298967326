/** The settings form: what stands in its inputs, and the settings that this means. Pure. */

import { plain, shortImage } from '../ui/format';
import type { IField } from '../api/types';

/** A mount as it is typed. */
export interface IMountInput {
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
}

/** What one field's input holds: text, a switch, items, mounts, or names with values. */
export type Input =
  | string
  | boolean
  | readonly string[]
  | readonly IMountInput[]
  | readonly (readonly [string, string])[];

/** The fields that stand at the top; the others are under "More settings". */
const FIRST = new Set([
  'image',
  'engine',
  'mounts',
  'devices',
  'cpus',
  'memory',
  'network',
  'ports',
  'env',
  'user'
]);

/** The keys that a person has to say yes to (`approvals.asks`); others are free. */
const NEEDS_YES = new Set([
  'image',
  'mounts',
  'devices',
  'ports',
  'env',
  'user',
  'entrypoint',
  'slurm'
]);

/** Whether a field is shown without opening "More settings". */
export function isFirst(field: IField): boolean {
  return FIRST.has(field.key);
}

/** Whether a field records what happened and is not for typing: build and digest. */
export function isRecord(field: IField): boolean {
  return field.kind !== 'image' && field.option === '';
}

/** What people call a field. */
export function labelOf(field: IField): string {
  const known: Record<string, string> = {
    cpus: 'CPUs',
    devices: 'GPUs and other devices',
    digest: 'Registry digest',
    env: 'Environment variables',
    hostname: 'Host name',
    kernel: 'Kernel in the image',
    memory: 'Memory limit',
    pids: 'Processes at once',
    read_only: 'Read-only file system',
    shm: 'Shared memory',
    slurm: 'Slurm options',
    workdir: 'Working directory'
  };
  const words = field.key.replaceAll('_', ' ');
  return known[field.key] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON value as text in an input; anybody may have written it. */
function asText(value: unknown): string {
  if (value === undefined || value === null) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What the input shows for a setting's value; `undefined` is "not asked". */
export function toInput(field: IField, value: unknown): Input {
  const items = Array.isArray(value) ? (value as unknown[]) : [];
  switch (field.kind) {
    case 'flag':
      return value === undefined ? field.default === true : value === true;
    case 'choice':
      return asText(value ?? field.default);
    case 'list':
      return items.map(asText);
    case 'mounts':
      return items.filter(isObject).map(one => ({
        source: asText(one.source),
        target: asText(one.target),
        writable: one.writable === true
      }));
    case 'object':
      return isObject(value)
        ? Object.entries(value).map(
            ([name, said]) => [name, asText(said)] as const
          )
        : [];
    default:
      return asText(value);
  }
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Text as the number it is, or as it stands, for the server to say what is wrong with it. */
function asNumber(text: string): number | string {
  return NUMBER.test(text) ? Number(text) : text;
}

/** The setting that an input means; `undefined` where nothing is asked. */
export function toValue(field: IField, input: Input): unknown {
  if (typeof input === 'boolean') {
    return input === (field.default === true) ? undefined : input;
  }
  if (typeof input === 'string') {
    const text = input.trim();
    if (text === '' || (field.kind === 'choice' && text === field.default)) {
      return undefined;
    }
    return field.kind === 'number' || field.kind === 'count'
      ? asNumber(text)
      : text;
  }
  const value = listed(field, input);
  return Object.keys(value).length ? value : undefined;
}

function listed(
  field: IField,
  input: Exclude<Input, string | boolean>
): unknown[] | Record<string, string> {
  if (field.kind === 'mounts') {
    return (input as readonly IMountInput[])
      .map(one => ({
        ...one,
        source: one.source.trim(),
        target: one.target.trim()
      }))
      .filter(one => one.source || one.target);
  }
  if (field.kind === 'object') {
    const pairs = input as readonly (readonly [string, string])[];
    return Object.fromEntries(
      pairs.filter(([name, value]) => name.trim() || value)
    );
  }
  // Ports are whole numbers, devices never are.
  return (input as readonly string[])
    .map(one => one.trim())
    .filter(one => one)
    .map(one => (/^\d+$/.test(one) ? Number(one) : one));
}

/** Names that stand twice among names with values: the later one would win in silence. */
export function doubled(input: Input): string | null {
  if (!Array.isArray(input)) {
    return null;
  }
  const seen = new Set<string>();
  for (const one of input as unknown[]) {
    if (Array.isArray(one) && typeof one[0] === 'string' && one[0]) {
      if (seen.has(one[0])) {
        return one[0];
      }
      seen.add(one[0]);
    }
  }
  return null;
}

/** Whether two settings or values are the same, whatever the order of their keys. */
export function same(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner)
      ? Object.fromEntries(
          Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))
        )
      : inner
  );
}

/** Why an engine does not honour a field; null where it does. */
export function unableReason(field: IField, engine: string): string | null {
  return field.unable.includes(engine)
    ? `${plain(engine)} cannot do this; another engine may.`
    : null;
}

/** Whether a field's value is approved: null where nothing is asked or nobody knows. */
export function approval(
  key: string,
  asked: boolean,
  missing: readonly string[] | undefined
): 'approved' | 'missing' | 'free' | null {
  if (!asked) {
    return null;
  }
  if (missing?.includes(key)) {
    return 'missing';
  }
  if (!NEEDS_YES.has(key)) {
    return 'free';
  }
  return missing ? 'approved' : null;
}

/** One setting's value in words, for what is not typed. */
export function inWords(field: IField, value: unknown): string {
  const input = toInput(field, value);
  if (typeof input === 'boolean') {
    return input ? 'yes' : 'no';
  }
  if (typeof input === 'string') {
    return plain(field.kind === 'image' ? shortImage(input) : input);
  }
  return (input as readonly (string | IMountInput | [string, string])[])
    .map(one => {
      if (typeof one === 'string') {
        return plain(one);
      }
      if ('source' in one) {
        const how = one.writable ? 'read and write' : 'read-only';
        return plain(`${one.source} at ${one.target}, ${how}`);
      }
      return plain(`${one[0]}=${one[1]}`);
    })
    .join('; ');
}
