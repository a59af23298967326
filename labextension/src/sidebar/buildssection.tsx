/** The section "Builds": running and earlier builds, pulls and conversions. */

import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import type { IJob } from '../api/types';
import { CommandIDs } from '../commandids';
import type { JobView } from '../models/jobs';
import { isRunning } from '../models/jobs';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import {
  basename,
  formatAge,
  formatBytes,
  formatDuration,
  justNow,
  percent,
  stripControls
} from '../ui/format';
import {
  CommandButton,
  Disclosure,
  Loading,
  Meter,
  Note,
  Problem,
  useModels,
  useTicker
} from './components';
import type { ISectionProps } from './section';

const STATE_LABELS: Record<IJob['state'], string> = {
  waiting: 'waiting',
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled'
};

/** The kind of a job, before the engine's name. */
const KIND_LABELS: Record<IJob['kind'], string> = {
  build: 'build with',
  pull: 'pull with',
  convert: 'conversion for'
};

/** The progress of a running job: its instruction and its transfers. */
export function JobProgress(props: {
  readonly view: JobView;
}): React.JSX.Element | null {
  const { view } = props;
  useModels(view);
  const transfers = [...view.transfers.values()];
  const busy = transfers.filter(
    transfer => !transfer.total || transfer.done < transfer.total
  );
  const done = transfers.reduce((sum, transfer) => sum + transfer.done, 0);
  const total = transfers.reduce((sum, transfer) => sum + transfer.total, 0);
  return (
    <>
      {view.steps > 0 && (
        <Meter
          label={trans.__(
            'Step %1 of %2',
            String(view.step),
            String(view.steps)
          )}
          text=""
          percent={percent(Math.max(0, view.step - 1), view.steps)}
        />
      )}
      {view.text && (
        <p className="jp-Containers-code">{stripControls(view.text)}</p>
      )}
      {transfers.length > 1 && total > 0 && (
        <Meter
          label={trans.__('All layers')}
          text={trans.__('%1 of %2', formatBytes(done), formatBytes(total))}
          percent={percent(done, total)}
        />
      )}
      {busy.slice(0, 6).map(transfer => (
        <Meter
          key={transfer.name}
          label={stripControls(transfer.name).slice(0, 24)}
          text={
            transfer.total
              ? trans.__(
                  '%1 of %2',
                  formatBytes(transfer.done),
                  formatBytes(transfer.total)
                )
              : formatBytes(transfer.done)
          }
          percent={
            transfer.total ? percent(transfer.done, transfer.total) : null
          }
        />
      ))}
    </>
  );
}

function Log(props: { readonly view: JobView; readonly title: string }) {
  const { view, title } = props;
  useModels(view);
  const end = React.useRef<HTMLPreElement>(null);
  const atEnd = React.useRef(true);
  React.useEffect(() => {
    if (end.current && atEnd.current) {
      end.current.scrollTop = end.current.scrollHeight;
    }
  });
  return (
    <>
      <Problem problem={view.error} />
      <pre
        ref={end}
        className="jp-Containers-log"
        tabIndex={0}
        role="region"
        aria-label={trans.__('Log of %1', title)}
        onScroll={event => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          atEnd.current = scrollTop + clientHeight > scrollHeight - 20;
        }}
      >
        {stripControls(view.lines.join('\n')) ||
          trans.__('Nothing was printed.')}
      </pre>
    </>
  );
}

/** How long a job has run, or took, and when; how often its image was up to date since. */
function describeTimes(job: IJob, times: number): string {
  const took = formatDuration((job.ended ?? Date.now() / 1000) - job.started);
  if (isRunning(job)) {
    return took;
  }
  const reused = times > 1 ? `up to date ${String(times)} times` : 'up to date';
  return [
    !job.result?.reused && trans.__('took %1', took),
    times > 0 && reused,
    ago(job.started)
  ]
    .filter(Boolean)
    .join(', ');
}

function Job(props: {
  readonly commands: CommandRegistry;
  readonly job: IJob;
  /** How often the image was found up to date. */
  readonly times: number;
  readonly model: ContainersModel;
}): React.JSX.Element {
  const { commands, job, model, times } = props;
  const { jobs } = model;
  const running = isRunning(job);
  useTicker(running);
  const title = stripControls(job.title);
  const view = jobs.view(job.id);
  const when = describeTimes(job, times);
  const file = stripControls(basename(job.path ?? ''));
  const where = file && !title.includes(file) ? `, ${file}` : '';
  return (
    <li className="jp-Containers-card">
      <div className="jp-Containers-cardHead">
        <h3 title={title}>{title}</h3>
        <span className="jp-Containers-state" data-state={job.state}>
          {STATE_LABELS[job.state]}
        </span>
      </div>
      <p className="jp-Containers-quiet">
        {`${KIND_LABELS[job.kind]} ${stripControls(job.engine)}${where}, ${when}`}
      </p>
      {running && <JobProgress view={view} />}
      {job.error && job.state !== 'cancelled' && (
        <Note kind="error" title={job.error.message} hint={job.error.hint} />
      )}
      {running && (
        <div className="jp-Containers-buttons">
          <CommandButton
            commands={commands}
            id={CommandIDs.cancel}
            args={{ id: job.id }}
            label={trans.__('Cancel')}
          />
        </div>
      )}
      <Disclosure
        id={`jp-Containers-log-${job.id}`}
        label={trans.__('Log')}
        open={jobs.isOpen(job.id)}
        onToggle={() => jobs.toggle(job.id)}
      >
        <Log view={view} title={title} />
      </Disclosure>
    </li>
  );
}

function ago(seconds: number): string {
  const long = formatAge(new Date(seconds * 1000).toISOString());
  return long === justNow() || long === ''
    ? justNow()
    : trans.__('%1 ago', long);
}

/** The section's body. */
export function BuildsSection(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  const { jobs } = model;
  useModels(jobs);
  return (
    <>
      <Problem problem={jobs.error} />
      {!jobs.data && jobs.loading && (
        <Loading text={trans.__('Asking for builds…')} />
      )}
      {jobs.data?.length === 0 && (
        <p className="jp-Containers-quiet">
          {trans.__(
            'Nothing was built, pulled or converted since the server started.'
          )}
        </p>
      )}
      <ul className="jp-Containers-cards">
        {jobs.groups.map(({ job, count: times }) => (
          <Job
            key={job.id}
            commands={commands}
            job={job}
            times={times}
            model={model}
          />
        ))}
      </ul>
    </>
  );
}
