/** After a build: what it needs is approved, written and saved, and the kernel moved into it. */

import type { Api } from '../api/api';
import { approveShown } from '../notebook/approval';
import type { IJobResult, IKernel, Settings } from '../api/types';
import { decide, sameSettings, type ICodeCell, type Move } from './move';
import { Stop } from './runerror';

/** A notebook as a build needs it. */
export interface IBuildNotebook {
  /** As the server knows it. */
  readonly path: string;
  readonly isDisposed: boolean;
  readonly cells: readonly ICodeCell[];
  /** The name of its kernel's spec; empty without a kernel. */
  readonly spec: string;
  /** Our settings in its metadata. */
  settings: Settings | null;
  /** Writes it to disk if that is not what is there. */
  save(): Promise<void>;
  /** Whether its kernel lives and has run cells since it started. */
  hasRun(): Promise<boolean>;
  /** Change to our kernel spec; returns when the kernel is there. */
  switchKernel(): Promise<void>;
  /** Start the kernel anew, with the settings that are on disk. */
  restartKernel(): Promise<void>;
}

/** What only the person can answer. */
export interface IQuestions {
  /** Whether the notebook may have these things, in words. */
  approve(items: readonly string[]): Promise<boolean>;
  /** Whether a kernel that has run cells may go. */
  drop(image: string): Promise<boolean>;
}

/** What to do with a build that is done. */
export interface ISettlement {
  readonly result: IJobResult;
  /** Ask before a kernel goes that has run cells. */
  readonly askToDrop: boolean;
}

/**
 * Lets the notebook run in what was built; returns what was needed for it. Throws Stop where the
 * person, the server or the kernel says no: then the notebook is as it was.
 */
export async function settle(
  api: Api,
  notebook: IBuildNotebook,
  questions: IQuestions,
  { result, askToDrop }: ISettlement
): Promise<Move> {
  const { settings } = result;
  if (settings === null) {
    return 'stay';
  }
  const { kernel } = await api.notebook(notebook.path);
  const move = decide(result, { spec: notebook.spec, kernel });
  if (move !== 'stay' && askToDrop && (await notebook.hasRun())) {
    if (!(await questions.drop(result.reference))) {
      throw new Stop(KEPT, true);
    }
  }
  const { missing } = result;
  if (missing.length > 0) {
    const approval = { path: notebook.path, settings, missing, shown: [] };
    const ask = questions.approve.bind(questions);
    if (!(await approveShown(api, approval, ask))) {
      throw new Stop(REFUSED, true);
    }
  }
  if (notebook.isDisposed) {
    throw new Stop(CLOSED, true);
  }
  const same = sameSettings(notebook.settings, settings);
  if (!same) {
    notebook.settings = settings;
  }
  if (!same || move !== 'stay') {
    await notebook.save();
  }
  if (move !== 'stay') {
    await moveKernel(api, notebook, move);
  }
  return move;
}

async function moveKernel(
  api: Api,
  notebook: IBuildNotebook,
  move: Move
): Promise<void> {
  try {
    await (move === 'switch'
      ? notebook.switchKernel()
      : notebook.restartKernel());
  } catch (error) {
    throw new Stop({
      type: 'KernelNotStarted',
      message: `The kernel did not start in the image: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'The image is built. Choose "Container (this notebook)" as the kernel to try again.'
    });
  }
  // JupyterLab has written the kernel spec into the notebook.
  await notebook.save();
  failIfTroubled((await api.notebook(notebook.path)).kernel);
}

function failIfTroubled(kernel: IKernel | null): void {
  if (
    kernel?.trouble &&
    (kernel.state === 'failed' || kernel.state === 'dead')
  ) {
    throw new Stop({ type: 'KernelNotStarted', ...kernel.trouble });
  }
}

const KEPT = {
  type: 'KernelKept',
  message: 'The image is built; the notebook stays in the kernel it has.',
  hint: 'Run the cell again to move.'
};
const REFUSED = {
  type: 'NotApproved',
  message: 'What the notebook asks for was not approved.',
  hint: 'Run the cell again to approve it, or take it out of the settings.'
};
const CLOSED = {
  type: 'NotebookClosed',
  message: 'The notebook was closed.',
  hint: ''
};
