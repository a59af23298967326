/** Renders a build, running or saved. */

import * as React from 'react';

import { trans } from '../trans';
import { formatBytes, formatDuration, stripControls } from '../ui/format';
import { type IBuildState, type StepState, transferTotals } from './buildstate';
import type { IStepSummary, ISummary } from './summary';
import { describeSummary, isRunning } from './summary';

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

const SYMBOLS: Record<StepState, string> = {
  running: '…',
  done: '✓',
  cached: '↺',
  failed: '✗',
  stopped: '–'
};

function wordOf(state: StepState): string {
  return {
    running: trans.__('running'),
    done: trans.__('done'),
    cached: trans.__('cached'),
    failed: trans.__('failed'),
    stopped: trans.__('not finished')
  }[state];
}

/** A build. */
export function BuildView(props: IBuildViewProps): React.JSX.Element {
  const { summary, build, cancelling } = props;
  const runs = isRunning(summary);
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
              title={trans.__('Stop this build')}
            >
              {trans.__('Cancel')}
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
  const runs = isRunning(summary);
  if (runs && cancelling) {
    return trans.__('Cancelling the build …');
  }
  if (runs && !followed) {
    return trans.__(
      'This build was running when the notebook was saved. Run the cell again to build.'
    );
  }
  if (summary.state === 'waiting') {
    return trans.__('Waiting for another build to end …');
  }
  // Anything may stand in an output: only what this page follows is from the server.
  const text = stripControls(describeSummary(summary));
  return followed ? text : trans.__('Saved in this notebook: %1', text);
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
    ? trans.__(
        'Step %1 of %2',
        String(running?.number ?? finished),
        String(total)
      )
    : trans.__('Getting ready');
  const valueNow = total > 0 ? { 'aria-valuenow': finished } : {};
  return (
    <div className="jp-ContainersBuild-progress">
      <div
        className="jp-ContainersBuild-bar"
        role="progressbar"
        aria-label={trans.__('Progress of the build')}
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
        <Transferred build={build} />
        <span>{stripControls(build.current)}</span>
      </div>
    </div>
  );
}

function Transferred(props: { build: IBuildState }): React.JSX.Element | null {
  const { done, total } = transferTotals(props.build);
  const fetched = formatBytes(done);
  return done > 0 ? (
    <span className="jp-ContainersBuild-bytes">
      {total > 0
        ? trans.__('%1 of %2 fetched', fetched, formatBytes(total))
        : trans.__('%1 fetched', fetched)}
    </span>
  ) : null;
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
        {total > steps.length
          ? trans._n('%1 step of %2', '%1 steps of %2', steps.length, total)
          : trans._n('%1 step', '%1 steps', steps.length)}
      </summary>
      <ol className="jp-ContainersBuild-steps">
        {steps.map(step => (
          <li key={step.number} data-state={step.state}>
            <span
              className="jp-ContainersBuild-state"
              role="img"
              aria-label={wordOf(step.state)}
              title={wordOf(step.state)}
            >
              {SYMBOLS[step.state]}
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
      <summary>{trans.__('Log')}</summary>
      {open && build && <Lines build={build} />}
      {open && !build && (
        <p className="jp-ContainersBuild-line">
          {noLog || trans.__('Loading …')}
        </p>
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
      aria-label={trans.__('Log of the build')}
      onScroll={event => {
        const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
        atEnd.current = scrollHeight - scrollTop - clientHeight < 30;
      }}
    >
      {dropped > 0 &&
        trans.__('(%1 earlier lines are not shown)\n', String(dropped))}
      {stripControls(log.join('\n'))}
    </pre>
  );
}
