/** What outlives a page load: the user's settings of `schema/plugin.json`, and the open sections. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { IStateDB } from '@jupyterlab/statedb';

import { SECTIONS } from './model';
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

const KEY = 'jupyter-containers:sections';

/** What is open for somebody who never opened or closed anything. */
const AT_FIRST = ['notebook', 'images', 'builds'];

/** Open what was open, and keep what is. */
export async function remember(
  model: ContainersModel,
  database: IStateDB | null
): Promise<void> {
  let open: readonly unknown[] = AT_FIRST;
  try {
    const kept = await database?.fetch(KEY);
    open = Array.isArray(kept) ? kept : AT_FIRST;
  } catch {
    // A state that cannot be read is none.
  }
  SECTIONS.forEach(section => model.setOpen(section, open.includes(section)));
  model.stateChanged.connect(() => {
    const now = SECTIONS.filter(section => model.isOpen(section));
    if (now.join() !== open.join()) {
      open = now;
      void database?.save(KEY, now);
    }
  });
}
