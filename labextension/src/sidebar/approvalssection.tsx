/** The section "Approvals": what the user has approved for which notebook. */

import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { IApproval } from '../api/types';
import { CommandIDs } from '../commandids';
import { trans } from '../trans';
import { basename, stripControls } from '../ui/format';
import { CommandButton, Loading, Problem, useModels } from './components';
import type { ISectionProps } from './section';

function Approval(props: {
  readonly commands: CommandRegistry;
  readonly approval: IApproval;
}): React.JSX.Element {
  const { approval, commands } = props;
  const { file, id, items, outputs, path } = approval;
  const name = stripControls(basename(file));
  return (
    <li className="jp-Containers-card">
      <div className="jp-Containers-cardHead">
        <h3 id={`jp-Containers-approval-${id}`} title={stripControls(file)}>
          {name}
        </h3>
        <CommandButton
          commands={commands}
          id={CommandIDs.revoke}
          args={{ id }}
          describedBy={`jp-Containers-approval-${id}`}
        />
      </div>
      <p className="jp-Containers-quiet">{stripControls(path ?? file)}</p>
      <ul className="jp-Containers-approvals">
        {outputs === 'trusted' && (
          <li>{trans.__('its outputs are trusted')}</li>
        )}
        {items.map(({ text, day }, index) => (
          <li key={index}>
            {stripControls(text || trans.__('approved by an earlier version'))}
            {day && (
              <>
                {' '}
                <time className="jp-Containers-quiet" dateTime={day}>
                  {day}
                </time>
              </>
            )}
          </li>
        ))}
      </ul>
    </li>
  );
}

/** The section's body. */
export function ApprovalsSection(props: ISectionProps): React.JSX.Element {
  const { approvalAction, approvals } = props.model;
  useModels(approvalAction, approvals);
  const { data } = approvals;
  return (
    <>
      <Problem problem={approvals.error ?? approvalAction.problem} />
      {!data && approvals.loading && (
        <Loading text={trans.__('Reading the approvals…')} />
      )}
      {data?.length === 0 && (
        <p>{trans.__('Nothing is approved for any notebook.')}</p>
      )}
      <ul className="jp-Containers-cards">
        {data?.map(approval => (
          <Approval
            key={approval.id}
            commands={props.commands}
            approval={approval}
          />
        ))}
      </ul>
    </>
  );
}
