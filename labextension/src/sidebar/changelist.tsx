/** What the current notebook's container has that its image has not, in its section. */

import { Button, refreshIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { IChanges } from '../api/types';
import { CommandIDs } from '../commandids';
import type { Changes } from '../models/changes';
import { trans } from '../trans';
import { formatBytes, stripControls } from '../ui/format';
import {
  CommandButton,
  Disclosure,
  Loading,
  Problem,
  useModels
} from './components';

type IChangedPackage = IChanges['packages'][number];

/** What happened to a path. */
const KINDS = { added: 'new', changed: 'changed', removed: 'removed' } as const;

/** A number of things, and what they hold if that is known. */
function count(number: number, one: string, size: number | null = null) {
  const things = `${number.toLocaleString()} ${number === 1 ? one : `${one}s`}`;
  return size === null ? things : `${things} · ${formatBytes(size)}`;
}

function describePackage({ kind, name, version, was }: IChangedPackage) {
  const now = [name, version].filter(Boolean).join(' ');
  if (kind === 'added') {
    return now;
  }
  const before = [name, was].filter(Boolean).join(' ');
  return kind === 'removed'
    ? trans.__('%1, removed', before)
    : `${now}, ${was ? trans.__('was %1', was) : trans.__('another version')}`;
}

function PackageRows(props: {
  readonly packages: readonly IChangedPackage[];
}): React.JSX.Element {
  return (
    <ul className="jp-Containers-changes">
      {props.packages.map(one => (
        <li key={`${one.tool} ${one.name}`}>
          <code>{stripControls(describePackage(one))}</code>
          {one.tool !== 'pip' && ` ${one.tool}`}
        </li>
      ))}
    </ul>
  );
}

function Packages(props: {
  readonly commands: CommandRegistry;
  readonly packages: readonly IChangedPackage[];
}): React.JSX.Element {
  const [open, setOpen] = React.useState(false);
  const asked = props.packages.filter(one => one.asked);
  const others = props.packages.filter(one => !one.asked);
  return (
    <>
      <div className="jp-Containers-buttons">
        <span>{count(asked.length || others.length, 'package')}</span>
        <CommandButton commands={props.commands} id={CommandIDs.addChanges} />
      </div>
      {asked.length > 0 && <PackageRows packages={asked} />}
      {others.length > 0 && (
        <Disclosure
          id="jp-Containers-changes-others"
          className="jp-mod-quiet"
          label={
            asked.length > 0
              ? trans.__(
                  '%1 that came with them',
                  count(others.length, 'other')
                )
              : trans.__('Show them')
          }
          open={open}
          onToggle={() => setOpen(!open)}
        >
          <PackageRows packages={others} />
        </Disclosure>
      )}
    </>
  );
}

function Folder(props: {
  readonly id: string;
  readonly folder: IChanges['folders'][number];
}): React.JSX.Element {
  const [open, setOpen] = React.useState(false);
  const { entries, files, more, path, size } = props.folder;
  return (
    <li>
      <Disclosure
        id={props.id}
        label={
          <span className="jp-Containers-changes">
            <code>{stripControls(path)}</code> {count(files, 'file', size)}
          </span>
        }
        open={open}
        onToggle={() => setOpen(!open)}
      >
        <ul className="jp-Containers-changes">
          {entries.map(one => (
            <li key={one.path}>
              <code>{stripControls(one.path)}</code> {KINDS[one.kind]}
              {one.files > 1 && `, ${count(one.files, 'file')}`}
              {one.size !== null && `, ${formatBytes(one.size)}`}
            </li>
          ))}
          {more > 0 && <li>{count(more, 'other')}</li>}
        </ul>
      </Disclosure>
    </li>
  );
}

function Found(props: {
  readonly commands: CommandRegistry;
  readonly found: IChanges;
}): React.JSX.Element {
  const { folders, more, packages } = props.found;
  if (packages.length + folders.length === 0) {
    return (
      <p className="jp-Containers-quiet">{trans.__('Nothing has changed.')}</p>
    );
  }
  return (
    <>
      {packages.length > 0 && (
        <Packages commands={props.commands} packages={packages} />
      )}
      {folders.length > 0 && (
        <ul
          className="jp-Containers-changes"
          aria-label={trans.__('Folders that changed')}
        >
          {folders.map((folder, index) => (
            <Folder
              key={folder.path}
              id={`jp-Containers-changes-${String(index)}`}
              folder={folder}
            />
          ))}
          {more > 0 && <li>{count(more, 'other folder')}</li>}
        </ul>
      )}
    </>
  );
}

/** The list of changes, closed at first; nothing where no container runs. */
export function ChangeList(props: {
  readonly commands: CommandRegistry;
  readonly changes: Changes;
}): React.JSX.Element | null {
  const { changes, commands } = props;
  useModels(changes);
  if (changes.kernel === null) {
    return null;
  }
  return (
    <div>
      <Disclosure
        id="jp-Containers-changed"
        label={trans.__('Changed since the image')}
        open={changes.isOpen}
        onToggle={() => {
          changes.isOpen = !changes.isOpen;
        }}
      >
        <Problem problem={changes.error} />
        {changes.data && <Found commands={commands} found={changes.data} />}
        {changes.loading ? (
          <Loading text={trans.__('Comparing with the image…')} />
        ) : (
          <Button
            type="button"
            className="jp-Containers-button"
            minimal
            small
            title={trans.__('Compare with the image again')}
            onClick={() => changes.refresh()}
          >
            <refreshIcon.react tag="span" width="16px" height="16px" />
            <span>{trans.__('Refresh')}</span>
          </Button>
        )}
      </Disclosure>
    </div>
  );
}
