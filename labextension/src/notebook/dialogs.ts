/** Questions to the user, as JupyterLab's dialogs. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { shortImage, stripControls } from '../ui/format';
import type { AskApproval } from './approval';

/** Asks the user to approve what a notebook asks for. */
export const askApproval: AskApproval = async items => {
  const answer = await showDialog({
    title: 'Approve what this notebook asks for?',
    body: new DialogBody(
      'Its container would get:',
      items,
      'Approve it only if you trust who wrote the notebook. You are asked once.'
    ),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Approve' })],
    defaultButton: 0
  });
  return answer.button.accept;
};

/** Asks the user to approve what a notebook asks for beside the image that it just built. */
export const askBuildApproval: AskApproval = async items => {
  const answer = await showDialog({
    title: 'This notebook asks for more than was approved',
    body: new DialogBody(
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

/** Asks the user whether a build may read what lies outside of its notebook's folder. */
export const askReading: AskApproval = async items => {
  const answer = await showDialog({
    title: 'Let this build read more than the notebook’s folder?',
    body: new DialogBody(
      'The Dockerfile cell takes:',
      items,
      'The commands of a build can send it anywhere. Approve it only if you trust who wrote ' +
        'the notebook. You are asked once.'
    ),
    buttons: [
      Dialog.cancelButton({ label: 'Do not build' }),
      Dialog.okButton({ label: 'Approve' })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
};

/** Asks the user whether a kernel that has run cells may end for the new image. */
export async function askMove(image: string): Promise<boolean> {
  const answer = await showDialog({
    title: 'Move this notebook into the new image?',
    body: new DialogBody(
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
class DialogBody extends Widget {
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
  const node = document.createElement(tag);
  node.textContent = stripControls(text);
  return node;
}
