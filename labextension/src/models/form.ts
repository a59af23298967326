/** The settings form: the values of its inputs, and the settings that they stand for. Pure. */

import type { IField } from '../api/types';
import { trans } from '../trans';
import { shortImage, stripControls } from '../ui/format';

/** A mount, as it is typed. */
export interface IMountInput {
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
}

/** The value of a field's input: text, a switch, items, mounts, or names with values. */
export type InputValue =
  | string
  | boolean
  | readonly string[]
  | readonly IMountInput[]
  | readonly (readonly [string, string])[];

/** The fields at the top; the others are under "More settings". */
const COMMON = new Set([
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

/** The keys of settings that need the user's approval. */
const NEEDS_APPROVAL = new Set([
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
export function isCommon(field: IField): boolean {
  return COMMON.has(field.key);
}

/** Whether a field is a record that cannot be edited, such as `build` and `digest`. */
export function isReadOnly(field: IField): boolean {
  return field.kind !== 'image' && field.option === '';
}

/** A field's label. */
export function labelOf(field: IField): string {
  const known: Record<string, string> = {
    cpus: trans.__('CPUs'),
    devices: trans.__('GPUs and other devices'),
    digest: trans.__('Registry digest'),
    env: trans.__('Environment variables'),
    hostname: trans.__('Host name'),
    kernel: trans.__('Kernel in the image'),
    memory: trans.__('Memory limit'),
    pids: trans.__('Processes at once'),
    read_only: trans.__('Read-only file system'),
    shm: trans.__('Shared memory'),
    slurm: trans.__('Slurm options'),
    workdir: trans.__('Working directory')
  };
  const words = field.key.replaceAll('_', ' ');
  return known[field.key] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON value, which may be of any type, as text. */
function asText(value: unknown): string {
  if (value === undefined || value === null) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The input's value for a setting; `undefined` if the setting is absent. */
export function toInput(field: IField, value: unknown): InputValue {
  const items = Array.isArray(value) ? (value as unknown[]) : [];
  switch (field.kind) {
    case 'flag':
      return value === undefined ? field.default === true : value === true;
    case 'choice':
      return asText(value ?? field.default);
    case 'list':
      return items.map(asText);
    case 'mounts':
      return items.filter(isObject).map(mount => ({
        source: asText(mount.source),
        target: asText(mount.target),
        writable: mount.writable === true
      }));
    case 'object':
      return isObject(value)
        ? Object.entries(value).map(
            ([name, item]) => [name, asText(item)] as const
          )
        : [];
    default:
      return asText(value);
  }
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Text as a number, or unchanged if it is none: the server then says what is wrong. */
function asNumber(text: string): number | string {
  return NUMBER.test(text) ? Number(text) : text;
}

/** The setting for an input's value; `undefined` if the setting is absent. */
export function toValue(field: IField, input: InputValue): unknown {
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
  const value = toListValue(field, input);
  return Object.keys(value).length ? value : undefined;
}

/** A setting as the values of its option behind `%%dockerfile`; a flag is there or not. */
export function toOption(
  field: IField,
  value: unknown
): readonly string[] | boolean {
  const input = toInput(field, value);
  if (typeof input === 'boolean') {
    return input;
  }
  if (value === undefined || typeof input === 'string') {
    return value === undefined ? [] : [input as string];
  }
  return input.map(item => {
    if (typeof item === 'string') {
      return item;
    }
    return 'source' in item
      ? `${item.source}:${item.target}:${item.writable ? 'rw' : 'ro'}`
      : item.join('=');
  });
}

function toListValue(
  field: IField,
  input: Exclude<InputValue, string | boolean>
): unknown[] | Record<string, string> {
  if (field.kind === 'mounts') {
    return (input as readonly IMountInput[])
      .map(mount => ({
        ...mount,
        source: mount.source.trim(),
        target: mount.target.trim()
      }))
      .filter(mount => mount.source || mount.target);
  }
  if (field.kind === 'object') {
    const pairs = input as readonly (readonly [string, string])[];
    return Object.fromEntries(
      pairs.filter(([name, value]) => name.trim() || value)
    );
  }
  // Ports are whole numbers, devices never are.
  return (input as readonly string[])
    .map(item => item.trim())
    .filter(item => item)
    .map(item => (/^\d+$/.test(item) ? Number(item) : item));
}

/** A name that occurs twice among names with values, of which one would be lost; or null. */
export function duplicateName(input: InputValue): string | null {
  if (!Array.isArray(input)) {
    return null;
  }
  const seen = new Set<string>();
  for (const item of input as unknown[]) {
    const name: unknown = Array.isArray(item) ? item[0] : undefined;
    if (typeof name === 'string' && name) {
      if (seen.has(name)) {
        return name;
      }
      seen.add(name);
    }
  }
  return null;
}

/** Whether two settings or values are equal, apart from the order of keys. */
export function isSame(first: unknown, second: unknown): boolean {
  return canonical(first) === canonical(second);
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

/** Why an engine does not support a field; null if it does. */
export function unsupportedReason(
  field: IField,
  engine: string
): string | null {
  return field.unable.includes(engine)
    ? trans.__('%1 cannot do this; another engine may.', stripControls(engine))
    : null;
}

/** Whether a field's value is approved; null if the setting is absent or that is unknown. */
export function approvalOf(
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
  if (!NEEDS_APPROVAL.has(key)) {
    return 'free';
  }
  return missing ? 'approved' : null;
}

/** A setting's value in words. */
export function describeValue(field: IField, value: unknown): string {
  const input = toInput(field, value);
  if (typeof input === 'boolean') {
    return input ? trans.__('yes') : trans.__('no');
  }
  if (typeof input === 'string') {
    return stripControls(field.kind === 'image' ? shortImage(input) : input);
  }
  return (input as readonly (string | IMountInput | [string, string])[])
    .map(item => {
      if (typeof item === 'string') {
        return stripControls(item);
      }
      if ('source' in item) {
        const access = item.writable
          ? trans.__('read and write')
          : trans.__('read-only');
        return stripControls(
          trans.__('%1 at %2, %3', item.source, item.target, access)
        );
      }
      return stripControls(`${item[0]}=${item[1]}`);
    })
    .join('; ');
}
