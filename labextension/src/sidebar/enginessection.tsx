/** The section "Engines": container engines, and how to fix those that do not work. */

import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { IEngine } from '../api/types';
import { stripControls } from '../ui/format';
import {
  Copyable,
  Disclosure,
  Loading,
  Problem,
  useModels
} from './components';
import type { ISectionProps } from './section';

function Engine(props: {
  readonly commands: CommandRegistry;
  readonly engine: IEngine;
  readonly isDefault: boolean;
}): React.JSX.Element {
  const { commands, engine, isDefault } = props;
  const [open, setOpen] = React.useState(false);
  const name = stripControls(engine.name);
  const facts = [
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
      {facts.length > 0 && (
        <p className="jp-Containers-quiet">{stripControls(facts.join(', '))}</p>
      )}
      {engine.problems.map((problem, index) => (
        <div key={index} className="jp-Containers-problem">
          <p>{stripControls(problem.message)}</p>
          {problem.fix && <Copyable commands={commands} text={problem.fix} />}
        </div>
      ))}
      {engine.features.length > 0 && (
        <Disclosure
          id={`jp-Containers-features-${name}`}
          label="What it can do"
          open={open}
          onToggle={() => setOpen(!open)}
        >
          <ul className="jp-Containers-tags">
            {engine.features.map(feature => (
              <li key={feature}>{stripControls(feature)}</li>
            ))}
          </ul>
        </Disclosure>
      )}
    </li>
  );
}

/** The section's body; usable engines come first. */
export function EnginesSection(props: ISectionProps): React.JSX.Element {
  const { engines } = props.model;
  useModels(engines);
  const { data } = engines;
  const sorted = [...(data?.engines ?? [])].sort(
    (first, second) => Number(second.usable) - Number(first.usable)
  );
  return (
    <>
      <Problem problem={engines.error} />
      {!data && engines.loading && <Loading text="Asking the engines…" />}
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
