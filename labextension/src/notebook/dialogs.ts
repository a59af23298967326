/** Questions to the user, as JupyterLab's dialogs. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import type { Ask } from './approval';
import { plain, shortImage } from '../ui/format';

/** Asks for a yes to what a notebook asks for. */
export const askApproval: Ask = async items => {
  const answer = await showDialog({
    title: 'Approve what this notebook asks for?',
    body: new Paragraphs(
      'Its container would get:',
      items,
      'Approve it only if you trust who wrote the notebook. You are asked once.'
    ),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Approve' })],
    defaultButton: 0
  });
  return answer.button.accept;
};

/** Asks for a yes to what a notebook needs for the image that was just built for it. */
export const askBuildApproval: Ask = async items => {
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
};

/** Asks whether a kernel that has run cells may end for a new image. */
export async function askToMove(image: string): Promise<boolean> {
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

/** A dialog's body: text, a list and text. */
class Paragraphs extends Widget {
  constructor(before: string, items: readonly string[], after: string) {
    super();
    this.addClass('jp-ContainersQuestion');
    this.node.append(paragraph(before));
    if (items.length > 0) {
      const list = document.createElement('ul');
      list.append(...items.map(item => element('li', item)));
      this.node.append(list);
    }
    this.node.append(paragraph(after));
  }
}

function paragraph(text: string): HTMLElement {
  return element('p', text);
}

function element(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = plain(text);
  return made;
}
