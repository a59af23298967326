/** The settings that are being edited: what is typed, what the server says of it. */

import { VDomModel } from '@jupyterlab/ui-components';

import type { Api } from '../api/api';
import { doubled, type IMountInput, type Input } from './form';
import { isRecord, same, toInput, toValue } from './form';
import { problemOf } from '../api/request';
import type { ICheck, IField, IProblem, Settings } from '../api/types';

/** Milliseconds without a key before what is typed is checked. */
const PAUSE = 300;

/** What the settings are called in their JSON, beside the fields. */
const VERSION = 1;

/**
 * Edits on top of a notebook's settings.
 *
 * Only what was touched is kept here, so settings that change below (a build that ended) show
 * through everywhere else.
 */
export class Draft extends VDomModel {
  constructor(private readonly api: Api) {
    super();
  }

  /** The notebook's path on the server; where it is null nothing is checked. */
  path: string | null = null;

  /** The form's table; empty until it is known. */
  get fields(): readonly IField[] {
    return this._fields;
  }

  set fields(fields: readonly IField[]) {
    this._fields = fields;
    this.stateChanged.emit();
  }

  /** The settings below the edits. */
  get base(): Settings | null {
    return this._base;
  }

  /** Take other settings of the same notebook, below the edits that stay. */
  rebase(base: Settings | null): void {
    if (same(base, this._base)) {
      return;
    }
    this._base = base;
    for (const field of this._fields) {
      const input = this._edits.get(field.key);
      if (input !== undefined && same(input, this.basic(field))) {
        this._edits.delete(field.key);
      }
    }
    this.changedNow();
  }

  /** What stands in a field's input. */
  input(field: IField): Input {
    return this._edits.get(field.key) ?? this.basic(field);
  }

  /** Called as somebody types. */
  set(field: IField, input: Input): void {
    if (same(input, this.basic(field))) {
      this._edits.delete(field.key);
    } else {
      this._edits.set(field.key, input);
    }
    this.changedNow();
  }

  /** Set a field by its key, if there is such a field. */
  setKey(key: string, input: Input): void {
    const field = this._fields.find(one => one.key === key);
    if (field) {
      this.set(field, input);
    }
  }

  /** Add a folder, read-only, unless it is there already. */
  addMount(mount: IMountInput): void {
    const field = this._fields.find(one => one.kind === 'mounts');
    if (field) {
      const mounts = this.input(field) as readonly IMountInput[];
      if (!mounts.some(one => one.source === mount.source)) {
        this.set(field, [...mounts, mount]);
      }
    }
  }

  /** Whether a field was touched. */
  isEdited(key: string): boolean {
    return this._edits.has(key);
  }

  /** Whether there is something to apply. */
  get changed(): boolean {
    return this._edits.size > 0;
  }

  /** Drop the edits. */
  revert(): void {
    this._edits.clear();
    this.changedNow();
  }

  /** The settings with the edits. What a build recorded goes with the image it recorded. */
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
      for (const field of this._fields.filter(isRecord)) {
        Reflect.deleteProperty(settings, field.key);
      }
    }
    return settings;
  }

  /** What is wrong with a field; null where nothing is known to be. */
  problem(field: IField): (IProblem & { trait: string }) | null {
    const twice = doubled(this.input(field));
    if (twice !== null && field.kind === 'object') {
      const message = `${twice} stands here twice.`;
      return { message, hint: 'Keep one of them.', trait: '' };
    }
    // A key below a field, such as `mounts.target`, belongs to it.
    return (
      this._check?.errors.find(
        one => one.key === field.key || one.key.startsWith(`${field.key}.`)
      ) ?? null
    );
  }

  /** What is wrong and belongs to no field, or why it could not be checked. */
  get problems(): readonly IProblem[] {
    const keys = new Set(this._fields.map(field => field.key));
    const others =
      this._check?.errors.filter(
        one => !keys.has(one.key.split('.', 1)[0] ?? '')
      ) ?? [];
    return this._trouble ? [...others, this._trouble] : others;
  }

  /** What of the edited settings is not approved; undefined where that is not known. */
  get missing(): readonly string[] | undefined {
    return this.judged?.missing;
  }

  /** The keys of `missing`. */
  get missingKeys(): readonly string[] | undefined {
    return this.judged?.missing_keys;
  }

  /** The server asks for a yes only to settings that have no errors. */
  private get judged(): ICheck | null {
    return this._check?.errors.length === 0 ? this._check : null;
  }

  /** Whether what is typed is not checked yet. */
  get checking(): boolean {
    return this._checking;
  }

  /** Whether it can be applied, as far as is known. */
  get valid(): boolean {
    return (
      !this._checking &&
      this.problems.length === 0 &&
      this._fields.every(field => this.problem(field) === null)
    );
  }

  /** Check now, and say whether it is right. */
  async check(): Promise<boolean> {
    clearTimeout(this._timer);
    const { path } = this;
    if (path === null) {
      return false;
    }
    const turn = (this._turn += 1);
    try {
      const check = await this.api.check(path, this.settings);
      if (turn === this._turn) {
        this._check = check;
        this._trouble = null;
      }
    } catch (error) {
      if (turn === this._turn) {
        this._trouble = problemOf(error);
      }
    }
    if (turn === this._turn) {
      this._checking = false;
      this.stateChanged.emit();
    }
    return this.valid;
  }

  override dispose(): void {
    clearTimeout(this._timer);
    super.dispose();
  }

  private basic(field: IField): Input {
    return toInput(field, this._base?.[field.key]);
  }

  private changedNow(): void {
    clearTimeout(this._timer);
    // An answer that is under way is about what stood here before.
    this._turn += 1;
    this._trouble = null;
    this._checking = this.changed && this.path !== null;
    if (this._checking) {
      this._timer = setTimeout(() => void this.check(), PAUSE);
    } else {
      this._check = null;
    }
    this.stateChanged.emit();
  }

  private _base: Settings | null = null;
  private _check: ICheck | null = null;
  private _checking = false;
  private readonly _edits = new Map<string, Input>();
  private _fields: readonly IField[] = [];
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _trouble: IProblem | null = null;
  private _turn = 0;
}
