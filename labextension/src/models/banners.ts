/** The banners of a notebook: errors, warnings, and the commands that help. Pure. */

import type { INotebook, Settings } from '../api/types';
import { CommandIDs } from '../commandids';
import { trans } from '../trans';
import { shortImage } from '../ui/format';

/** A banner. `actions` are command ids, the most likely one first. */
export interface IBanner {
  readonly key: string;
  readonly kind: 'error' | 'warning' | 'info';
  readonly title: string;
  readonly items?: readonly string[];
  readonly hint?: string;
  readonly actions?: readonly string[];
}

/** What the banners of a notebook depend on. */
export interface IBannerInput {
  readonly status: INotebook | null;
  readonly settings: Settings | null;
  /** Whether settings are being edited: the form then shows what is not approved. */
  readonly isEdited: boolean;
  /** Whether its kernel spec runs in a container, and whether it is a pinned one. */
  readonly inContainer: boolean;
  readonly pinned: boolean;
}

/** All banners, the most urgent one first. */
export function createBanners(input: IBannerInput): readonly IBanner[] {
  const { status } = input;
  if (!status) {
    return [];
  }
  return [
    settingsError(status),
    missingImage(status),
    approvalNeeded(status, input.isEdited),
    kernelError(status),
    timeLimit(status),
    buildMismatch(status),
    serverWarning(status),
    otherKernel(input)
  ].filter(banner => banner !== null);
}

function settingsError(status: INotebook): IBanner | null {
  const { error } = status;
  return (
    error && {
      key: 'error',
      kind: 'error',
      title: error.message,
      hint: error.hint
    }
  );
}

function missingImage(status: INotebook): IBanner | null {
  const { asked } = status;
  if (status.image_here !== false || !asked) {
    return null;
  }
  const name = typeof asked.image === 'string' ? shortImage(asked.image) : '?';
  const wasBuilt = asked.build !== undefined;
  return {
    key: 'image',
    kind: 'warning',
    title: trans.__(
      'This notebook runs in %1, which is not on this machine.',
      name
    ),
    hint: wasBuilt
      ? trans.__('It was built from a %%%%dockerfile cell of this notebook.')
      : trans.__('Its registry may have it.'),
    actions: wasBuilt
      ? [CommandIDs.rebuild, CommandIDs.pull, CommandIDs.choose]
      : [CommandIDs.pull, CommandIDs.choose]
  };
}

/** Not shown while the image is missing: the image comes first. */
function approvalNeeded(status: INotebook, isEdited: boolean): IBanner | null {
  return status.missing.length > 0 && !isEdited && status.image_here !== false
    ? {
        key: 'approval',
        kind: 'warning',
        title: status.changed
          ? trans.__(
              'This notebook was changed outside of this server since you approved it. It asks for:'
            )
          : trans.__('This notebook asks for what you have not approved:'),
        items: status.missing,
        hint: trans.__('Nothing of it starts before you do.'),
        actions: [CommandIDs.approve]
      }
    : null;
}

function kernelError(status: INotebook): IBanner | null {
  if (status.kernel?.state === 'empty') {
    return status.asked && !status.building && status.image_here !== false
      ? {
          key: 'empty',
          kind: 'info',
          title: trans.__(
            'The notebook has an image now, in which no kernel runs yet.'
          ),
          actions: [CommandIDs.restart]
        }
      : null;
  }
  const trouble = status.kernel?.trouble;
  // Missing approvals, invalid settings and a missing image have banners of their own.
  const isShown =
    trouble?.message === status.error?.message || status.image_here === false;
  return trouble && !isShown && status.missing.length === 0
    ? {
        key: 'trouble',
        kind: 'error',
        title: trouble.message,
        hint: trouble.hint,
        actions: [CommandIDs.restart]
      }
    : null;
}

function timeLimit(status: INotebook): IBanner | null {
  const warning = status.kernel?.placement?.warning;
  return warning ? { key: 'ending', kind: 'warning', title: warning } : null;
}

function buildMismatch(status: INotebook): IBanner | null {
  return status.build_same === false && status.image_here !== false
    ? {
        key: 'build',
        kind: 'warning',
        title: trans.__(
          'The image here was not built from what this notebook records.'
        ),
        hint: trans.__(
          'Build it again to get the environment that its author had.'
        ),
        actions: [CommandIDs.rebuild]
      }
    : null;
}

function serverWarning(status: INotebook): IBanner | null {
  const { warning } = status;
  return warning ? { key: 'warning', kind: 'warning', title: warning } : null;
}

function otherKernel(input: IBannerInput): IBanner | null {
  const { inContainer, pinned, settings, status } = input;
  if (pinned) {
    return {
      key: 'pinned',
      kind: 'info',
      title: trans.__('It runs in a pinned kernel, by that kernel’s settings.'),
      hint: trans.__(
        'What you apply below gives the notebook settings of its own.'
      )
    };
  }
  return settings && !inContainer && status?.missing.length === 0
    ? {
        key: 'outside',
        kind: 'info',
        title: trans.__(
          'The kernel runs outside the container that is asked for.'
        ),
        actions: [CommandIDs.run]
      }
    : null;
}
