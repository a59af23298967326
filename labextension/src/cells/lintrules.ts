/** The rules of linting that the user has switched off, in JupyterLab's settings. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { type ISignal, Signal } from '@lumino/signaling';

/** The name of the setting. */
const KEY = 'lintIgnored';

/** The rules that the user has switched off. */
export class LintRules {
  private settings: ISettingRegistry.ISettings | null = null;
  private readonly _changed = new Signal<this, undefined>(this);

  /** Emitted when the setting was read or changed. */
  get changed(): ISignal<this, undefined> {
    return this._changed;
  }

  /** The codes of rules; undefined where there are no settings, and the server's defaults apply. */
  get ignored(): readonly string[] | undefined {
    return this.settings?.get(KEY).composite as string[] | undefined;
  }

  /** Read the setting from these, now and after each change. */
  use(settings: ISettingRegistry.ISettings): void {
    this.settings = settings;
    settings.changed.connect(() => this._changed.emit(undefined));
    this._changed.emit(undefined);
  }

  /** Switch a rule off from now on, for all notebooks. */
  async switchOff(code: string): Promise<void> {
    const codes = new Set(this.ignored).add(code);
    await this.settings?.set(KEY, [...codes].sort());
  }
}
