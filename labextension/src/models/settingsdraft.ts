/** The settings form's edits, and the server's check of them. */

import { VDomModel } from '@jupyterlab/ui-components';

import type { Api } from '../api/api';
import { toProblem } from '../api/request';
import type { ICheck, IField, IProblem, Settings } from '../api/types';
import { trans } from '../trans';
import { duplicateName, type IMountInput, type InputValue } from './form';
import { isReadOnly, isSame, toInput, toValue } from './form';

/** Milliseconds after the last key before the edits are checked. */
const CHECK_DELAY = 300;

/** The version of the settings' format. */
const VERSION = 1;

/**
 * Edits on top of a notebook's settings.
 *
 * Only the edited fields are kept here, so that all others follow a change of the settings, such
 * as that of a finished build.
 */
export class SettingsDraft extends VDomModel {
  constructor(private readonly api: Api) {
    super();
  }

  /** The notebook's path on the server; if null, nothing is checked. */
  path: string | null = null;

  /** The table of settings; empty before it is known. */
  get fields(): readonly IField[] {
    return this._fields;
  }

  set fields(fields: readonly IField[]) {
    this._fields = fields;
    this.stateChanged.emit();
  }

  /** The settings without the edits. */
  get base(): Settings | null {
    return this._base;
  }

  /** Replace the settings of the same notebook; the edits stay. */
  rebase(base: Settings | null): void {
    if (isSame(base, this._base)) {
      return;
    }
    this._base = base;
    for (const field of this._fields) {
      const input = this._edits.get(field.key);
      if (input !== undefined && isSame(input, this.baseInput(field))) {
        this._edits.delete(field.key);
      }
    }
    this.onEdited();
  }

  /** The value of a field's input. */
  input(field: IField): InputValue {
    return this._edits.get(field.key) ?? this.baseInput(field);
  }

  /** Set a field's input, as the user types. */
  set(field: IField, input: InputValue): void {
    if (isSame(input, this.baseInput(field))) {
      this._edits.delete(field.key);
    } else {
      this._edits.set(field.key, input);
    }
    this.onEdited();
  }

  /** Set a field's input by its key, if there is such a field. */
  setKey(key: string, input: InputValue): void {
    const field = this._fields.find(other => other.key === key);
    if (field) {
      this.set(field, input);
    }
  }

  /** Add a mount, unless its folder is mounted already. */
  addMount(mount: IMountInput): void {
    const field = this._fields.find(({ kind }) => kind === 'mounts');
    if (field) {
      const mounts = this.input(field) as readonly IMountInput[];
      if (!mounts.some(({ source }) => source === mount.source)) {
        this.set(field, [...mounts, mount]);
      }
    }
  }

  /** Set the folder of a mount, and its place in the container if that is empty. */
  setFolder(index: number, mount: IMountInput): void {
    const field = this._fields.find(({ kind }) => kind === 'mounts');
    if (field) {
      const mounts = this.input(field) as readonly IMountInput[];
      const changed = mounts.map((old, at) =>
        at === index
          ? { ...old, source: mount.source, target: old.target || mount.target }
          : old
      );
      this.set(field, changed);
    }
  }

  /** Whether a field was edited. */
  isEdited(key: string): boolean {
    return this._edits.has(key);
  }

  /** The fields that were edited. */
  get edited(): readonly IField[] {
    return this._fields.filter(({ key }) => this._edits.has(key));
  }

  /** Whether any field was edited. */
  get changed(): boolean {
    return this._edits.size > 0;
  }

  /** Drop the edits. */
  revert(): void {
    this._edits.clear();
    this.onEdited();
  }

  /** The settings with the edits. A new image drops what was recorded of the old one. */
  get settings(): Settings {
    const settings: Settings = { version: VERSION, ...this._base };
    for (const field of this._fields) {
      const input = this._edits.get(field.key);
      if (input === undefined) {
        continue;
      }
      const value = toValue(field, input);
      if (value === undefined) {
        Reflect.deleteProperty(settings, field.key);
      } else {
        settings[field.key] = value;
      }
    }
    if (settings.image !== this._base?.image) {
      for (const field of this._fields.filter(isReadOnly)) {
        Reflect.deleteProperty(settings, field.key);
      }
    }
    return settings;
  }

  /** The error of a field, or null. */
  problem(field: IField): (IProblem & { trait: string }) | null {
    const duplicate = duplicateName(this.input(field));
    if (duplicate !== null && field.kind === 'object') {
      const message = `${duplicate} stands here twice.`;
      return { message, hint: trans.__('Keep one of them.'), trait: '' };
    }
    // A key below a field, such as `mounts.target`, belongs to it.
    return (
      this._check?.errors.find(
        ({ key }) => key === field.key || key.startsWith(`${field.key}.`)
      ) ?? null
    );
  }

  /** Errors that belong to no field, and why the settings could not be checked. */
  get problems(): readonly IProblem[] {
    const keys = new Set(this._fields.map(field => field.key));
    const others =
      this._check?.errors.filter(
        ({ key }) => !keys.has(key.split('.', 1)[0] ?? '')
      ) ?? [];
    return this._checkError ? [...others, this._checkError] : others;
  }

  /** What of the edited settings is not approved; undefined if that is unknown. */
  get missing(): readonly string[] | undefined {
    return this.validCheck?.missing;
  }

  /** The keys of `missing`. */
  get missingKeys(): readonly string[] | undefined {
    return this.validCheck?.missing_keys;
  }

  /** The last check, if it found no errors; only then it tells what is not approved. */
  private get validCheck(): ICheck | null {
    return this._check?.errors.length === 0 ? this._check : null;
  }

  /** Whether the edits are still being checked. */
  get checking(): boolean {
    return this._checking;
  }

  /** Whether the edits are checked and free of errors. */
  get valid(): boolean {
    return (
      !this._checking &&
      this.problems.length === 0 &&
      this._fields.every(field => this.problem(field) === null)
    );
  }

  /** Check now; true if the edits are valid. */
  async check(): Promise<boolean> {
    clearTimeout(this._timer);
    const { path } = this;
    if (path === null) {
      return false;
    }
    const request = (this._request += 1);
    try {
      const check = await this.api.check(path, this.settings);
      if (request === this._request) {
        this._check = check;
        this._checkError = null;
      }
    } catch (error) {
      if (request === this._request) {
        this._checkError = toProblem(error);
      }
    }
    if (request === this._request) {
      this._checking = false;
      this.stateChanged.emit();
    }
    return this.valid;
  }

  override dispose(): void {
    clearTimeout(this._timer);
    super.dispose();
  }

  private baseInput(field: IField): InputValue {
    return toInput(field, this._base?.[field.key]);
  }

  private onEdited(): void {
    clearTimeout(this._timer);
    // The answer of a running check would be about the previous edits.
    this._request += 1;
    this._checkError = null;
    this._checking = this.changed && this.path !== null;
    if (this._checking) {
      this._timer = setTimeout(() => void this.check(), CHECK_DELAY);
    } else {
      this._check = null;
    }
    this.stateChanged.emit();
  }

  private _base: Settings | null = null;
  private _check: ICheck | null = null;
  private _checking = false;
  private readonly _edits = new Map<string, InputValue>();
  private _fields: readonly IField[] = [];
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _checkError: IProblem | null = null;
  private _request = 0;
}
