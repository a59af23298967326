/** Renders a build, running or saved. */

import * as React from 'react';

import { formatBytes, formatDuration, stripControls } from '../ui/format';
import { type IBuildState, type StepState, transferTotals } from './buildstate';
import type { IStepSummary, ISummary } from './summary';
import { describeSummary } from './summary';

/** The properties of the view. */
export interface IBuildViewProps {
  readonly summary: ISummary;
  /** The state of a build that this page follows; null for one read from the file. */
  readonly build: IBuildState | null;
  readonly cancelling: boolean;
  /** Why the log of an earlier build is missing; empty before it was requested. */
  readonly noLog: string;
  readonly onCancel: () => void;
  /** Fetch the log of a build that this page does not follow. */
  readonly onLog: () => void;
}

const SYMBOLS: Record<StepState, readonly [string, string]> = {
  running: ['…', 'running'],
  done: ['✓', 'done'],
  cached: ['↺', 'cached'],
  failed: ['✗', 'failed'],
  stopped: ['–', 'not finished']
};

/** A build. */
export function BuildView(props: IBuildViewProps): React.JSX.Element {
  const { summary, build, cancelling } = props;
  const runs = summary.state === 'running' || summary.state === 'waiting';
  return (
    <div className="jp-ContainersBuild" data-state={summary.state}>
      <div className="jp-ContainersBuild-head">
        <span className="jp-ContainersBuild-mark" aria-hidden="true" />
        <span className="jp-ContainersBuild-title" role="status">
          {headline(summary, build !== null, cancelling)}
        </span>
        {build && runs && (
          <>
            <span className="jp-ContainersBuild-time">
              {formatDuration(summary.seconds)}
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
      {build && runs && <Progress summary={summary} build={build} />}
      <Steps steps={summary.steps} total={summary.total} />
      <Log build={build} noLog={props.noLog} onLog={props.onLog} />
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
  return stripControls(describeSummary(summary));
}

function Progress(props: {
  summary: ISummary;
  build: IBuildState;
}): React.JSX.Element {
  const { summary, build } = props;
  const { steps, total } = summary;
  const finished = steps.filter(
    step => step.state === 'done' || step.state === 'cached'
  ).length;
  const running = [...steps].reverse().find(step => step.state === 'running');
  const label = total
    ? `Step ${String(running?.number ?? finished)} of ${String(total)}`
    : 'Getting ready';
  const transferred = transferTotals(build);
  const valueNow = total > 0 ? { 'aria-valuenow': finished } : {};
  return (
    <div className="jp-ContainersBuild-progress">
      <div
        className="jp-ContainersBuild-bar"
        role="progressbar"
        aria-label="Progress of the build"
        aria-valuemin={0}
        aria-valuemax={total || 1}
        aria-valuetext={label}
        {...valueNow}
      >
        <div
          className={
            total ? 'jp-ContainersBuild-done' : 'jp-ContainersBuild-unknown'
          }
          style={total ? { width: `${String((100 * finished) / total)}%` } : {}}
        />
      </div>
      <div
        className="jp-ContainersBuild-step"
        title={running ? stripControls(running.text) : ''}
      >
        <span className="jp-ContainersBuild-count">{label}</span>
        {running && <code>{stripControls(running.text)}</code>}
      </div>
      <div className="jp-ContainersBuild-line">
        {transferred.done > 0 && (
          <span className="jp-ContainersBuild-bytes">
            {formatBytes(transferred.done)}
            {transferred.total > 0
              ? ` of ${formatBytes(transferred.total)}`
              : ''}{' '}
            fetched
          </span>
        )}
        <span>{stripControls(build.current)}</span>
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
              aria-label={SYMBOLS[step.state][1]}
              title={SYMBOLS[step.state][1]}
            >
              {SYMBOLS[step.state][0]}
            </span>
            <span className="jp-ContainersBuild-number">{step.number}</span>
            <code>{stripControls(step.text)}</code>
            {step.seconds >= 1 && (
              <span className="jp-ContainersBuild-time">
                {formatDuration(step.seconds)}
              </span>
            )}
          </li>
        ))}
      </ol>
    </details>
  );
}

function Log(props: {
  build: IBuildState | null;
  noLog: string;
  onLog: () => void;
}): React.JSX.Element {
  const { build, noLog, onLog } = props;
  const [open, setOpen] = React.useState(false);
  return (
    <details
      className="jp-ContainersBuild-details"
      onToggle={event => {
        setOpen(event.currentTarget.open);
        if (event.currentTarget.open && !build) {
          onLog();
        }
      }}
    >
      <summary>Log</summary>
      {open && build && <Lines build={build} />}
      {open && !build && (
        <p className="jp-ContainersBuild-line">{noLog || 'Loading …'}</p>
      )}
    </details>
  );
}

/** The log, which stays scrolled to its end. */
function Lines(props: { build: IBuildState }): React.JSX.Element {
  const { log, dropped } = props.build;
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
      {stripControls(log.join('\n'))}
    </pre>
  );
}
