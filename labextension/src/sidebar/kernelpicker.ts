/** The dialog "Select Kernel" names the image that a notebook's container is of. */

import { Dialog } from '@jupyterlab/apputils';

import { GENERIC_KERNEL } from '../constants';
import type { ContainersModel } from '../models/model';
import { describeContainer } from './toolbar';

/**
 * Name it from now on, in place of "this notebook". Kernel specs are the same for all notebooks, so
 * JupyterLab itself cannot.
 */
export function nameImageInDialogs(model: ContainersModel): void {
  Dialog.tracker.widgetAdded.connect((_, { node }) => {
    const state = model.notebook;
    const label = node.querySelector('label')?.textContent ?? '';
    if (!state || !label.includes(`"${state.panel.sessionContext.name}"`)) {
      return;
    }
    const name = describeContainer(state);
    for (const option of name ? node.querySelectorAll('option') : []) {
      if (option.value === JSON.stringify({ name: GENERIC_KERNEL })) {
        option.text = name;
      }
    }
  });
}
