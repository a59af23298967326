/** Moves a notebook into an image: approves and saves its settings, and starts its kernel. */

import type { Api } from '../api/api';
import type { IJobResult, IKernel, Settings } from '../api/types';
import { approveItems } from '../notebook/approval';
import { trans } from '../trans';
import { chooseMove, type ICodeCell, type Move, sameSettings } from './move';
import { RunError } from './runerror';

/** A notebook, as builds use it. */
export interface IBuildNotebook {
  /** Its path on the server. */
  readonly path: string;
  readonly isDisposed: boolean;
  readonly cells: readonly ICodeCell[];
  /** The name of its kernel's spec; empty without a kernel. */
  readonly kernelName: string;
  /** The settings in its metadata. */
  settings: Settings | null;
  /** Save it if it has changed. */
  save(): Promise<void>;
  /** Whether its kernel is alive and has run cells. */
  hasRun(): Promise<boolean>;
  /** Change to the kernel spec for containers; resolves when the kernel has started. */
  switchKernel(): Promise<void>;
  /** Restart the kernel with the settings on disk. */
  restartKernel(): Promise<void>;
}

/** The questions to the user. */
export interface IPrompts {
  /** Whether the user approves these items. */
  askApproval(items: readonly string[]): Promise<boolean>;
  /** Whether a cell may be built that the user did not write. */
  askCell(items: readonly string[]): Promise<boolean>;
  /** Whether a build may read these items. */
  askReading(items: readonly string[]): Promise<boolean>;
  /** Whether a kernel that has run cells may end for this image. */
  confirmMove(image: string): Promise<boolean>;
}

/** The image, and how to move into it. */
export interface IMoveOptions {
  readonly result: IJobResult;
  /** Ask before a kernel ends that has run cells. */
  readonly confirmMove: boolean;
}

/**
 * Move a notebook into an image that was built; resolves to how.
 *
 * Throws RunError if the user declines, the server refuses or the kernel does not start. The
 * notebook is unchanged if the user declines.
 */
export async function moveToImage(
  api: Api,
  notebook: IBuildNotebook,
  prompts: IPrompts,
  { result, confirmMove }: IMoveOptions
): Promise<Move> {
  const { settings } = result;
  if (settings === null) {
    return 'stay';
  }
  const { kernel } = await api.notebook(notebook.path);
  const move = chooseMove(result, { spec: notebook.kernelName, kernel });
  if (move !== 'stay' && confirmMove && (await notebook.hasRun())) {
    if (!(await prompts.confirmMove(result.reference))) {
      throw new RunError(kept(), true);
    }
  }
  const { missing } = result;
  if (missing.length > 0) {
    const approval = { path: notebook.path, settings, missing, shown: [] };
    const ask = prompts.askApproval.bind(prompts);
    if (!(await approveItems(api, approval, ask))) {
      throw new RunError(refused(), true);
    }
  }
  if (notebook.isDisposed) {
    throw new RunError(closed(), true);
  }
  const isSame = sameSettings(notebook.settings, settings);
  if (!isSame) {
    notebook.settings = settings;
  }
  if (!isSame || move !== 'stay') {
    await notebook.save();
  }
  if (move !== 'stay') {
    await startKernel(api, notebook, move);
  }
  return move;
}

async function startKernel(
  api: Api,
  notebook: IBuildNotebook,
  move: Move
): Promise<void> {
  try {
    await (move === 'switch'
      ? notebook.switchKernel()
      : notebook.restartKernel());
  } catch (error) {
    throw new RunError({
      type: 'KernelNotStarted',
      message: trans.__(
        'The kernel did not start in the image: %1',
        error instanceof Error ? error.message : String(error)
      ),
      hint: trans.__(
        'The image is built. Choose "Container (this notebook)" as the kernel to try again.'
      )
    });
  }
  // JupyterLab has written the kernel spec into the notebook.
  await notebook.save();
  throwIfFailed((await api.notebook(notebook.path)).kernel);
}

function throwIfFailed(kernel: IKernel | null): void {
  if (
    kernel?.trouble &&
    (kernel.state === 'failed' || kernel.state === 'dead')
  ) {
    throw new RunError({ type: 'KernelNotStarted', ...kernel.trouble });
  }
}

const kept = () => ({
  type: 'KernelKept',
  message: trans.__(
    'The image is built; the notebook stays in the kernel it has.'
  ),
  hint: trans.__('Run the cell again to move.')
});
const refused = () => ({
  type: 'NotApproved',
  message: trans.__('What the notebook asks for was not approved.'),
  hint: trans.__(
    'Run the cell again to approve it, or take it out of the settings.'
  )
});
const closed = () => ({
  type: 'NotebookClosed',
  message: trans.__('The notebook was closed.'),
  hint: ''
});
