import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { describe, expect, it } from 'vitest';

import { guardComms } from '../../src/outputs/comms';

/** A kernel connection, as far as it handles comms. */
class FakeConnection {
  readonly disposed = new Signal<this, void>(this);
  readonly targets = new Map<string, unknown>();

  constructor(
    readonly model: Kernel.IModel,
    readonly handleComms: boolean
  ) {}

  registerCommTarget(name: string, callback: unknown): void {
    if (this.handleComms) {
      this.targets.set(name, callback);
    }
  }

  removeCommTarget(name: string): void {
    if (this.handleComms) {
      this.targets.delete(name);
    }
  }
}

function connect(mayConnect: () => boolean) {
  const made: FakeConnection[] = [];
  const kernels = {
    connectTo: ({
      model,
      handleComms = true
    }: Kernel.IKernelConnection.IOptions) => {
      made.push(new FakeConnection(model, handleComms));
      return made.at(-1) as unknown as Kernel.IKernelConnection;
    }
  };
  guardComms(kernels, mayConnect);
  const connectTo = (id: string, handleComms?: boolean) => {
    const model = { id, name: 'container' };
    const options =
      handleComms === undefined ? { model } : { model, handleComms };
    kernels.connectTo(options);
    return made.at(-1)!;
  };
  return connectTo;
}

describe('the connection to a kernel', () => {
  it('handles comms while it may, with the targets of before', () => {
    let may = false;
    const connection = connect(() => may)('k');
    expect(connection.handleComms).toBe(false);
    connection.registerCommTarget('jupyter.widget', () => undefined);
    connection.registerCommTarget('gone', () => undefined);
    connection.removeCommTarget('gone');
    expect(connection.handleComms).toBe(false);
    may = true;
    expect(connection.handleComms).toBe(true);
    expect([...connection.targets.keys()]).toEqual(['jupyter.widget']);
  });

  it('handles them for one kernel once, as in JupyterLab', () => {
    const connectTo = connect(() => true);
    const first = connectTo('k');
    expect(connectTo('k').handleComms).toBe(false);
    expect(connectTo('other').handleComms).toBe(true);
    expect(connectTo('third', false).handleComms).toBe(false);
    first.disposed.emit();
    expect(connectTo('k').handleComms).toBe(true);
  });
});
