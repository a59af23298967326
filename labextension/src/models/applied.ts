/** The settings in effect in a running container, in words. Pure. */

import type { IEngine, IField, IKernel, Settings } from '../api/types';
import { trans } from '../trans';
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

const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i;

/** A size in bytes, as a person or `formatBytes` writes it; null if it is none. */
function bytesOf(text: string): number | null {
  const [, count, unit = ''] = SIZE.exec(text) ?? [];
  return count === undefined
    ? null
    : Number(count) * 1024 ** ' kmgtp'.indexOf(unit.toLowerCase() || ' ');
}

/** What is in effect of a field, in words; null where that is what the field says, or unknown. */
export function differenceInEffect(
  field: IField,
  asked: unknown,
  kernel: IKernel | null,
  engines: readonly IEngine[] = []
): string | null {
  const effect = valueInEffect(field, kernel, engines);
  const said = describeValue(field, asked);
  if (effect === null || effect === said) {
    return null;
  }
  if (asked === undefined && saysNothing(effect)) {
    return null;
  }
  const isSame =
    (field.kind === 'size' && bytesOf(effect) === bytesOf(said)) ||
    (field.key === 'network' && effect.startsWith(`${said} (`)) ||
    (field.key === 'user' && said === 'root' && effect.startsWith('uid 0,'));
  return isSame ? null : effect;
}

/** Whether that is in effect where the field asks for nothing: as it says, so it is no news. */
function saysNothing(effect: string): boolean {
  return [trans.__('none'), trans.__('no'), trans.__('no limit')].includes(
    effect
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
        applied &&
        (applied.memory ? formatBytes(applied.memory) : trans.__('no limit'))
      );
    case 'cpus':
      return (
        applied && (applied.cpus ? String(applied.cpus) : trans.__('no limit'))
      );
    case 'pids':
      return (
        applied && (applied.pids ? String(applied.pids) : trans.__('no limit'))
      );
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
    return trans.__('none');
  }
  return engine && !engine.features.includes('network-private')
    ? trans.__('this machine’s network')
    : stripControls(`private (${interfaces.join(', ')})`);
}

/** A value that the container was started with. */
function startedValue(field: IField, running: Settings | null): string | null {
  return (
    running && (describeValue(field, running[field.key]) || trans.__('none'))
  );
}
