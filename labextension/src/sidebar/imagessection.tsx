/** The section "Images": the images of all engines, a filter and a form to pull one. */

import {
  Button,
  classes,
  HTMLSelect,
  InputGroup,
  searchIcon
} from '@jupyterlab/ui-components';
import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { IImage } from '../api/types';
import { CommandIDs } from '../commandids';
import { imageKey } from '../models/images';
import type { ContainersModel } from '../models/model';
import {
  formatAge,
  formatBytes,
  shortImage,
  stripControls
} from '../ui/format';
import { JobProgress } from './buildssection';
import { CommandButton, Loading, Note, Problem, useModels } from './components';
import { ImageDetail } from './imagedetail';
import type { ISectionProps } from './section';

/** The form that pulls an image. */
function PullForm(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  const [reference, setReference] = React.useState('');
  const [engine, setEngine] = React.useState('');
  const usable = (model.engines.data?.engines ?? []).filter(
    ({ usable }) => usable
  );
  const args = {
    reference: reference.trim(),
    here: true,
    ...(engine ? { engine } : {})
  };
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    if (commands.isEnabled(CommandIDs.pull, args) && args.reference) {
      void commands.execute(CommandIDs.pull, args);
      setReference('');
    }
  };
  return (
    <form className="jp-Containers-pull" onSubmit={submit}>
      <InputGroup
        aria-label="Image to pull"
        placeholder="Pull name:tag"
        value={reference}
        spellCheck={false}
        onChange={event => setReference(event.target.value)}
      />
      {usable.length > 1 && (
        <HTMLSelect
          aria-label="Engine to pull with"
          value={engine}
          onChange={event => setEngine(event.target.value)}
        >
          <option value="">default engine</option>
          {usable.map(option => (
            <option key={option.name} value={option.name}>
              {stripControls(option.name)}
            </option>
          ))}
        </HTMLSelect>
      )}
      <Button
        type="submit"
        className="jp-Containers-button jp-mod-plain"
        minimal
        small
        disabled={!args.reference}
      >
        Pull
      </Button>
    </form>
  );
}

/** The pulls and conversions that run. */
function Transfers(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  useModels(model.jobs);
  return (
    <>
      {model.jobs.transfers.map(job =>
        job.error ? (
          <Note
            key={job.id}
            kind="error"
            title={`${job.title}: ${job.error.message}`}
            hint={job.error.hint}
          />
        ) : (
          <div key={job.id} className="jp-Containers-card">
            <div className="jp-Containers-cardHead">
              <h3>{stripControls(job.title)}</h3>
              <CommandButton
                commands={commands}
                id={CommandIDs.cancel}
                args={{ id: job.id }}
                label="Cancel"
              />
            </div>
            <JobProgress view={model.jobs.view(job.id)} />
          </div>
        )
      )}
    </>
  );
}

interface IRowProps {
  readonly commands: CommandRegistry;
  readonly image: IImage;
  readonly model: ContainersModel;
  readonly open: boolean;
  readonly several: boolean;
}

/** An image. Rendered again only if it changes, or is opened or closed. */
const ImageRow = React.memo(function Row(props: IRowProps): React.JSX.Element {
  const { commands, image, model, open, several } = props;
  const id = `jp-Containers-image-${imageKey(image).replace(/\W/g, '-')}`;
  const Caret = open ? caretDownIcon : caretRightIcon;
  const old = formatAge(image.created);
  const facts = [
    formatBytes(image.size),
    old && (old === 'just now' ? old : `${old} old`),
    several && stripControls(image.engine),
    image.pinned && 'pinned'
  ].filter(Boolean);
  return (
    <li className={classes('jp-Containers-row', open ? 'jp-mod-open' : '')}>
      <button
        type="button"
        className="jp-Containers-rowButton"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        title={stripControls(image.reference)}
        onClick={() => model.images.toggle(image)}
      >
        <Caret.react tag="span" width="16px" height="16px" />
        <span className="jp-Containers-rowName">
          {shortImage(image.reference)}
        </span>
        <span className="jp-Containers-rowAbout">{facts.join(' · ')}</span>
      </button>
      {open && (
        <div id={id} className="jp-Containers-rowBody">
          <ImageDetail commands={commands} image={image} model={model} />
        </div>
      )}
    </li>
  );
});

function ImageRows(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  const { images } = model;
  const { filtered } = images;
  const all = images.data?.images.length ?? 0;
  const engines = new Set(images.data?.images.map(image => image.engine));
  const shown = filtered.slice(0, images.visibleRows);
  const counted = images.query
    ? `${String(filtered.length)} of ${String(all)} images`
    : '';
  return (
    <>
      <p className="jp-Containers-quiet" role="status">
        {counted}
      </p>
      <ul className="jp-Containers-rows" aria-label="Images">
        {shown.map(image => (
          <ImageRow
            key={imageKey(image)}
            commands={commands}
            image={image}
            model={model}
            open={images.isOpen(image)}
            several={engines.size > 1}
          />
        ))}
      </ul>
      {filtered.length > shown.length && (
        <CommandButton
          commands={commands}
          id={CommandIDs.moreImages}
          label={`Show more (${String(filtered.length - shown.length)} left)`}
        />
      )}
    </>
  );
}

/** The section's body. */
export function ImagesSection(props: ISectionProps): React.JSX.Element {
  const { model } = props;
  const { engines, images, imageAction } = model;
  useModels(engines, images, imageAction);
  const { data } = images;
  return (
    <>
      <Problem
        problem={imageAction.problem}
        onDismiss={() => imageAction.dismiss()}
      />
      {imageAction.pending && <Loading text={imageAction.pending} />}
      <PullForm {...props} />
      <Transfers {...props} />
      <Problem problem={images.error} />
      {images.problems.map(problem => (
        <Note
          key={problem.engine}
          kind="warning"
          title={`${problem.engine}: ${problem.message}`}
          hint={problem.hint}
        />
      ))}
      {!data && images.loading && <Loading text="Asking the engines…" />}
      {data?.images.length === 0 && images.problems.length === 0 && (
        <p>No images yet. Pull one above, or run a %%dockerfile cell.</p>
      )}
      {data && data.images.length > 0 && (
        <>
          <InputGroup
            className="jp-Containers-search"
            aria-label="Filter images"
            placeholder="Filter images"
            type="search"
            rightIcon={searchIcon}
            value={images.query}
            spellCheck={false}
            onChange={event => {
              images.query = event.target.value;
            }}
          />
          <ImageRows {...props} />
        </>
      )}
    </>
  );
}
