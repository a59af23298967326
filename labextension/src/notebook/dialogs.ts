/** Questions to the user, as JupyterLab's dialogs. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { trans } from '../trans';
import { shortImage, stripControls } from '../ui/format';
import type { AskApproval } from './approval';

/** Asks the user to approve what a notebook asks for. */
export const askApproval: AskApproval = async items => {
  const answer = await showDialog({
    title: trans.__('Approve what this notebook asks for?'),
    body: new DialogBody(
      trans.__('Its container would get:'),
      items,
      trans.__(
        'Approve it only if you trust who wrote the notebook. You are asked once.'
      )
    ),
    buttons: [
      Dialog.cancelButton(),
      Dialog.okButton({ label: trans.__('Approve') })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
};

/** Asks the user to approve what a notebook asks for beside the image that it just built. */
export const askBuildApproval: AskApproval = async items => {
  const answer = await showDialog({
    title: trans.__('This notebook asks for more than was approved'),
    body: new DialogBody(
      trans.__(
        'Beyond the image that was just built, its container would get:'
      ),
      items,
      trans.__(
        'Approve it only if you trust who wrote the notebook. You are asked once.'
      )
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Do not run') }),
      Dialog.okButton({ label: trans.__('Approve') })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
};

/** Asks the user whether a build may read what lies outside of its notebook's folder. */
export const askReading: AskApproval = async items => {
  const answer = await showDialog({
    title: trans.__('Let this build read more than the notebook’s folder?'),
    body: new DialogBody(
      trans.__('The Dockerfile cell takes:'),
      items,
      trans.__(
        'The commands of a build can send it anywhere. Approve it only if you trust who wrote the notebook. You are asked once.'
      )
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Do not build') }),
      Dialog.okButton({ label: trans.__('Approve') })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
};

/**
 * Asks the user whether a Dockerfile cell may be built that they did not write. The first item is
 * the cell, below the server's words for it; the others are what it asks for.
 */
export const askCell: AskApproval = async ([cell = '', ...items]) => {
  const answer = await showDialog({
    title: trans.__('Build a Dockerfile that you did not write?'),
    body: new DialogBody(
      items.length > 0 ? trans.__('It asks for:') : '',
      items,
      trans.__(
        'Its commands run in a build, with a network and the files that it copies. You are asked once for each version of the cell.'
      ),
      [
        paragraph(
          trans.__(
            'This notebook came from elsewhere, or was changed outside of this server. Its cell:'
          )
        ),
        element('pre', cell.slice(cell.indexOf('\n') + 1))
      ]
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Do not build') }),
      Dialog.okButton({ label: trans.__('Build') })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
};

/** Asks the user whether a kernel that has run cells may end for the new image. */
export async function askMove(image: string): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Move this notebook into the new image?'),
    body: new DialogBody(
      trans.__(
        '%1 is ready. The kernel that runs now has run cells: it ends, and its variables are lost.',
        shortImage(image)
      ),
      [],
      trans.__('The cells run in the new kernel from here on.')
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep the kernel') }),
      Dialog.warnButton({ label: trans.__('Move') })
    ]
  });
  return answer.button.accept;
}

/** Asks the user whether the outputs of a notebook may do what the user may do. */
export async function askTrust(path: string): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Trust the outputs of this notebook?'),
    body: new DialogBody(
      trans.__(
        'What %1 displays then runs with your rights in JupyterLab:',
        path
      ),
      [
        trans.__(
          'it can approve folders for its container, and start kernels and terminals on the server'
        ),
        trans.__('it can read and change all files that you can')
      ],
      trans.__(
        'Do so only if you trust who wrote the notebook and all that its container runs.'
      )
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep isolated') }),
      Dialog.warnButton({ label: trans.__('Trust') })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
}

/** Asks the user whether these lines may go into the Dockerfile cell. */
export async function askLines(
  lines: readonly string[],
  notes: readonly string[]
): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Add what was installed to the Dockerfile?'),
    body: new DialogBody(
      '',
      [],
      ['The next build has it.', ...notes].join(' '),
      [
        paragraph('These lines are new or changed:'),
        element('pre', lines.join('\n'))
      ]
    ),
    buttons: [
      Dialog.cancelButton(),
      Dialog.okButton({ label: trans.__('Add') })
    ]
  });
  return answer.button.accept;
}

/** A dialog's body: what comes first, text, a list and text. */
class DialogBody extends Widget {
  constructor(
    before: string,
    items: readonly string[],
    after: string,
    first: readonly HTMLElement[] = []
  ) {
    super();
    this.addClass('jp-ContainersQuestion');
    this.node.append(...first);
    if (before) {
      this.node.append(paragraph(before));
    }
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
