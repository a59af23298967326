/** The state of a notebook's kernel and image, as the sidebar and the toolbar show it. Pure. */

import type { INotebook } from '../api/types';
import { plain } from '../ui/format';
import type { NotebookState } from './notebookstate';

/** A kernel's state in words: `starting: pulling layers`. */
export function stateOf(truth: INotebook | null): string {
  const kernel = truth?.kernel ?? null;
  if (truth?.building) {
    return kernel
      ? `${kernel.state}, a new image is being built`
      : 'its image is being built';
  }
  if (isAway(truth)) {
    return 'its image is not here';
  }
  if (waitsForYes(truth)) {
    return 'waits for your approval';
  }
  if (!kernel) {
    return 'no container runs';
  }
  const phase = plain(kernel.phase);
  return phase && phase !== kernel.state
    ? `${kernel.state}: ${phase}`
    : kernel.state;
}

/** How its state is coloured. */
export function colourOf(truth: INotebook | null): string {
  if (truth?.building) {
    return 'starting';
  }
  const waits = isAway(truth) || waitsForYes(truth);
  return waits ? 'waiting' : (truth?.kernel?.state ?? 'none');
}

/** Whether nothing can start because its image is not here; what runs meanwhile runs on. */
export function isAway(truth: INotebook | null): boolean {
  return truth?.image_here === false && truth.kernel?.state !== 'running';
}

/** Whether nothing can start before somebody says yes; what runs meanwhile runs on. */
export function waitsForYes(truth: INotebook | null): boolean {
  return !!truth?.missing.length && truth.kernel?.state !== 'running';
}

/** The image that runs, or that is asked for; empty where neither is. */
export function imageOf(state: NotebookState): string {
  const truth = state.truth.data;
  const asked = (truth?.asked ?? state.settings)?.image;
  // A kernel that never started has no image.
  const running = truth?.kernel?.image ?? '';
  return running === '' && typeof asked === 'string' ? asked : running;
}
