/** The Dockerfile cells that a kernel has put into a notebook (`set_next_input`). */

import type { ICellModel } from '@jupyterlab/cells';
import type { Kernel, KernelMessage } from '@jupyterlab/services';

import { METADATA } from '../constants';
import { isDockerfileCell } from '../notebook/highlight';

/** Texts that are remembered; more than any honest kernel sets. */
const MOST = 1000;

const MARK = { by_kernel: true };

/**
 * The Dockerfile cells that a kernel has put into a notebook.
 *
 * JupyterLab puts them there without a question, and the server takes what a page saves for the
 * user's own. So these are marked, in the notebook too, and shown before they are built.
 */
export class KernelCells {
  private readonly kernels = new WeakSet<Kernel.IKernelConnection>();
  private readonly texts = new Set<string>();

  /** Hear what a kernel sets; call this before a cell runs in it. */
  watch(kernel: Kernel.IKernelConnection | null | undefined): void {
    if (kernel && !this.kernels.has(kernel)) {
      this.kernels.add(kernel);
      kernel.anyMessage.connect(this.onMessage);
    }
  }

  /** Mark the cells that hold what a kernel has set. */
  mark(cells: Iterable<ICellModel>): void {
    if (this.texts.size > 0) {
      for (const cell of cells) {
        if (this.texts.has(cell.sharedModel.getSource())) {
          cell.setMetadata(METADATA, MARK);
        }
      }
    }
  }

  /** Whether a kernel has set the cell's text, or what it was before. */
  has(cell: ICellModel): boolean {
    const found = cell.getMetadata(METADATA) as typeof MARK | undefined;
    return (
      found?.by_kernel === true || this.texts.has(cell.sharedModel.getSource())
    );
  }

  private readonly onMessage = (
    _: Kernel.IKernelConnection,
    { msg, direction }: Kernel.IAnyMessageArgs
  ): void => {
    if (direction !== 'recv' || msg.header.msg_type !== 'execute_reply') {
      return;
    }
    const { payload } = msg.content as KernelMessage.IExecuteReply;
    for (const { source, text } of Array.isArray(payload) ? payload : []) {
      const isSet = source === 'set_next_input' && typeof text === 'string';
      if (isSet && isDockerfileCell(text) && this.texts.size < MOST) {
        this.texts.add(text);
      }
    }
  };
}
