/** What is done to a notebook's kernel: approve, apply, restart, stop. */

import { GENERIC_KERNEL } from '../constants';
import type { Settings } from '../api/types';
import { agreed, approveShown, type Ask } from '../notebook/approval';
import { liveKernel } from '../notebook/livekernel';
import { saveInTurn } from '../notebook/saving';
import type { NotebookState } from './notebookstate';

/** The settings to act on: those on disk, as the server last read them. */
function asked(state: NotebookState): Settings {
  const settings = state.truth.data?.asked ?? state.settings;
  if (settings === null) {
    throw new Error('This notebook asks for no container yet.');
  }
  return settings;
}

function pathOf(state: NotebookState): string {
  if (state.path === null) {
    throw new Error('This notebook does not lie on the Jupyter server.');
  }
  return state.path;
}

/**
 * Start the notebook's kernel by its settings on disk, anew where it runs.
 *
 * The panel writes the kernel spec into the notebook after a switch, so it is saved again.
 */
async function start(state: NotebookState): Promise<void> {
  const { context, sessionContext } = state.panel;
  const kernel = await liveKernel(sessionContext);
  if (kernel?.name === GENERIC_KERNEL && kernel.status !== 'dead') {
    await sessionContext.restartKernel();
  } else {
    await sessionContext.changeKernel({ name: GENERIC_KERNEL });
  }
  await saveInTurn(context, () => context.model.dirty);
}

/** Say yes to settings of which `shown` stands on the screen, and start the kernel with them. */
async function startApproved(
  state: NotebookState,
  settings: Settings,
  missing: readonly string[],
  { shown, ask }: IReading
): Promise<boolean> {
  const approval = { path: pathOf(state), settings, missing, shown };
  const truth = await approveShown(state.api, approval, ask);
  if (truth) {
    state.truth.put(truth);
    await start(state);
  }
  state.changed();
  return truth !== null;
}

/** What the person has before them: the list that was read, and how others are shown. */
export interface IReading {
  readonly shown: readonly string[];
  readonly ask: Ask;
}

/** Say yes to what the notebook asks for, and start its kernel with it. */
export function approve(
  state: NotebookState,
  reading: IReading
): Promise<boolean> {
  return state.acting.run('Starting the kernel…', () => {
    const missing = state.truth.data?.missing ?? [];
    return startApproved(state, asked(state), missing, reading);
  });
}

/** Write the edited settings, say yes to them, and start the kernel with them. */
export function apply(
  state: NotebookState,
  { shown, ask }: IReading
): Promise<boolean> {
  return state.acting.run('Applying…', async () => {
    const { draft } = state;
    if (!(await draft.check())) {
      throw new Error('Some settings cannot be applied: see below.');
    }
    const { missing = [], settings } = draft;
    if (!(await agreed(missing, shown, ask))) {
      return false;
    }
    await state.write(settings);
    draft.revert();
    const read = { shown: missing, ask };
    return startApproved(state, settings, missing, read);
  });
}

/** End the notebook's kernel, and its container with it. */
export async function stop(state: NotebookState): Promise<boolean> {
  const kernel = state.truth.data?.kernel;
  // A start may wait in a cluster's queue, and the shutdown of its kernel for that start.
  if (kernel?.state === 'starting' && kernel.container) {
    await state.api.stop(kernel.container);
    return true;
  }
  return state.acting.run('Stopping…', async () => {
    await state.panel.sessionContext.shutdown();
    state.changed();
  });
}

/** Start the notebook's kernel in the container that it asks for. */
export function run(state: NotebookState): Promise<boolean> {
  return state.acting.run('Starting the kernel…', async () => {
    await start(state);
    state.changed();
  });
}
