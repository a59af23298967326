/** What the notebook's container uses now, and its log. */

import React from 'react';

import { bytes, percent, plain } from '../ui/format';
import type { Live } from '../models/stats';
import type { IKernel, IStats } from '../api/types';
import { Meter, Problem, useModels } from './components';

function Stats(props: {
  readonly kernel: IKernel;
  readonly stats: IStats;
}): React.JSX.Element {
  const { kernel, stats } = props;
  const cpus = kernel.applied?.cpus ?? null;
  const limit = stats.memory_limit;
  const most = kernel.applied?.pids ?? null;
  const cpu = Math.round(stats.cpu_percent);
  return (
    <div role="group" aria-label="Used now">
      <Meter
        label="CPU"
        text={
          cpus
            ? `${String(cpu)} % of ${String(cpus * 100)} %`
            : `${String(cpu)} % of one CPU`
        }
        percent={cpus ? percent(cpu, cpus * 100) : null}
      />
      <Meter
        label="Memory"
        scarce
        text={
          limit
            ? `${bytes(stats.memory_bytes)} of ${bytes(limit)}`
            : bytes(stats.memory_bytes)
        }
        percent={limit ? percent(stats.memory_bytes, limit) : null}
      />
      {stats.pids !== null && (
        <Meter
          label="Processes"
          scarce
          text={
            most
              ? `${String(stats.pids)} of ${String(most)}`
              : String(stats.pids)
          }
          percent={most ? percent(stats.pids, most) : null}
        />
      )}
    </div>
  );
}

/** Figures that are asked for again and again. */
export function Figures(props: {
  readonly live: Live;
  readonly kernel: IKernel;
}): React.JSX.Element {
  const { kernel, live } = props;
  useModels(live);
  return (
    <>
      <Problem problem={live.error} />
      {live.stats && <Stats kernel={kernel} stats={live.stats} />}
      {live.showsLogs && (
        <pre
          className="jp-Containers-log"
          tabIndex={0}
          role="region"
          aria-label="Log of the container"
        >
          {live.logs === null
            ? 'Reading…'
            : plain(live.logs) || 'The container has printed nothing.'}
        </pre>
      )}
    </>
  );
}
