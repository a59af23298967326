/** Actions on a notebook's kernel: approve, apply, start, stop. */

import type { ICellModel } from '@jupyterlab/cells';

import type { Settings } from '../api/types';
import { GENERIC_KERNEL } from '../constants';
import {
  approveItems,
  type AskApproval,
  confirmItems
} from '../notebook/approval';
import { withOption } from '../notebook/celloptions';
import { cellsSaying, setCellSource } from '../notebook/dockerfilecell';
import { getLiveKernel } from '../notebook/livekernel';
import { queueSave } from '../notebook/saving';
import { trans } from '../trans';
import { toOption } from './form';
import type { NotebookState } from './notebookstate';

/** The settings on disk, as the server last read them. */
function requestedSettings(state: NotebookState): Settings {
  const settings = state.status.data?.asked ?? state.settings;
  if (settings === null) {
    throw new Error(trans.__('This notebook asks for no container yet.'));
  }
  return settings;
}

function requirePath(state: NotebookState): string {
  if (state.path === null) {
    throw new Error(
      trans.__('This notebook does not lie on the Jupyter server.')
    );
  }
  return state.path;
}

/**
 * Start or restart the notebook's kernel with the settings on disk.
 *
 * The panel writes the kernel spec into the notebook after a switch, so it is saved again.
 */
async function startKernel(state: NotebookState): Promise<void> {
  const { context, sessionContext } = state.panel;
  const kernel = await getLiveKernel(sessionContext);
  if (kernel?.name === GENERIC_KERNEL && kernel.status !== 'dead') {
    await sessionContext.restartKernel();
  } else {
    await sessionContext.changeKernel({ name: GENERIC_KERNEL });
  }
  await queueSave(context, () => context.model.dirty);
}

/** Approve settings of which the user has read `shown`, and start the kernel with them. */
async function approveAndStart(
  state: NotebookState,
  settings: Settings,
  missing: readonly string[],
  { shown, ask }: IApprovalPrompt
): Promise<boolean> {
  const approval = { path: requirePath(state), settings, missing, shown };
  const status = await approveItems(state.api, approval, ask);
  if (status) {
    state.status.set(status);
    await startKernel(state);
  }
  state.invalidate();
  return status !== null;
}

/** The list of items that the user has read, and how to ask about others. */
export interface IApprovalPrompt {
  readonly shown: readonly string[];
  readonly ask: AskApproval;
}

/** Approve what the notebook asks for, and start its kernel. */
export function approve(
  state: NotebookState,
  prompt: IApprovalPrompt
): Promise<boolean> {
  return state.action.run(trans.__('Starting the kernel…'), () => {
    const missing = state.status.data?.missing ?? [];
    return approveAndStart(state, requestedSettings(state), missing, prompt);
  });
}

/**
 * The Dockerfile cells with the edited settings that they say, so that their next run does not
 * undo them: a value replaces that of the last cell, none takes the option out of all of them.
 * Throws for a value that cannot stand in a cell.
 */
function changedCells(state: NotebookState): ReadonlyMap<ICellModel, string> {
  const { edited, settings } = state.draft;
  const changed = new Map<ICellModel, string>();
  for (const field of edited.filter(({ in_cell }) => in_cell)) {
    const cells = cellsSaying(state.panel, field.option);
    const asked = settings[field.key];
    for (const cell of asked === undefined ? cells : cells.slice(-1)) {
      const source = changed.get(cell) ?? cell.sharedModel.getSource();
      const option = toOption(field, asked);
      changed.set(cell, withOption(source, field.option, option));
    }
  }
  return changed;
}

/**
 * Save the edited settings, also where a Dockerfile cell says them, approve them, and start the
 * kernel with them.
 */
export function apply(
  state: NotebookState,
  { shown, ask }: IApprovalPrompt
): Promise<boolean> {
  return state.action.run(trans.__('Applying…'), async () => {
    const { draft } = state;
    if (!(await draft.check())) {
      throw new Error(trans.__('Some settings cannot be applied: see below.'));
    }
    const { missing = [], settings } = draft;
    const cells = changedCells(state);
    if (!(await confirmItems(missing, shown, ask))) {
      return false;
    }
    cells.forEach((source, cell) => setCellSource(cell, source));
    await state.write(settings);
    draft.revert();
    const prompt = { shown: missing, ask };
    return approveAndStart(state, settings, missing, prompt);
  });
}

/** Stop the notebook's kernel and its container. */
export async function stop(state: NotebookState): Promise<boolean> {
  const kernel = state.status.data?.kernel;
  // A start may wait in a cluster's queue, and a shutdown of the kernel would wait for it.
  if (kernel?.state === 'starting' && kernel.container) {
    await state.api.stop(kernel.container);
    return true;
  }
  return state.action.run(trans.__('Stopping…'), async () => {
    await state.panel.sessionContext.shutdown();
    state.invalidate();
  });
}

/** Start the notebook's kernel in its container. */
export function start(state: NotebookState): Promise<boolean> {
  return state.action.run(trans.__('Starting the kernel…'), async () => {
    await startKernel(state);
    state.invalidate();
  });
}
