/** The section "Devices": GPUs, their load, and the kernels that use them. */

import React from 'react';

import type { IDevice } from '../api/types';
import type { ContainersModel } from '../models/model';
import { trans } from '../trans';
import { formatBytes, percent, stripControls } from '../ui/format';
import { Loading, Meter, Problem, useModels } from './components';
import type { ISectionProps } from './section';

/** The notebook of a kernel, or the kernel's id if it is unknown. */
function userOf(model: ContainersModel, kernel: string): string {
  const found = model.containers.data?.find(
    container => container.kernel_id === kernel
  );
  return stripControls(found?.notebook ?? kernel);
}

function Device(props: {
  readonly device: IDevice;
  readonly model: ContainersModel;
}): React.JSX.Element {
  const { device, model } = props;
  const { memory_total: total, memory_used: used, load_percent: load } = device;
  return (
    <li className="jp-Containers-card">
      <h3>{stripControls(device.name)}</h3>
      {device.kind && (
        <p className="jp-Containers-quiet">{stripControls(device.kind)}</p>
      )}
      {total !== null && (
        <Meter
          label={trans.__('Memory')}
          scarce
          text={
            used === null
              ? formatBytes(total)
              : trans.__('%1 of %2', formatBytes(used), formatBytes(total))
          }
          percent={used === null ? null : percent(used, total)}
        />
      )}
      {load !== null && (
        <Meter
          label={trans.__('Load')}
          text={`${String(Math.round(load))} %`}
          percent={percent(load, 100)}
        />
      )}
      {device.kernels.length > 0 ? (
        <>
          <p>{trans.__('Used by')}</p>
          <ul className="jp-Containers-plainList">
            {device.kernels.map(kernel => (
              <li key={kernel}>{userOf(model, kernel)}</li>
            ))}
          </ul>
        </>
      ) : (
        <p className="jp-Containers-quiet">{trans.__('No kernel uses it.')}</p>
      )}
    </li>
  );
}

/** The section's body. */
export function DevicesSection(props: ISectionProps): React.JSX.Element {
  const { model } = props;
  const { devices } = model;
  useModels(devices, model.containers);
  const { data } = devices;
  return (
    <>
      <Problem problem={devices.error} />
      {!data && devices.loading && (
        <Loading text={trans.__('Looking for devices…')} />
      )}
      {data?.devices.length === 0 && (
        <>
          <p>{trans.__('No GPU was found. Looked for:')}</p>
          <ul>
            {data.looked.map((what, index) => (
              <li key={index}>{stripControls(what)}</li>
            ))}
          </ul>
        </>
      )}
      {data && data.devices.length > 0 && (
        <ul className="jp-Containers-cards">
          {data.devices.map(device => (
            <Device key={device.name} device={device} model={model} />
          ))}
        </ul>
      )}
    </>
  );
}
