/** What "This notebook" offers while there is no image, and while one is being built. */

import React from 'react';

import { CommandIDs } from '../commandids';
import type { NotebookState } from '../models/notebookstate';
import { baseFor, suggestBases } from '../models/images';
import { trans } from '../trans';
import { formatDuration, stripControls } from '../ui/format';
import { CommandButton, Loading, Problem, useTicker } from './components';
import type { ISectionProps } from './section';

interface IStepsProps extends ISectionProps {
  readonly state: NotebookState;
}

/** A heading and its buttons. */
function Offer(props: {
  readonly title: string;
  readonly children: React.ReactNode;
}): React.JSX.Element {
  return (
    <div className="jp-Containers-offer" role="group" aria-label={props.title}>
      <h3>{props.title}</h3>
      <div className="jp-Containers-buttons">{props.children}</div>
    </div>
  );
}

/** The build that runs: its step, its time, and the ways to its cell and to its end. */
export function BuildProgress(props: IStepsProps): React.JSX.Element | null {
  const { commands, state } = props;
  const { build } = state;
  useTicker(build !== null);
  if (!build) {
    return null;
  }
  const { step, steps, text } = build;
  return (
    <div className="jp-Containers-note jp-mod-info">
      <p className="jp-Containers-noteTitle">
        {steps
          ? trans.__('Building: step %1 of %2', String(step), String(steps))
          : trans.__('Building')}
        {` · ${formatDuration(build.elapsed())}`}
      </p>
      {steps > 0 && (
        <div
          className="jp-Containers-bar"
          role="progressbar"
          aria-label={trans.__('Progress of the build')}
          aria-valuemin={0}
          aria-valuemax={steps}
          aria-valuenow={step}
        >
          <div style={{ width: `${String((100 * step) / (steps + 1))}%` }} />
        </div>
      )}
      {text && <p className="jp-Containers-code">{stripControls(text)}</p>}
      <div className="jp-Containers-buttons">
        <CommandButton
          commands={commands}
          id={CommandIDs.showCell}
          args={{ path: state.panel.context.path }}
          label={trans.__('Show the cell')}
        />
        <CommandButton
          commands={commands}
          id={CommandIDs.cancel}
          label={trans.__('Cancel')}
        />
      </div>
    </div>
  );
}

/** The ways to a first image. */
export function FirstSteps(props: IStepsProps): React.JSX.Element {
  const { commands, state } = props;
  if (!state.hasDockerfile) {
    return <Offers {...props} />;
  }
  return (
    <>
      <p>
        {trans.__(
          'The Dockerfile cell of this notebook says what it runs in. Its image is not built yet.'
        )}
      </p>
      <div className="jp-Containers-buttons">
        <CommandButton
          commands={commands}
          id={CommandIDs.buildAndRunAll}
          look="primary"
        />
        <CommandButton commands={commands} id={CommandIDs.rebuild} />
      </div>
    </>
  );
}

function Offers(props: IStepsProps): React.JSX.Element {
  const { commands, model, state } = props;
  const engine = model.engines.data?.default ?? null;
  const images = model.images.data?.images;
  const bases = suggestBases(images ?? [], engine);
  const files = state.starters.data ?? [];
  return (
    <>
      <p>
        {trans.__(
          'This notebook has no image yet. Say in a Dockerfile cell what it needs, or choose an image that has it.'
        )}
      </p>
      <Problem problem={state.starters.error} />
      {files.length > 0 && (
        <Offer title={trans.__('Dockerfile cell from a file beside it')}>
          {files.map(({ name, kind }) => (
            <CommandButton
              key={name}
              commands={commands}
              id={CommandIDs.startFrom}
              args={{ file: name, base: baseFor(kind, bases) }}
            />
          ))}
        </Offer>
      )}
      <Offer title={trans.__('Dockerfile cell on a base image')}>
        {!images && model.images.loading && (
          <Loading text={trans.__('Looking for images…')} />
        )}
        {bases.map(base => (
          <CommandButton
            key={base}
            commands={commands}
            id={CommandIDs.startFrom}
            args={{ base }}
          />
        ))}
        <CommandButton
          commands={commands}
          id={CommandIDs.newCell}
          label={trans.__('Example')}
        />
      </Offer>
      <Offer title={trans.__('Image as it is')}>
        <CommandButton
          commands={commands}
          id={CommandIDs.choose}
          label={trans.__('Choose an image')}
        />
      </Offer>
    </>
  );
}
