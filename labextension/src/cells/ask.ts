/** Questions to the person, as JupyterLab's dialogs. */

import { Dialog, showDialog } from '@jupyterlab/apputils';

import { shortImage } from '../ui/format';
import { Paragraphs } from '../notebook/dialogs';
import type { IQuestions } from './switchkernel';

/** Asks in dialogs. */
export const dialogs: IQuestions = {
  async approve(items) {
    const answer = await showDialog({
      title: 'This notebook asks for more than was approved',
      body: new Paragraphs(
        'Beyond the image that was just built, its container would get:',
        items,
        'Approve it only if you trust who wrote the notebook. You are asked once.'
      ),
      buttons: [
        Dialog.cancelButton({ label: 'Do not run' }),
        Dialog.okButton({ label: 'Approve' })
      ],
      defaultButton: 0
    });
    return answer.button.accept;
  },

  async drop(image) {
    const answer = await showDialog({
      title: 'Move this notebook into the new image?',
      body: new Paragraphs(
        `${shortImage(image)} is ready. The kernel that runs now has run cells: ` +
          'it ends, and its variables are lost.',
        [],
        'The cells run in the new kernel from here on.'
      ),
      buttons: [
        Dialog.cancelButton({ label: 'Keep the kernel' }),
        Dialog.warnButton({ label: 'Move' })
      ]
    });
    return answer.button.accept;
  }
};
