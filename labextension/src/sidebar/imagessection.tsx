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

import { CommandIDs } from '../commandids';
import type { Row } from '../models/imagerows';
import { imageKey } from '../models/images';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import { formatAge, formatBytes, justNow, stripControls } from '../ui/format';
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
        aria-label={trans.__('Image to pull')}
        placeholder={trans.__('Pull name:tag')}
        value={reference}
        spellCheck={false}
        onChange={event => setReference(event.target.value)}
      />
      {usable.length > 1 && (
        <HTMLSelect
          aria-label={trans.__('Engine to pull with')}
          value={engine}
          onChange={event => setEngine(event.target.value)}
        >
          <option value="">{trans.__('default engine')}</option>
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
        {trans.__('Pull')}
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
                label={trans.__('Cancel')}
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
  readonly row: Row;
  readonly commands: CommandRegistry;
  readonly model: ContainersModel;
  /** Whether an image's details are open. */
  readonly open: boolean;
  /** Whether Tab leads to it; the arrow keys lead to the others. */
  readonly current: boolean;
  readonly several: boolean;
}

/** A row's key. */
function rowKey(row: Row): string {
  return row.kind === 'image' ? imageKey(row.image) : row.key;
}

/** What stands below the name of a repository or an image. */
function factsOf(row: Row, several: boolean): string {
  if (row.kind === 'repository') {
    const { images, place } = row;
    return [trans._n('%1 image', '%1 images', images.length), place]
      .filter(Boolean)
      .join(' · ');
  }
  const { image, place } = row;
  const old = formatAge(image.created);
  return [
    formatBytes(image.size),
    old && (old === justNow() ? old : trans.__('%1 old', old)),
    several && stripControls(image.engine),
    image.pinned && trans.__('pinned'),
    place
  ]
    .filter(Boolean)
    .join(' · ');
}

/** A repository or an image. Rendered again only if something of it changes. */
const RowView = React.memo(
  function RowView(props: IRowProps): React.JSX.Element {
    const { commands, current, model, row, several } = props;
    const open = row.kind === 'image' ? props.open : row.open;
    const id = `jp-Containers-image-${rowKey(row).replace(/\W/g, '-')}`;
    const Caret = open ? caretDownIcon : caretRightIcon;
    const toggle = () => {
      if (row.kind === 'image') {
        model.images.toggle(row.image);
      } else {
        model.images.toggleRepository(row.key);
      }
    };
    const nested = row.kind === 'image' && row.nested;
    return (
      <li
        className={classes(
          'jp-Containers-row',
          open ? 'jp-mod-open' : '',
          nested ? 'jp-mod-nested' : ''
        )}
      >
        <button
          type="button"
          className="jp-Containers-rowButton"
          data-row={rowKey(row)}
          tabIndex={current ? 0 : -1}
          aria-expanded={open}
          aria-controls={open && row.kind === 'image' ? id : undefined}
          title={row.kind === 'image' ? stripControls(row.image.reference) : ''}
          onClick={toggle}
        >
          <Caret.react tag="span" width="16px" height="16px" />
          <span className="jp-Containers-rowName">{row.name}</span>
          <span className="jp-Containers-rowAbout">
            {factsOf(row, several)}
          </span>
        </button>
        {open && row.kind === 'image' && (
          <div id={id} className="jp-Containers-rowBody">
            <ImageDetail commands={commands} image={row.image} model={model} />
          </div>
        )}
      </li>
    );
  },
  // Rows are made anew for each rendering.
  (before, after) =>
    before.open === after.open &&
    before.current === after.current &&
    before.several === after.several &&
    isSameRow(before.row, after.row)
);

function isSameRow(before: Row, after: Row): boolean {
  if (before.kind === 'image') {
    return (
      after.kind === 'image' &&
      before.image === after.image &&
      before.name === after.name
    );
  }
  return (
    after.kind === 'repository' &&
    before.images === after.images &&
    before.open === after.open
  );
}

/** The row that a key leads to from another; null for a key that leads nowhere. */
function nextRow(key: string, at: number, count: number): number | null {
  switch (key) {
    case 'ArrowDown':
      return Math.min(at + 1, count - 1);
    case 'ArrowUp':
      return Math.max(at - 1, 0);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}

const ROW_BUTTON = '.jp-Containers-rowButton';

/** Move the focus among the rows, open and close them, by the arrow keys. */
function moveAmongRows(event: React.KeyboardEvent<HTMLUListElement>): void {
  const button = (event.target as HTMLElement).closest<HTMLElement>(ROW_BUTTON);
  if (!button) {
    return;
  }
  const buttons = [
    ...event.currentTarget.querySelectorAll<HTMLElement>(ROW_BUTTON)
  ];
  const expanded = button.getAttribute('aria-expanded') === 'true';
  const next = nextRow(event.key, buttons.indexOf(button), buttons.length);
  if (next !== null) {
    buttons[next]?.focus();
  } else if (event.key === (expanded ? 'ArrowLeft' : 'ArrowRight')) {
    button.click();
  } else {
    return;
  }
  event.preventDefault();
}

/** The rows: one stop of Tab, arrow keys inside. Right opens a row, Left closes it. */
function ImageRows(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  const { images } = model;
  const [chosen, setChosen] = React.useState('');
  React.useEffect(
    () => () => {
      images.showFirst();
    },
    [images]
  );
  const { rows } = images;
  const all = images.data?.images.length ?? 0;
  const engines = new Set(images.data?.images.map(image => image.engine));
  const shown = rows.slice(0, images.visibleRows);
  const keys = shown.map(rowKey);
  const current = keys.includes(chosen) ? chosen : keys[0];
  const counted = images.query
    ? trans.__('%1 of %2 images', String(images.filtered.length), String(all))
    : '';
  return (
    <>
      <p className="jp-Containers-quiet" role="status">
        {counted}
      </p>
      <ul
        className="jp-Containers-rows"
        aria-label={trans.__('Images')}
        onKeyDown={moveAmongRows}
        onFocus={({ target }) => {
          const { row } = (target as HTMLElement).dataset;
          if (row !== undefined) {
            setChosen(row);
          }
        }}
      >
        {shown.map(row => (
          <RowView
            key={rowKey(row)}
            row={row}
            commands={commands}
            model={model}
            open={row.kind === 'image' && images.isOpen(row.image)}
            current={rowKey(row) === current}
            several={engines.size > 1}
          />
        ))}
      </ul>
      {rows.length > shown.length && (
        <CommandButton
          commands={commands}
          id={CommandIDs.moreImages}
          label={trans.__(
            'Show more (%1 left)',
            String(rows.length - shown.length)
          )}
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
      {!data && images.loading && (
        <Loading text={trans.__('Asking the engines…')} />
      )}
      {data?.images.length === 0 && images.problems.length === 0 && (
        <p>
          {trans.__(
            'No images yet. Pull one above, or run a %%%%dockerfile cell.'
          )}
        </p>
      )}
      {data && data.images.length > 0 && (
        <>
          <InputGroup
            className="jp-Containers-search"
            aria-label={trans.__('Filter images')}
            placeholder={trans.__('Filter images')}
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
