/** Draws a build: while it runs, and what is left of it in the notebook. */

import * as React from 'react';

import { bytes, duration, plain } from '../ui/format';
import { fetched, type IFold, type StepState } from './buildstate';
import type { IStepSummary, ISummary } from './summary';
import { sentence } from './summary';

/** What the view shows and calls. */
export interface IBuildViewProps {
  readonly summary: ISummary;
  /** All that is known of a build that this page follows; null for one read from the file. */
  readonly fold: IFold | null;
  readonly cancelling: boolean;
  /** Says why the log of an earlier build is not there; empty while nobody has asked. */
  readonly noLog: string;
  readonly onCancel: () => void;
  /** Fetch the log of a build that is not followed yet. */
  readonly onLog: () => void;
}

const MARKS: Record<StepState, readonly [string, string]> = {
  running: ['…', 'running'],
  done: ['✓', 'done'],
  cached: ['↺', 'cached'],
  failed: ['✗', 'failed'],
  stopped: ['–', 'not finished']
};

/** One build. */
export function BuildView(props: IBuildViewProps): React.JSX.Element {
  const { summary, fold, cancelling } = props;
  const runs = summary.state === 'running' || summary.state === 'waiting';
  return (
    <div className="jp-ContainersBuild" data-state={summary.state}>
      <div className="jp-ContainersBuild-head">
        <span className="jp-ContainersBuild-mark" aria-hidden="true" />
        <span className="jp-ContainersBuild-title" role="status">
          {headline(summary, fold !== null, cancelling)}
        </span>
        {fold && runs && (
          <>
            <span className="jp-ContainersBuild-time">
              {duration(summary.seconds)}
            </span>
            <button
              type="button"
              className="jp-Button jp-ContainersBuild-cancel"
              disabled={cancelling}
              onClick={props.onCancel}
              title="Stop this build"
            >
              Cancel
            </button>
          </>
        )}
      </div>
      {fold && runs && <Progress summary={summary} fold={fold} />}
      <Steps steps={summary.steps} total={summary.total} />
      <Log fold={fold} noLog={props.noLog} onLog={props.onLog} />
    </div>
  );
}

function headline(
  summary: ISummary,
  followed: boolean,
  cancelling: boolean
): string {
  const runs = summary.state === 'running' || summary.state === 'waiting';
  if (runs && cancelling) {
    return 'Cancelling the build …';
  }
  if (runs && !followed) {
    return 'This build was running when the notebook was saved. Run the cell again to build.';
  }
  if (summary.state === 'waiting') {
    return 'Waiting for another build to end …';
  }
  return plain(sentence(summary));
}

function Progress(props: {
  summary: ISummary;
  fold: IFold;
}): React.JSX.Element {
  const { summary, fold } = props;
  const { steps, total } = summary;
  const ended = steps.filter(
    step => step.state === 'done' || step.state === 'cached'
  ).length;
  const running = [...steps].reverse().find(step => step.state === 'running');
  const said = total
    ? `Step ${String(running?.number ?? ended)} of ${String(total)}`
    : 'Getting ready';
  const moved = fetched(fold);
  const known = total > 0 ? { 'aria-valuenow': ended } : {};
  return (
    <div className="jp-ContainersBuild-progress">
      <div
        className="jp-ContainersBuild-bar"
        role="progressbar"
        aria-label="Progress of the build"
        aria-valuemin={0}
        aria-valuemax={total || 1}
        aria-valuetext={said}
        {...known}
      >
        <div
          className={
            total ? 'jp-ContainersBuild-done' : 'jp-ContainersBuild-unknown'
          }
          style={total ? { width: `${String((100 * ended) / total)}%` } : {}}
        />
      </div>
      <div
        className="jp-ContainersBuild-step"
        title={running ? plain(running.text) : ''}
      >
        <span className="jp-ContainersBuild-count">{said}</span>
        {running && <code>{plain(running.text)}</code>}
      </div>
      <div className="jp-ContainersBuild-line">
        {moved.done > 0 && (
          <span className="jp-ContainersBuild-bytes">
            {bytes(moved.done)}
            {moved.total > 0 ? ` of ${bytes(moved.total)}` : ''} fetched
          </span>
        )}
        <span>{plain(fold.current)}</span>
      </div>
    </div>
  );
}

function Steps(props: {
  steps: readonly IStepSummary[];
  total: number;
}): React.JSX.Element | null {
  const { steps, total } = props;
  if (steps.length === 0) {
    return null;
  }
  return (
    <details className="jp-ContainersBuild-details">
      <summary>
        {steps.length === 1 ? '1 step' : `${String(steps.length)} steps`}
        {total > steps.length ? ` of ${String(total)}` : ''}
      </summary>
      <ol className="jp-ContainersBuild-steps">
        {steps.map(step => (
          <li key={step.number} data-state={step.state}>
            <span
              className="jp-ContainersBuild-state"
              role="img"
              aria-label={MARKS[step.state][1]}
              title={MARKS[step.state][1]}
            >
              {MARKS[step.state][0]}
            </span>
            <span className="jp-ContainersBuild-number">{step.number}</span>
            <code>{plain(step.text)}</code>
            {step.seconds >= 1 && (
              <span className="jp-ContainersBuild-time">
                {duration(step.seconds)}
              </span>
            )}
          </li>
        ))}
      </ol>
    </details>
  );
}

function Log(props: {
  fold: IFold | null;
  noLog: string;
  onLog: () => void;
}): React.JSX.Element {
  const { fold, noLog, onLog } = props;
  const [open, setOpen] = React.useState(false);
  return (
    <details
      className="jp-ContainersBuild-details"
      onToggle={event => {
        setOpen(event.currentTarget.open);
        if (event.currentTarget.open && !fold) {
          onLog();
        }
      }}
    >
      <summary>Log</summary>
      {open && fold && <Lines fold={fold} />}
      {open && !fold && (
        <p className="jp-ContainersBuild-line">{noLog || 'Loading …'}</p>
      )}
    </details>
  );
}

/** The log, which stays at its end while one looks at the end. */
function Lines(props: { fold: IFold }): React.JSX.Element {
  const { log, dropped } = props.fold;
  const box = React.useRef<HTMLPreElement>(null);
  const atEnd = React.useRef(true);
  React.useLayoutEffect(() => {
    if (box.current && atEnd.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  });
  return (
    <pre
      ref={box}
      className="jp-ContainersBuild-log"
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label="Log of the build"
      onScroll={event => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        atEnd.current = scrollHeight - scrollTop - clientHeight < 30;
      }}
    >
      {dropped > 0 && `(${String(dropped)} earlier lines are not shown)\n`}
      {plain(log.join('\n'))}
    </pre>
  );
}
