/** The notebook toolbar's item: what this notebook runs in, and how it is. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { Button, ReactWidget } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import { CommandIDs } from '../commandids';
import { shortImage, tinyImage } from '../ui/format';
import { containerIcon } from '../ui/icon';
import type { ContainersModel } from '../models/model';
import type { NotebookState } from '../models/notebookstate';
import { useModels } from './components';
import {
  colourOf,
  imageOf,
  isAway,
  stateOf,
  waitsForYes
} from '../models/kernelstate';
import type { INotebook } from '../api/types';

/** The item's short text, its long one, and how it is coloured. */
export function itemOf(state: NotebookState): {
  readonly text: string;
  readonly long: string;
  readonly state: string;
} {
  const truth = state.truth.data;
  const image = imageOf(state);
  if (!image && truth?.building) {
    return { text: 'building', long: stateOf(truth), state: colourOf(truth) };
  }
  if (!state.concerned || !image) {
    return { text: '', long: 'No container for this notebook', state: 'none' };
  }
  return {
    text: `${tinyImage(image)} · ${wordOf(truth)}`,
    long: `${shortImage(image)}: ${stateOf(truth)}`,
    state: colourOf(truth)
  };
}

function wordOf(truth: INotebook | null): string {
  if (truth?.building) {
    return 'building';
  }
  if (isAway(truth)) {
    return 'not here';
  }
  return waitsForYes(truth)
    ? 'not approved'
    : (truth?.kernel?.state ?? 'not running');
}

function Item(props: {
  readonly commands: CommandRegistry;
  readonly state: NotebookState;
}): React.JSX.Element {
  const { commands, state } = props;
  useModels(state);
  const item = itemOf(state);
  return (
    <Button
      type="button"
      className="jp-Containers-toolbarButton"
      minimal
      small
      title={`${item.long} (show containers)`}
      aria-label={`Containers: ${item.long}`}
      onClick={() =>
        void commands.execute(CommandIDs.open, { section: 'notebook' })
      }
    >
      <containerIcon.react tag="span" width="16px" height="16px" />
      {item.text && (
        <span className="jp-Containers-state" data-state={item.state}>
          {item.text}
        </span>
      )}
    </Button>
  );
}

/** Called for every notebook that is opened. */
export function toolbarItem(
  model: ContainersModel,
  commands: CommandRegistry,
  panel: NotebookPanel
): ReactWidget {
  const widget = ReactWidget.create(
    <Item commands={commands} state={model.of(panel)} />
  );
  widget.addClass('jp-Containers-toolbarItem');
  return widget;
}
