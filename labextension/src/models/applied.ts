/** The settings in effect in a running container, in words. Pure. */

import type { IEngine, IField, IKernel, Settings } from '../api/types';
import { formatBytes, shortImage, stripControls } from '../ui/format';
import { describeValue } from './form';

/** A field's value in effect in the running container; null if that is unknown. */
export function valueInEffect(
  field: IField,
  kernel: IKernel | null,
  engines: readonly IEngine[] = []
): string | null {
  if (kernel === null || (!kernel.applied && !kernel.running)) {
    return null;
  }
  const engine = engines.find(({ name }) => name === kernel.engine);
  return (
    measuredValue(field.key, kernel, engine) ??
    startedValue(field, kernel.running)
  );
}

/** A value that was read inside the container. */
function measuredValue(
  key: string,
  kernel: IKernel,
  engine: IEngine | undefined
): string | null {
  const { applied } = kernel;
  switch (key) {
    case 'image':
      return shortImage(kernel.image);
    case 'engine':
      return stripControls(kernel.engine);
    case 'memory':
      return (
        applied && (applied.memory ? formatBytes(applied.memory) : 'no limit')
      );
    case 'cpus':
      return applied && (applied.cpus ? String(applied.cpus) : 'no limit');
    case 'pids':
      return applied && (applied.pids ? String(applied.pids) : 'no limit');
    case 'user':
      return (
        applied && `uid ${String(applied.uid)}, gid ${String(applied.gid)}`
      );
    case 'network':
      return applied && describeNetworks(applied.network, engine);
    default:
      return null;
  }
}

/** Some engines do not isolate the network: a container uses this machine's, or has none. */
function describeNetworks(
  names: readonly string[],
  engine: IEngine | undefined
): string {
  const interfaces = names.filter(name => name !== 'lo');
  if (interfaces.length === 0) {
    return 'none';
  }
  return engine && !engine.features.includes('network-private')
    ? 'this machine’s network'
    : stripControls(`private (${interfaces.join(', ')})`);
}

/** A value that the container was started with. */
function startedValue(field: IField, running: Settings | null): string | null {
  return running && (describeValue(field, running[field.key]) || 'none');
}
