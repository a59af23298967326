/** A question with a list, as one of JupyterLab's dialogs. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import type { Ask } from './approval';
import { plain } from '../ui/format';

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

/** Text, a list and text. */
export class Paragraphs extends Widget {
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
