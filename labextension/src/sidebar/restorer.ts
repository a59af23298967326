/** Which sections are open, from one page load to the next. */

import type { IStateDB } from '@jupyterlab/statedb';

import { SECTIONS } from '../models/model';
import type { ContainersModel } from '../models/model';

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
