/** The image and the state of the kernel, in the toolbar, the status bar and the kernels' dialog. */

import { Dialog, type ISessionContextDialogs } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  Button,
  ReactWidget,
  ToolbarButtonComponent,
  VDomRenderer
} from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { INotebook } from '../api/types';
import { CommandIDs } from '../commandids';
import { GENERIC_KERNEL } from '../constants';
import {
  describeBuild,
  describeState,
  imageInUse,
  isImageMissing,
  needsApproval,
  stateColour
} from '../models/kernelstate';
import type { ContainersModel } from '../models/model';
import type { NotebookState } from '../models/notebookstate';
import { trans } from '../trans';
import { imageName, shortImage } from '../ui/format';
import { containerIcon } from '../ui/icon';
import { CommandButton, useModels, useTicker } from './components';

/** The item's short text, its long text and its colour. */
export function describeItem(state: NotebookState): {
  readonly text: string;
  readonly long: string;
  readonly state: string;
} {
  const status = state.status.data;
  const image = imageInUse(state);
  if (state.build) {
    const text = describeBuild(state.build);
    return {
      text,
      long: trans.__('%1 (show the cell)', text),
      state: 'starting'
    };
  }
  if (!image && status?.building) {
    return {
      text: 'building',
      long: describeState(status),
      state: stateColour(status)
    };
  }
  if (state.isEmpty) {
    const text = state.hasDockerfile
      ? trans.__('not built yet')
      : trans.__('no image yet');
    return { text, long: text, state: 'none' };
  }
  if (!state.usesContainers || !image) {
    return {
      text: '',
      long: trans.__('No container for this notebook'),
      state: 'none'
    };
  }
  return {
    text: `${imageName(image)} · ${shortState(status)}`,
    long: `${shortImage(image)}: ${describeState(status)}`,
    state: stateColour(status)
  };
}

function shortState(status: INotebook | null): string {
  if (status?.building) {
    return trans.__('building');
  }
  if (isImageMissing(status)) {
    return trans.__('not here');
  }
  return needsApproval(status)
    ? trans.__('not approved')
    : (status?.kernel?.state ?? trans.__('not running'));
}

function Item(props: {
  readonly commands: CommandRegistry;
  readonly state: NotebookState;
}): React.JSX.Element {
  const { commands, state } = props;
  useModels(state);
  useTicker(state.build !== null);
  const item = describeItem(state);
  const show = () =>
    state.build
      ? commands.execute(CommandIDs.showCell, {
          path: state.panel.context.path
        })
      : commands.execute(CommandIDs.open, { section: 'notebook' });
  return (
    <Button
      type="button"
      className="jp-Containers-toolbarButton"
      minimal
      small
      title={
        state.build ? item.long : trans.__('%1 (show containers)', item.long)
      }
      aria-label={trans.__('Containers: %1', item.long)}
      onClick={() => void show()}
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

/** The tag of an image that a Dockerfile cell built: it says nothing to a person. */
const BUILT_TAG = /:[0-9a-f]{12}$/;

/** The name of a notebook's container, by its image; empty where it has none. */
export function describeContainer(state: NotebookState): string {
  const image = imageInUse(state);
  return image
    ? trans.__('Container (%1)', imageName(image).replace(BUILT_TAG, ''))
    : '';
}

/** A kernel's name, with the image in place of "this notebook"; short, for a toolbar. */
export function describeKernel(state: NotebookState): string {
  const container =
    state.kernelName === GENERIC_KERNEL ? describeContainer(state) : '';
  return container || state.panel.sessionContext.kernelDisplayName;
}

function KernelName(props: {
  readonly dialogs: ISessionContextDialogs;
  readonly state: NotebookState;
  readonly trans: TranslationBundle;
}): React.JSX.Element {
  const { dialogs, state, trans } = props;
  useModels(state);
  return (
    <ToolbarButtonComponent
      className="jp-Toolbar-kernelName"
      label={describeKernel(state)}
      tooltip={trans.__('Switch kernel')}
      onClick={() => void dialogs.selectKernel(state.panel.sessionContext)}
    />
  );
}

/** JupyterLab's item that names the kernel, and its image. `trans` is JupyterLab's. */
export function createKernelName(
  state: NotebookState,
  dialogs: ISessionContextDialogs,
  trans: TranslationBundle
): ReactWidget {
  const widget = ReactWidget.create(
    <KernelName dialogs={dialogs} state={state} trans={trans} />
  );
  widget.addClass('jp-KernelName');
  return widget;
}

/** The status bar's item: what the current notebook runs in. */
export class StatusItem extends VDomRenderer<ContainersModel> {
  constructor(
    model: ContainersModel,
    private readonly commands: CommandRegistry
  ) {
    super(model);
    this.addClass('jp-Containers-statusItem');
  }

  /** Whether there is something to say. */
  get isActive(): boolean {
    return this.model.notebook?.usesContainers === true;
  }

  protected override render(): React.JSX.Element | null {
    const { notebook } = this.model;
    return notebook && <Item commands={this.commands} state={notebook} />;
  }
}

function NewCell(props: {
  readonly commands: CommandRegistry;
  readonly state: NotebookState;
}): React.JSX.Element | null {
  const { commands, state } = props;
  useModels(state);
  return state.hasDockerfile ? null : (
    <CommandButton
      commands={commands}
      id={CommandIDs.newCell}
      args={{ isButton: true, path: state.panel.context.path }}
      look="icon"
    />
  );
}

/** The button that inserts a panel's first Dockerfile cell; empty where it has one. */
export function createNewCellButton(
  state: NotebookState,
  commands: CommandRegistry
): ReactWidget {
  return ReactWidget.create(<NewCell commands={commands} state={state} />);
}

function Terminal(props: {
  readonly commands: CommandRegistry;
  readonly model: ContainersModel;
  readonly state: NotebookState;
}): React.JSX.Element {
  const { commands, model, state } = props;
  useModels(state, model.terminals);
  return (
    <CommandButton
      commands={commands}
      id={CommandIDs.newTerminal}
      args={{ isButton: true, path: state.panel.context.path }}
      look="icon"
    />
  );
}

/** The button that opens a terminal in a panel's container; empty where none runs. */
export function createTerminalButton(
  model: ContainersModel,
  commands: CommandRegistry,
  panel: NotebookPanel
): ReactWidget {
  return ReactWidget.create(
    <Terminal commands={commands} model={model} state={model.stateOf(panel)} />
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

/**
 * Let the dialog "Select Kernel" name the image of the notebook's container, in place of "this
 * notebook". Kernel specs are the same for all notebooks, so JupyterLab itself cannot.
 */
export function nameImageInDialogs(model: ContainersModel): void {
  Dialog.tracker.widgetAdded.connect((_, { node }) => {
    const state = model.notebook;
    const label = node.querySelector('label')?.textContent ?? '';
    if (!state || !label.includes(`"${state.panel.sessionContext.name}"`)) {
      return;
    }
    const name = describeContainer(state);
    for (const option of name ? node.querySelectorAll('option') : []) {
      if (option.value === JSON.stringify({ name: GENERIC_KERNEL })) {
        option.text = name;
      }
    }
  });
}
