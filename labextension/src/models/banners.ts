/** What a person has to know of a notebook before anything else, and the way out. Pure. */

import { CommandIDs } from '../commandids';
import { shortImage } from '../ui/format';
import type { INotebook, Settings } from '../api/types';

/** One thing to know. `actions` are commands, the likeliest first. */
export interface IBanner {
  readonly key: string;
  readonly kind: 'error' | 'warning' | 'info';
  readonly title: string;
  readonly items?: readonly string[];
  readonly hint?: string;
  readonly actions?: readonly string[];
}

/** What is known of a notebook here. */
export interface ISituation {
  readonly truth: INotebook | null;
  readonly settings: Settings | null;
  /** Whether settings are being edited, which say for themselves what is missing. */
  readonly edited: boolean;
  /** Whether its kernel spec is one of ours, and whether it is a pinned one. */
  readonly inContainer: boolean;
  readonly pinned: boolean;
}

/** All banners, the most pressing first. */
export function bannersOf(situation: ISituation): readonly IBanner[] {
  const { truth } = situation;
  if (!truth) {
    return [];
  }
  return [
    refused(truth),
    image(truth),
    approval(truth, situation.edited),
    trouble(truth),
    ending(truth),
    recorded(truth),
    warned(truth),
    outside(situation)
  ].filter(banner => banner !== null);
}

function refused(truth: INotebook): IBanner | null {
  const { error } = truth;
  return (
    error && {
      key: 'error',
      kind: 'error',
      title: error.message,
      hint: error.hint
    }
  );
}

function image(truth: INotebook): IBanner | null {
  const { asked } = truth;
  if (truth.image_here !== false || !asked) {
    return null;
  }
  const name = typeof asked.image === 'string' ? shortImage(asked.image) : '?';
  const built = asked.build !== undefined;
  return {
    key: 'image',
    kind: 'warning',
    title: `This notebook runs in ${name}, which is not on this machine.`,
    hint: built
      ? 'It was built from a %%dockerfile cell of this notebook.'
      : 'Its registry may have it.',
    actions: built
      ? [CommandIDs.rebuild, CommandIDs.pull, CommandIDs.choose]
      : [CommandIDs.pull, CommandIDs.choose]
  };
}

/** Of an image that is not here, one thing at a time: what gets it comes first. */
function approval(truth: INotebook, edited: boolean): IBanner | null {
  return truth.missing.length > 0 && !edited && truth.image_here !== false
    ? {
        key: 'approval',
        kind: 'warning',
        title: 'This notebook asks for what you have not approved:',
        items: truth.missing,
        hint: 'Nothing of it starts before you do.',
        actions: [CommandIDs.approve]
      }
    : null;
}

function trouble(truth: INotebook): IBanner | null {
  const said = truth.kernel?.trouble;
  // What is not approved, refused or not here says so above, with what helps.
  const known =
    said?.message === truth.error?.message || truth.image_here === false;
  return said && !known && truth.missing.length === 0
    ? {
        key: 'trouble',
        kind: 'error',
        title: said.message,
        hint: said.hint,
        actions: [CommandIDs.restart]
      }
    : null;
}

function ending(truth: INotebook): IBanner | null {
  const warning = truth.kernel?.placement?.warning;
  return warning ? { key: 'ending', kind: 'warning', title: warning } : null;
}

function recorded(truth: INotebook): IBanner | null {
  return truth.build_same === false && truth.image_here !== false
    ? {
        key: 'build',
        kind: 'warning',
        title: 'The image here was not built from what this notebook records.',
        hint: 'Build it again to get the environment that its author had.',
        actions: [CommandIDs.rebuild]
      }
    : null;
}

function warned(truth: INotebook): IBanner | null {
  const { warning } = truth;
  return warning ? { key: 'warning', kind: 'warning', title: warning } : null;
}

function outside(situation: ISituation): IBanner | null {
  const { inContainer, pinned, settings, truth } = situation;
  if (pinned) {
    return {
      key: 'pinned',
      kind: 'info',
      title: 'It runs in a pinned kernel, by that kernel’s settings.',
      hint: 'What you apply below gives the notebook settings of its own.'
    };
  }
  return settings && !inContainer && truth?.missing.length === 0
    ? {
        key: 'outside',
        kind: 'info',
        title: 'The kernel runs outside the container that is asked for.',
        actions: [CommandIDs.run]
      }
    : null;
}
