/** The state of a notebook's kernel and image, as the sidebar and the toolbar show it. Pure. */

import type { INotebook } from '../api/types';
import { trans } from '../trans';
import { formatDuration, stripControls } from '../ui/format';
import type { IRunningBuild, NotebookState } from './notebookstate';

/** A build in a few words, such as `building 5/9 · 20 s`. */
export function describeBuild(build: IRunningBuild): string {
  const time = formatDuration(build.elapsed());
  const { step, steps } = build;
  return steps
    ? trans.__('building %1/%2 · %3', String(step), String(steps), time)
    : trans.__('building · %1', time);
}

/** The state of the kernel in words, such as `starting: pulling layers`. */
export function describeState(status: INotebook | null): string {
  const kernel = status?.kernel ?? null;
  if (status?.building) {
    return kernel && kernel.state !== 'empty'
      ? trans.__('%1, a new image is being built', kernel.state)
      : trans.__('its image is being built');
  }
  if (isImageMissing(status)) {
    return trans.__('its image is not here');
  }
  if (kernel?.state === 'empty') {
    return trans.__('no image yet');
  }
  if (needsApproval(status)) {
    return trans.__('waits for your approval');
  }
  if (!kernel) {
    return trans.__('no container runs');
  }
  const phase = stripControls(kernel.phase);
  return phase && phase !== kernel.state
    ? `${kernel.state}: ${phase}`
    : kernel.state;
}

/** The name of the state's colour in the style sheet. */
export function stateColour(status: INotebook | null): string {
  if (status?.building) {
    return 'starting';
  }
  const isWaiting = isImageMissing(status) || needsApproval(status);
  return isWaiting ? 'waiting' : (status?.kernel?.state ?? 'none');
}

/** The id of a kernel whose container runs; null for others. */
export function runningKernel(status: INotebook | null): string | null {
  const kernel = status?.kernel;
  return kernel?.container && kernel.state === 'running' ? kernel.id : null;
}

/** Whether no kernel runs, and none can start because the image is missing. */
export function isImageMissing(status: INotebook | null): boolean {
  return status?.image_here === false && status.kernel?.state !== 'running';
}

/** Whether no kernel runs, and none can start before the user approves the settings. */
export function needsApproval(status: INotebook | null): boolean {
  return !!status?.missing.length && status.kernel?.state !== 'running';
}

/** The image that runs or is asked for; empty without one. */
export function imageInUse(state: NotebookState): string {
  const status = state.status.data;
  const asked = (status?.asked ?? state.settings)?.image;
  // A kernel that never started has no image.
  const running = status?.kernel?.image ?? '';
  return running === '' && typeof asked === 'string' ? asked : running;
}
