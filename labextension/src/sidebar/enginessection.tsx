/** "Engines": the programs that run containers, and what to type where one does not work. */

import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import { plain } from '../ui/format';
import type { IEngine } from '../api/types';
import { Copyable, Fold, Problem, useModels, Waiting } from './components';
import type { ISectionProps } from './section';

function Engine(props: {
  readonly commands: CommandRegistry;
  readonly engine: IEngine;
  readonly isDefault: boolean;
}): React.JSX.Element {
  const { commands, engine, isDefault } = props;
  const [open, setOpen] = React.useState(false);
  const name = plain(engine.name);
  const about = [
    engine.version && `version ${engine.version}`,
    engine.usable && (engine.rootless ? 'as you, without root' : 'with root'),
    isDefault && 'taken if nothing is said'
  ].filter(Boolean);
  return (
    <li className="jp-Containers-card">
      <div className="jp-Containers-cardHead">
        <h3>{name}</h3>
        <span
          className="jp-Containers-state"
          data-state={engine.usable ? 'running' : 'failed'}
        >
          {engine.usable ? 'works' : 'does not work'}
        </span>
      </div>
      {about.length > 0 && (
        <p className="jp-Containers-quiet">{plain(about.join(', '))}</p>
      )}
      {engine.problems.map((problem, index) => (
        <div key={index} className="jp-Containers-problem">
          <p>{plain(problem.message)}</p>
          {problem.fix && <Copyable commands={commands} text={problem.fix} />}
        </div>
      ))}
      {engine.features.length > 0 && (
        <Fold
          id={`jp-Containers-features-${name}`}
          label="What it can do"
          open={open}
          onToggle={() => setOpen(!open)}
        >
          <ul className="jp-Containers-tags">
            {engine.features.map(feature => (
              <li key={feature}>{plain(feature)}</li>
            ))}
          </ul>
        </Fold>
      )}
    </li>
  );
}

/** The section's body. Engines that work come first. */
export function Engines(props: ISectionProps): React.JSX.Element {
  const { engines } = props.model;
  useModels(engines);
  const { data } = engines;
  const sorted = [...(data?.engines ?? [])].sort(
    (one, other) => Number(other.usable) - Number(one.usable)
  );
  return (
    <>
      <Problem problem={engines.error} />
      {!data && engines.busy && <Waiting text="Asking the engines…" />}
      {data && !sorted.some(engine => engine.usable) && (
        <p>No engine works here yet. One of these is enough:</p>
      )}
      <ul className="jp-Containers-cards">
        {sorted.map(engine => (
          <Engine
            key={engine.name}
            commands={props.commands}
            engine={engine}
            isDefault={engine.name === data?.default}
          />
        ))}
      </ul>
    </>
  );
}
