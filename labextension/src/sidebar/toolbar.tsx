/** The notebook toolbar's item: the image and the state of the kernel. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { Button, ReactWidget } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { INotebook } from '../api/types';
import { CommandIDs } from '../commandids';
import {
  describeState,
  imageInUse,
  isImageMissing,
  needsApproval,
  stateColour
} from '../models/kernelstate';
import type { ContainersModel } from '../models/model';
import type { NotebookState } from '../models/notebookstate';
import { imageName, shortImage } from '../ui/format';
import { containerIcon } from '../ui/icon';
import { useModels } from './components';

/** The item's short text, its long text and its colour. */
export function describeItem(state: NotebookState): {
  readonly text: string;
  readonly long: string;
  readonly state: string;
} {
  const status = state.status.data;
  const image = imageInUse(state);
  if (!image && status?.building) {
    return {
      text: 'building',
      long: describeState(status),
      state: stateColour(status)
    };
  }
  if (!state.usesContainers || !image) {
    return { text: '', long: 'No container for this notebook', state: 'none' };
  }
  return {
    text: `${imageName(image)} · ${shortState(status)}`,
    long: `${shortImage(image)}: ${describeState(status)}`,
    state: stateColour(status)
  };
}

function shortState(status: INotebook | null): string {
  if (status?.building) {
    return 'building';
  }
  if (isImageMissing(status)) {
    return 'not here';
  }
  return needsApproval(status)
    ? 'not approved'
    : (status?.kernel?.state ?? 'not running');
}

function Item(props: {
  readonly commands: CommandRegistry;
  readonly state: NotebookState;
}): React.JSX.Element {
  const { commands, state } = props;
  useModels(state);
  const item = describeItem(state);
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

/** The item for the toolbar of a panel. */
export function createToolbarItem(
  model: ContainersModel,
  commands: CommandRegistry,
  panel: NotebookPanel
): ReactWidget {
  const widget = ReactWidget.create(
    <Item commands={commands} state={model.stateOf(panel)} />
  );
  widget.addClass('jp-Containers-toolbarItem');
  return widget;
}
