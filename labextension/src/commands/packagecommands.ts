/** The commands that add packages to the notebook's Dockerfile cell. */

import { InputDialog, Notification } from '@jupyterlab/apputils';
import { addIcon } from '@jupyterlab/ui-components';

import { CommandIDs } from '../commandids';
import type { NotebookState } from '../models/notebookstate';
import {
  findAdditions,
  findDockerfileCell,
  writeDockerfile
} from '../notebook/additions';
import { askLines } from '../notebook/dialogs';
import { trans } from '../trans';
import type { ICommandContext } from './context';

/** Milliseconds for which a notification is shown. */
const SHOWN = 6000;

/** A package with its exact version, as `pandas[parquet]==2.3.1`. */
const PINNED =
  /^\s*[A-Za-z0-9._-]+(?:\[[^\]]*\])?\s*==\s*([A-Za-z0-9.!+_-]+)\s*$/;

/** Register the command. */
export function addPackageCommand({ commands, model }: ICommandContext): void {
  const canAdd = () => {
    const state = model.notebook;
    return !!state?.path && (state.hasDockerfile || state.inContainer);
  };
  commands.addCommand(CommandIDs.addPackage, {
    label: args =>
      args.isPalette
        ? trans.__('Add a Package to the Dockerfile…')
        : trans.__('Add package…'),
    caption: trans.__(
      'Check a Python package’s name, and add it to the Dockerfile cell'
    ),
    icon: addIcon,
    isVisible: canAdd,
    isEnabled: () => canAdd() && !model.notebook?.action.pending,
    execute: async ({ requirement }) => {
      const state = model.notebook;
      const asked =
        typeof requirement === 'string' ? requirement : await askPackage();
      if (state && asked) {
        await state.action.run(trans.__('Looking for %1…', asked), async () => {
          Notification.success(await addPackage(state, asked), {
            autoClose: SHOWN
          });
        });
      }
    }
  });
}

/** Register the command that adds what the container has and its image has not. */
export function addChangesCommand({ commands, model }: ICommandContext): void {
  const canAdd = () =>
    !!model.changes.data?.packages.some(
      ({ asked, kind }) => asked && kind !== 'removed'
    );
  commands.addCommand(CommandIDs.addChanges, {
    label: trans.__('Add to Dockerfile…'),
    caption: trans.__(
      'Add the packages that were installed to the Dockerfile cell'
    ),
    icon: addIcon,
    isVisible: canAdd,
    isEnabled: () => canAdd() && !model.notebook?.action.pending,
    execute: async () => {
      const { notebook: state } = model;
      const container = model.changes.kernel;
      if (state && container) {
        await state.action.run(
          trans.__('Looking for what was installed…'),
          async () => {
            const said = await addChanges(state, container, askLines);
            if (said) {
              Notification.success(said, { autoClose: SHOWN });
            }
          }
        );
      }
    }
  });
}

/** Add what was installed in a container; resolves to what was done, if anything was. */
export async function addChanges(
  state: NotebookState,
  container: string,
  ask: typeof askLines
): Promise<string> {
  const { api, panel } = state;
  const source = findDockerfileCell(panel)?.sharedModel.getSource() ?? '';
  const found = await api.addChanges(container, source);
  if (found.lines.length === 0) {
    return trans.__('All that was installed is in the Dockerfile already.');
  }
  if (!(await ask(found.lines, found.notes))) {
    return '';
  }
  writeDockerfile(panel, found.dockerfile);
  return trans.__(
    '%1 was added to the Dockerfile. Build to have it.',
    found.packages.join(', ')
  );
}

async function askPackage(): Promise<string> {
  const answer = await InputDialog.getText({
    title: trans.__('Add a package to the Dockerfile'),
    label: trans.__('Name, with a version if it has to be a certain one'),
    placeholder: 'pandas',
    okLabel: trans.__('Add')
  });
  return answer.button.accept ? (answer.value ?? '').trim() : '';
}

/** Add a package at the version that the index has; resolves to what was done. */
export async function addPackage(
  state: NotebookState,
  requirement: string
): Promise<string> {
  const { api, panel, path } = state;
  const found = await api.findPackage(path ?? '', requirement);
  const pinned = found.missing ? undefined : PINNED.exec(requirement)?.[1];
  const version = found.version || pinned;
  if (!version) {
    throw new Error(`${found.message} ${found.hint}`.trim());
  }
  const name = found.name.toLowerCase().replace(/[-_.]+/g, '-');
  const additions = await findAdditions(api, panel, {
    source: `%pip install "${requirement}"`,
    output: '',
    packages: { pip: { [name]: version } }
  });
  if (additions.lines.length === 0) {
    return trans.__(
      '%1 %2 is in the image or the Dockerfile already.',
      found.name,
      version
    );
  }
  writeDockerfile(panel, additions.dockerfile);
  const added = `${additions.packages.join(', ')} was added to the Dockerfile.`;
  return trans.__(
    '%1 %2 Build to have it.',
    added,
    found.version ? '' : found.message
  );
}
