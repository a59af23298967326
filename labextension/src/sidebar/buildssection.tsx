/** "Builds": what is built, pulled and converted now, and what was lately. */

import type { CommandRegistry } from '@lumino/commands';
import React from 'react';

import { CommandIDs } from '../commandids';
import { age, basename, bytes, duration, percent, plain } from '../ui/format';
import type { ContainersModel } from '../models/model';
import { isRunning } from '../models/jobs';
import type { JobView } from '../models/jobs';
import type { IJob } from '../api/types';
import {
  CommandButton,
  Fold,
  Meter,
  Note,
  Problem,
  useModels,
  useSeconds,
  Waiting
} from './components';
import type { ISectionProps } from './section';

const STATES: Record<IJob['state'], string> = {
  waiting: 'waiting',
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled'
};

/** What a job does with its engine. */
const KINDS: Record<IJob['kind'], string> = {
  build: 'build with',
  pull: 'pull with',
  convert: 'conversion for'
};

/** How far a running job is: its instruction, and its layers. */
export function JobProgress(props: {
  readonly view: JobView;
}): React.JSX.Element | null {
  const { view } = props;
  useModels(view);
  const transfers = [...view.transfers.values()];
  const busy = transfers.filter(one => !one.total || one.done < one.total);
  const done = transfers.reduce((sum, one) => sum + one.done, 0);
  const total = transfers.reduce((sum, one) => sum + one.total, 0);
  return (
    <>
      {view.steps > 0 && (
        <Meter
          label={`Step ${String(view.step)} of ${String(view.steps)}`}
          text=""
          percent={percent(Math.max(0, view.step - 1), view.steps)}
        />
      )}
      {view.text && <p className="jp-Containers-code">{plain(view.text)}</p>}
      {transfers.length > 1 && total > 0 && (
        <Meter
          label="All layers"
          text={`${bytes(done)} of ${bytes(total)}`}
          percent={percent(done, total)}
        />
      )}
      {busy.slice(0, 6).map(one => (
        <Meter
          key={one.name}
          label={plain(one.name).slice(0, 24)}
          text={
            one.total
              ? `${bytes(one.done)} of ${bytes(one.total)}`
              : bytes(one.done)
          }
          percent={one.total ? percent(one.done, one.total) : null}
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
        aria-label={`Log of ${title}`}
        onScroll={event => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          atEnd.current = scrollTop + clientHeight > scrollHeight - 20;
        }}
      >
        {plain(view.lines.join('\n')) || 'Nothing was printed.'}
      </pre>
    </>
  );
}

function Job(props: {
  readonly commands: CommandRegistry;
  readonly job: IJob;
  /** How often the same was found to be up to date. */
  readonly times: number;
  readonly model: ContainersModel;
}): React.JSX.Element {
  const { commands, job, model, times } = props;
  const { jobs } = model;
  const running = isRunning(job);
  useSeconds(running);
  const title = plain(job.title);
  const view = jobs.view(job.id);
  const end = job.ended ?? Date.now() / 1000;
  const took = job.result?.reused
    ? `up to date${times > 1 ? ` (${String(times)} times)` : ''}`
    : `took ${duration(end - job.started)}`;
  const when = running
    ? duration(end - job.started)
    : `${took}, ${ago(job.started)}`;
  const file = plain(basename(job.path ?? ''));
  const where = file && !title.includes(file) ? `, ${file}` : '';
  return (
    <li className="jp-Containers-card">
      <div className="jp-Containers-cardHead">
        <h3>{title}</h3>
        <span className="jp-Containers-state" data-state={job.state}>
          {STATES[job.state]}
        </span>
      </div>
      <p className="jp-Containers-quiet">
        {`${KINDS[job.kind]} ${plain(job.engine)}${where}, ${when}`}
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
            label="Cancel"
          />
        </div>
      )}
      <Fold
        id={`jp-Containers-log-${job.id}`}
        label="Log"
        open={jobs.isOpen(job.id)}
        onToggle={() => jobs.toggle(job.id)}
      >
        <Log view={view} title={title} />
      </Fold>
    </li>
  );
}

function ago(seconds: number): string {
  const long = age(new Date(seconds * 1000).toISOString());
  return long === 'just now' || long === '' ? 'just now' : `${long} ago`;
}

/** The section's body. */
export function Builds(props: ISectionProps): React.JSX.Element {
  const { commands, model } = props;
  const { jobs } = model;
  useModels(jobs);
  return (
    <>
      <Problem problem={jobs.error} />
      {!jobs.data && jobs.busy && <Waiting text="Asking for builds…" />}
      {jobs.data?.length === 0 && (
        <p className="jp-Containers-quiet">
          Nothing was built, pulled or converted since the server started.
        </p>
      )}
      <ul className="jp-Containers-cards">
        {jobs.told.map(({ job, times }) => (
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
