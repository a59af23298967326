import type { ConsolePanel } from '@jupyterlab/console';
import {
  MimeModel,
  RenderMimeRegistry,
  standardRendererFactories
} from '@jupyterlab/rendermime';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { beforeEach, describe, expect, it } from 'vitest';

import { guard } from '../../src/outputs/gate';
import { OutputGates } from '../../src/outputs/panels';

const SPECS = {
  container: {
    metadata: {
      kernel_provisioner: { provisioner_name: 'container-provisioner' }
    }
  },
  python3: { metadata: {} }
};
const HTML = '<p>text</p><script>1</script>';
let gates: OutputGates;
let shared: RenderMimeRegistry;

beforeEach(() => {
  // A session that JupyterLab does not list yet.
  const services = {
    kernelspecs: { specs: { default: 'python3', kernelspecs: SPECS } },
    sessions: { running: () => [][Symbol.iterator]() }
  };
  gates = new OutputGates(null as never, null as never, services as never);
  shared = new RenderMimeRegistry({
    initialFactories: standardRendererFactories
  });
  guard(shared, gates.shared, gates.cloned);
});

/** A code console that is connected to this kernel. */
function connect(name: string | null): RenderMimeRegistry {
  const rendermime = shared.clone();
  const kernel = name && ({ id: 'k', name } as Kernel.IKernelConnection);
  const panel = {
    console: { rendermime },
    sessionContext: { session: kernel && { kernel } }
  };
  const disposed = new Signal<unknown, void>(panel);
  gates.guardConsole({ ...panel, disposed } as unknown as ConsolePanel);
  return rendermime;
}

/** Whether HTML with a script is in a frame, and not in the page. */
async function isolates(registry: RenderMimeRegistry): Promise<boolean> {
  const renderer = registry.createRenderer('text/html');
  const data = { 'text/html': HTML };
  await renderer.renderModel(new MimeModel({ data, trusted: true }));
  return renderer.node.querySelector('.jp-ContainersFrame') !== null;
}

describe('a code console whose session is not listed yet', () => {
  it('is isolated where its kernel is in a container', async () => {
    expect(await isolates(connect('container'))).toBe(true);
    // Tooltips and the inspector draw with the application's own registry.
    expect(await isolates(shared)).toBe(true);
  });

  it('is isolated as long as it has no kernel', async () => {
    expect(await isolates(connect(null))).toBe(true);
  });

  it('is drawn as ever where its kernel is on the host', async () => {
    expect(await isolates(connect('python3'))).toBe(false);
    expect(await isolates(shared)).toBe(false);
  });
});
