/** What a person has set for the sidebar, in `schema/plugin.json`. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import type { ContainersModel } from './model';
import { INTERVAL } from './stats';

/** The settings, which may change at any time. */
export class Preferences {
  constructor(private readonly model: ContainersModel) {}

  /** Whether removing an image asks first. */
  confirmRemove = true;

  /** Read them, now and whenever they change. Without a registry the defaults stay. */
  async load(registry: ISettingRegistry | null, id: string): Promise<void> {
    try {
      const settings = await registry?.load(id);
      settings?.changed.connect(() => this.take(settings));
      if (settings) {
        this.take(settings);
      }
    } catch (error) {
      console.warn('The settings of jupyter-containers cannot be read.', error);
    }
  }

  private take(settings: ISettingRegistry.ISettings): void {
    const seconds = settings.get('liveInterval').composite;
    this.model.interval =
      typeof seconds === 'number' ? seconds * 1000 : INTERVAL;
    this.confirmRemove = settings.get('confirmRemove').composite !== false;
  }
}
