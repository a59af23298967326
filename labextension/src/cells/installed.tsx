/** What a cell has installed in the container, with an offer to keep it, below its output. */

import { CodeCell, type ICodeCellModel } from '@jupyterlab/cells';
import {
  type INotebookTracker,
  NotebookActions,
  type NotebookPanel
} from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Button, ReactWidget } from '@jupyterlab/ui-components';
import type { PanelLayout } from '@lumino/widgets';
import * as React from 'react';

import type { Api } from '../api/api';
import { toProblem } from '../api/request';
import type { IAdditions } from '../api/types';
import {
  containerKernel,
  findAdditions,
  type IInstalled,
  mayInstall,
  readPackages,
  showDockerfile,
  textOf,
  writeDockerfile
} from '../notebook/additions';
import { stripControls } from '../ui/format';

/** What an offer shows: nothing of it is saved in the notebook. */
interface IOffer {
  readonly additions: IAdditions;
  readonly isAdded: boolean;
  readonly problem: string;
}

/** The offer below a cell's output. */
class InstalledOffer extends ReactWidget {
  constructor(
    private readonly trans: TranslationBundle,
    private offer: IOffer,
    private readonly onAdd: () => Promise<IAdditions>,
    private readonly onShow: () => Promise<void>
  ) {
    super();
    this.addClass('jp-ContainersInstalled');
  }

  protected override render(): React.JSX.Element {
    const { trans } = this;
    const { additions, isAdded, problem } = this.offer;
    const { lines, notes, packages } = additions;
    return (
      <div role="group" aria-label={trans.__('What this cell has installed')}>
        <div className="jp-ContainersInstalled-head">
          <span role="status">
            {isAdded
              ? trans.__('Added to the Dockerfile. The next build has it.')
              : lines.length + packages.length > 0 &&
                trans.__('Installed in this container only.')}
          </span>
          {packages.map(name => (
            <code key={name}>{stripControls(name)}</code>
          ))}
          {isAdded ? (
            <Button
              type="button"
              className="jp-ContainersInstalled-button"
              small
              minimal
              onClick={() => void this.onShow()}
            >
              {trans.__('Show')}
            </Button>
          ) : (
            lines.length > 0 && (
              <Button
                type="button"
                className="jp-ContainersInstalled-button"
                small
                minimal
                title={lines.map(stripControls).join('\n')}
                onClick={() => void this.add()}
              >
                {trans.__('Add to Dockerfile')}
              </Button>
            )
          )}
        </div>
        {notes.map(note => (
          <p key={note}>{stripControls(note)}</p>
        ))}
        {problem && <p role="alert">{stripControls(problem)}</p>}
      </div>
    );
  }

  /** The Dockerfile may have changed since it was offered, so the server is asked again. */
  private async add(): Promise<void> {
    try {
      const additions = await this.onAdd();
      this.offer = { additions, isAdded: true, problem: '' };
    } catch (error) {
      const { message, hint } = toProblem(error);
      this.offer = { ...this.offer, problem: `${message} ${hint}`.trim() };
    }
    this.update();
  }
}

/** Offer to keep what cells install, in all notebooks whose kernel runs in a container. */
export function offerInstalled(
  api: Api,
  tracker: INotebookTracker,
  trans: TranslationBundle
): void {
  const offers = new WeakMap<ICodeCellModel, InstalledOffer>();
  NotebookActions.executed.connect((_, { cell, notebook }) => {
    const panel = tracker.find(({ content }) => content === notebook);
    if (!(cell instanceof CodeCell) || !panel) {
      return;
    }
    offers.get(cell.model)?.dispose();
    if (!mayInstall(cell.model.sharedModel.getSource())) {
      return;
    }
    findOffer(api, panel, cell, trans)
      .then(offer => {
        if (offer && !cell.isDisposed) {
          offers.get(cell.model)?.dispose();
          offers.set(cell.model, offer);
          show(offer, cell);
        }
      })
      .catch((reason: unknown) => {
        // The Dockerfile cannot be read, or the server does not answer: both are told elsewhere.
        console.debug('Nothing is offered for what a cell installed:', reason);
      });
  });
}

async function findOffer(
  api: Api,
  panel: NotebookPanel,
  cell: CodeCell,
  trans: TranslationBundle
): Promise<InstalledOffer | null> {
  const kernel = containerKernel(panel);
  if (!kernel) {
    return null;
  }
  let installed: IInstalled = {
    source: cell.model.sharedModel.getSource(),
    output: textOf(cell.model.outputs.toJSON()),
    packages: null
  };
  let additions = await findAdditions(api, panel, installed);
  if (additions.ask) {
    installed = { ...installed, packages: (await readPackages(kernel)) ?? {} };
    additions = await findAdditions(api, panel, installed);
  }
  if (additions.lines.length + additions.notes.length === 0) {
    return null;
  }
  return new InstalledOffer(
    trans,
    { additions, isAdded: false, problem: '' },
    async () => {
      const found = await findAdditions(api, panel, installed);
      if (found.lines.length > 0) {
        writeDockerfile(panel, found.dockerfile);
      }
      return { ...found, packages: additions.packages };
    },
    () => showDockerfile(panel)
  );
}

/** Put an offer below a cell's output until that is cleared. */
function show(offer: InstalledOffer, cell: CodeCell): void {
  const { outputs } = cell.model;
  (cell.layout as PanelLayout).addWidget(offer);
  const onChanged = () => {
    if (outputs.length === 0) {
      offer.dispose();
    }
  };
  outputs.changed.connect(onChanged);
  offer.disposed.connect(() => {
    outputs.changed.disconnect(onChanged);
  });
}
