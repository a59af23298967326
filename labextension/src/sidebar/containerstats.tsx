/** The current use of a container, and its log. */

import React from 'react';

import type { IKernel, IStats } from '../api/types';
import type { ContainerStats } from '../models/stats';
import { trans } from '../trans';
import { formatBytes, percent, stripControls } from '../ui/format';
import { Meter, Problem, useModels } from './components';

function Meters(props: {
  readonly kernel: IKernel;
  readonly stats: IStats;
}): React.JSX.Element {
  const { kernel, stats } = props;
  const cpus = kernel.applied?.cpus ?? null;
  const limit = stats.memory_limit;
  const maxPids = kernel.applied?.pids ?? null;
  const cpu = Math.round(stats.cpu_percent);
  return (
    <div role="group" aria-label={trans.__('Used now')}>
      <Meter
        label={trans.__('CPU')}
        text={
          cpus
            ? trans.__('%1 %% of %2 %%', String(cpu), String(cpus * 100))
            : trans.__('%1 %% of one CPU', String(cpu))
        }
        percent={cpus ? percent(cpu, cpus * 100) : null}
      />
      <Meter
        label={trans.__('Memory')}
        scarce
        text={
          limit
            ? trans.__(
                '%1 of %2',
                formatBytes(stats.memory_bytes),
                formatBytes(limit)
              )
            : formatBytes(stats.memory_bytes)
        }
        percent={limit ? percent(stats.memory_bytes, limit) : null}
      />
      {stats.pids !== null && (
        <Meter
          label={trans.__('Processes')}
          scarce
          text={
            maxPids
              ? trans.__('%1 of %2', String(stats.pids), String(maxPids))
              : String(stats.pids)
          }
          percent={maxPids ? percent(stats.pids, maxPids) : null}
        />
      )}
    </div>
  );
}

/** The current use of a container, and its log if it is open. */
export function ContainerStatsView(props: {
  readonly stats: ContainerStats;
  readonly kernel: IKernel;
}): React.JSX.Element {
  const { kernel, stats } = props;
  useModels(stats);
  return (
    <>
      <Problem problem={stats.error} />
      {stats.latest && <Meters kernel={kernel} stats={stats.latest} />}
      {stats.showLogs && (
        <pre
          className="jp-Containers-log"
          tabIndex={0}
          role="region"
          aria-label={trans.__('Log of the container')}
        >
          {stats.logs === null
            ? trans.__('Reading…')
            : stripControls(stats.logs) ||
              trans.__('The container has printed nothing.')}
        </pre>
      )}
    </>
  );
}
