/** What really applies of each setting in the container that runs. Pure. */

import { inWords } from './form';
import { bytes, plain, shortImage } from '../ui/format';
import type { IEngine, IField, IKernel, Settings } from '../api/types';

/** What really applies of a field in the running container; null where that is not known. */
export function applied(
  field: IField,
  kernel: IKernel | null,
  engines: readonly IEngine[] = []
): string | null {
  if (kernel === null || (!kernel.applied && !kernel.running)) {
    return null;
  }
  const engine = engines.find(one => one.name === kernel.engine);
  return measured(field.key, kernel, engine) ?? started(field, kernel.running);
}

/** What was read back from inside. */
function measured(
  key: string,
  kernel: IKernel,
  engine: IEngine | undefined
): string | null {
  const { applied } = kernel;
  switch (key) {
    case 'image':
      return shortImage(kernel.image);
    case 'engine':
      return plain(kernel.engine);
    case 'memory':
      return applied && (applied.memory ? bytes(applied.memory) : 'no limit');
    case 'cpus':
      return applied && (applied.cpus ? String(applied.cpus) : 'no limit');
    case 'pids':
      return applied && (applied.pids ? String(applied.pids) : 'no limit');
    case 'user':
      return (
        applied && `uid ${String(applied.uid)}, gid ${String(applied.gid)}`
      );
    case 'network':
      return applied && networks(applied.network, engine);
    default:
      return null;
  }
}

/** Some engines give a container no network of its own: theirs is this machine's, or none. */
function networks(
  names: readonly string[],
  engine: IEngine | undefined
): string {
  const outside = names.filter(name => name !== 'lo');
  if (outside.length === 0) {
    return 'none';
  }
  return engine && !engine.features.includes('network-private')
    ? 'this machine’s network'
    : plain(`private (${outside.join(', ')})`);
}

/** What the container was started with. */
function started(field: IField, running: Settings | null): string | null {
  return running && (inWords(field, running[field.key]) || 'none');
}
