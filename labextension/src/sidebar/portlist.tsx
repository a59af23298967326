/** The ports of the current notebook's container, in its section. */

import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import { CommandIDs } from '../commandids';
import type { IListening, IPublished, Ports } from '../models/ports';
import { trans } from '../trans';
import { CommandButton, Problem, useModels } from './components';

interface IRowProps<T> {
  readonly commands: CommandRegistry;
  readonly one: T;
}

function Listening(props: IRowProps<IListening>): React.JSX.Element {
  const { commands, one } = props;
  const { address, kernel, port, process } = one;
  const id = `jp-Containers-listening-${String(port)}`;
  return (
    <li>
      <span id={id} className="jp-Containers-portName">
        {port}
        {process && ` · ${process}`}
      </span>
      <CommandButton
        commands={commands}
        id={CommandIDs.openPort}
        args={{ kernel, port }}
        describedBy={id}
      />
      <CommandButton
        commands={commands}
        id={CommandIDs.openPort}
        args={{ kernel, port, inBrowser: true }}
        look="icon"
        describedBy={id}
      />
      <CommandButton
        commands={commands}
        id={CommandIDs.copy}
        args={{ text: address }}
        label={trans.__('Copy the address')}
        look="icon"
        describedBy={id}
      />
    </li>
  );
}

function Published(props: IRowProps<IPublished>): React.JSX.Element {
  const { commands, one } = props;
  const id = `jp-Containers-published-${String(one.port)}`;
  return (
    <li>
      <span id={id} className="jp-Containers-portName">
        {one.at} → {one.port}
      </span>
      <CommandButton
        commands={commands}
        id={CommandIDs.copy}
        args={{ text: one.at }}
        label={trans.__('Copy the address')}
        look="icon"
        describedBy={id}
      />
    </li>
  );
}

/** What the container listens on and publishes; nothing where it does neither. */
export function PortList(props: {
  readonly commands: CommandRegistry;
  readonly ports: Ports;
}): React.JSX.Element | null {
  const { commands, ports } = props;
  useModels(ports);
  const { data, listening, published } = ports;
  // Of a container that has just ended the notebook's state tells.
  const error = data === null ? ports.error : null;
  if (!error && listening.length + published.length === 0) {
    return null;
  }
  return (
    <>
      <h3 id="jp-Containers-ports">{trans.__('Ports')}</h3>
      <Problem problem={error} />
      <ul className="jp-Containers-ports" aria-labelledby="jp-Containers-ports">
        {listening.map(one => (
          <Listening key={one.port} commands={commands} one={one} />
        ))}
        {published.map(one => (
          <Published key={`p${String(one.port)}`} {...{ commands, one }} />
        ))}
      </ul>
    </>
  );
}
