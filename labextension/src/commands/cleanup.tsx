/** *Clean up*: what nobody needs any more is listed with sizes, and removed after a yes. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { clearIcon, ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import type { ILeftover } from '../api/types';
import { CommandIDs } from '../commandids';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import { formatBytes, imageName, stripControls } from '../ui/format';
import { type ICommandContext, labelled } from './context';

/** Register the command. */
export function addCleanUp({ commands, model }: ICommandContext): void {
  commands.addCommand(CommandIDs.cleanUp, {
    label: labelled(
      trans.__('Clean up…'),
      trans.__('Clean Up Images and Caches')
    ),
    caption: trans.__(
      'Remove what nobody needs any more: replaced images, caches, what killed servers left'
    ),
    icon: clearIcon,
    isEnabled: () => !model.imageAction.pending,
    execute: async () => {
      let found: readonly ILeftover[] = [];
      const looked = await model.imageAction.run(
        trans.__('Looking for what nobody needs…'),
        async () => {
          found = await model.leftovers();
        }
      );
      if (!looked) {
        return;
      }
      if (found.length === 0) {
        Notification.info(trans.__('There is nothing to clean up.'), {
          autoClose: 3000
        });
        return;
      }
      if (await confirmCleanUp(found)) {
        await model.imageAction.run(trans.__('Cleaning up…'), () =>
          cleanUp(model, found)
        );
      }
    }
  });
}

/** Remove leftovers, and say what went. Throws where something stays. */
async function cleanUp(
  model: ContainersModel,
  found: readonly ILeftover[]
): Promise<void> {
  const { kept, removed } = await model.removeLeftovers(found);
  Notification.success(trans.__('Removed %1.', describeLeftovers(removed)), {
    autoClose: 5000
  });
  const [first] = kept;
  if (first) {
    const { message, hint } = first.problem;
    throw new Error(
      trans.__(
        '%1 not removed. %2: %3 %4',
        String(kept.length),
        first.name,
        message,
        hint
      )
    );
  }
}

async function confirmCleanUp(found: readonly ILeftover[]): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Clean up'),
    body: createLeftoverList(found),
    buttons: [
      Dialog.cancelButton(),
      Dialog.warnButton({ label: trans.__('Remove') })
    ]
  });
  return answer.button.accept;
}

/** Their number and size together, at most: images share layers. */
function describeLeftovers(found: readonly ILeftover[]): string {
  const size = found.reduce((sum, one) => sum + (one.size ?? 0), 0);
  const count = `${String(found.length)} ${found.length === 1 ? 'thing' : 'things'}`;
  return trans.__('%1 (up to %2)', count, formatBytes(size));
}

/** The list for the dialog, the largest first. */
function createLeftoverList(found: readonly ILeftover[]): ReactWidget {
  const sorted = [...found].sort((a, b) => (b.size ?? 0) - (a.size ?? 0));
  const list = ReactWidget.create(
    <>
      <p>
        {trans.__(
          'Remove %1? Nobody uses it any more.',
          describeLeftovers(found)
        )}
      </p>
      <table
        className="jp-Containers-leftovers"
        aria-label={trans.__('What is removed')}
      >
        <tbody>
          {sorted.map(({ kind, name, size }) => (
            <tr key={name}>
              <td>{kind}</td>
              <td title={stripControls(name)}>
                {kind === 'image' ? imageName(name) : stripControls(name)}
              </td>
              <td>{size === null ? '' : formatBytes(size)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
  list.addClass('jp-ContainersLeftovers');
  return list;
}
