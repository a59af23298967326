/** What lasts longer than a page: the user's settings of `schema/plugin.json`, the open sections. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { IStateDB } from '@jupyterlab/statedb';

import type { ContainersModel } from './model';
import { SECTIONS } from './model';
import { DEFAULT_INTERVAL } from './stats';

/** The user's settings, which may change at any time. */
export class Preferences {
  constructor(private readonly model: ContainersModel) {}

  /** Whether to ask before an image is removed. */
  confirmRemove = true;

  /** Read the settings now and after each change. Without a registry the defaults apply. */
  async load(registry: ISettingRegistry | null, id: string): Promise<void> {
    try {
      const settings = await registry?.load(id);
      settings?.changed.connect(() => this.apply(settings));
      if (settings) {
        this.apply(settings);
      }
    } catch (error) {
      console.warn('The settings of jupyter-containers cannot be read.', error);
    }
  }

  private apply(settings: ISettingRegistry.ISettings): void {
    const seconds = settings.get('liveInterval').composite;
    this.model.interval =
      typeof seconds === 'number' ? seconds * 1000 : DEFAULT_INTERVAL;
    this.model.noticePorts = settings.get('noticePorts').composite !== false;
    this.confirmRemove = settings.get('confirmRemove').composite !== false;
  }
}

const SECTIONS_KEY = 'jupyter-containers:sections';

/** The sections that are open at first. */
const DEFAULT_OPEN = ['notebook', 'images', 'builds'];

/** Open the sections that were open, and save which are. */
export async function restoreSections(
  model: ContainersModel,
  database: IStateDB | null
): Promise<void> {
  let open: readonly unknown[] = DEFAULT_OPEN;
  try {
    const saved = await database?.fetch(SECTIONS_KEY);
    open = Array.isArray(saved) ? saved : DEFAULT_OPEN;
  } catch {
    // Without a readable state, the defaults apply.
  }
  SECTIONS.forEach(section => model.setOpen(section, open.includes(section)));
  model.stateChanged.connect(() => {
    const now = SECTIONS.filter(section => model.isOpen(section));
    if (now.join() !== open.join()) {
      open = now;
      void database?.save(SECTIONS_KEY, now);
    }
  });
}
