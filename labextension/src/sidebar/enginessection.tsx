/** The section "Engines": container engines, how to fix those that do not work, and disk use. */

import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { IEngine } from '../api/types';
import { CommandIDs } from '../commandids';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import { formatBytes, stripControls } from '../ui/format';
import {
  CommandButton,
  Copyable,
  Disclosure,
  Loading,
  Problem,
  useModels
} from './components';
import type { ISectionProps } from './section';

/** What to do about a problem: an address to read, or else a command to copy. */
function Fix(props: {
  readonly commands: CommandRegistry;
  readonly text: string;
}): React.JSX.Element {
  const text = stripControls(props.text);
  const [address] = /https:\/\/[^\s)]+/.exec(text) ?? [];
  if (!address) {
    return <Copyable commands={props.commands} text={text} />;
  }
  const [before = '', after = ''] = text.split(address);
  return (
    <p>
      {before}
      <a href={address} target="_blank" rel="noopener noreferrer">
        {address.replace('https://', '')}
      </a>
      {after}
    </p>
  );
}

function Problems(props: {
  readonly commands: CommandRegistry;
  readonly engine: IEngine;
}): React.JSX.Element {
  return (
    <>
      {props.engine.problems.map((problem, index) => (
        <div key={index} className="jp-Containers-problem">
          <p>{stripControls(problem.message)}</p>
          {problem.fix && <Fix commands={props.commands} text={problem.fix} />}
        </div>
      ))}
    </>
  );
}

function Engine(props: {
  readonly commands: CommandRegistry;
  readonly engine: IEngine;
  readonly isDefault: boolean;
  readonly model: ContainersModel;
}): React.JSX.Element {
  const { commands, engine, isDefault, model } = props;
  const [open, setOpen] = React.useState(false);
  const name = stripControls(engine.name);
  const size = model.images.sizeOn(engine.name);
  const facts = [
    engine.version && `version ${engine.version}`,
    engine.usable && (engine.rootless ? 'rootless' : 'with root'),
    isDefault && 'default',
    size > 0 && `images: up to ${formatBytes(size)}`
  ].filter(Boolean);
  return (
    <li className="jp-Containers-card">
      <div className="jp-Containers-cardHead">
        <h3 title={name}>{name}</h3>
        <span
          className="jp-Containers-state"
          data-state={engine.usable ? 'running' : 'failed'}
        >
          {engine.usable ? trans.__('works') : trans.__('does not work')}
        </span>
      </div>
      {facts.length > 0 && (
        <p className="jp-Containers-quiet">{stripControls(facts.join(', '))}</p>
      )}
      {engine.usable ? (
        <Disclosure
          id={`jp-Containers-features-${name}`}
          label={
            engine.problems.length > 0
              ? trans.__('Features and limits')
              : trans.__('Features')
          }
          open={open}
          onToggle={() => setOpen(!open)}
        >
          <Problems commands={commands} engine={engine} />
          <ul className="jp-Containers-tags">
            {engine.features.map(feature => (
              <li key={feature}>{stripControls(feature)}</li>
            ))}
          </ul>
        </Disclosure>
      ) : (
        <Problems commands={commands} engine={engine} />
      )}
    </li>
  );
}

/** The engines whose programs are not on this machine, folded: most machines have one or two. */
function NotInstalled(props: {
  readonly commands: CommandRegistry;
  readonly engines: readonly IEngine[];
  readonly open: boolean;
}): React.JSX.Element {
  const { commands, engines } = props;
  const [open, setOpen] = React.useState(props.open);
  return (
    <div>
      <Disclosure
        id="jp-Containers-notInstalled"
        className="jp-mod-quiet"
        label={trans.__('Not installed (%1)', String(engines.length))}
        open={open}
        onToggle={() => setOpen(!open)}
      >
        <dl className="jp-Containers-facts jp-Containers-quiet">
          {engines.map(engine => (
            <React.Fragment key={engine.name}>
              <dt>{stripControls(engine.name)}</dt>
              <dd>
                {engine.problems
                  .filter(({ fix }) => fix)
                  .map(({ fix }) => (
                    <Fix key={fix} commands={commands} text={fix} />
                  ))}
              </dd>
            </React.Fragment>
          ))}
        </dl>
      </Disclosure>
    </div>
  );
}

/** How much the images of all engines take, and the button that makes room. */
function DiskUse(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  const { imageAction, images } = model;
  useModels(imageAction, images);
  const names = new Set(images.data?.images.map(({ engine }) => engine));
  // What Slurm places has its images from an engine that is in the list itself.
  const size = [...names]
    .filter(name => !name.startsWith('slurm+'))
    .reduce((sum, name) => sum + images.sizeOn(name), 0);
  return (
    <>
      <div className="jp-Containers-cardHead">
        <span>
          {images.data ? trans.__('Images: up to %1', formatBytes(size)) : ''}
        </span>
        <CommandButton commands={commands} id={CommandIDs.cleanUp} />
      </div>
      {imageAction.pending && <Loading text={imageAction.pending} />}
      <Problem
        problem={imageAction.problem}
        onDismiss={() => imageAction.dismiss()}
      />
    </>
  );
}

/** The section's body; usable engines come first. */
export function EnginesSection(props: ISectionProps): React.JSX.Element {
  const { engines, images } = props.model;
  useModels(engines, images);
  const { data } = engines;
  const all = data?.engines ?? [];
  const here = all
    .filter(({ installed }) => installed)
    .sort((first, second) => Number(second.usable) - Number(first.usable));
  const others = all.filter(({ installed }) => !installed);
  const works = all.some(({ usable }) => usable);
  return (
    <>
      <Problem problem={engines.error} />
      {!data && engines.loading && (
        <Loading text={trans.__('Asking the engines…')} />
      )}
      {data && !works && (
        <p>{trans.__('No engine works here yet. One of these is enough:')}</p>
      )}
      {works && <DiskUse {...props} />}
      <ul className="jp-Containers-cards">
        {here.map(engine => (
          <Engine
            key={engine.name}
            commands={props.commands}
            engine={engine}
            isDefault={engine.name === data?.default}
            model={props.model}
          />
        ))}
      </ul>
      {others.length > 0 && (
        <NotInstalled
          commands={props.commands}
          engines={others}
          open={here.length === 0}
        />
      )}
    </>
  );
}
