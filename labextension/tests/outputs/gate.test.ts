import {
  MimeModel,
  RenderMimeRegistry,
  standardRendererFactories
} from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { beforeEach, describe, expect, it } from 'vitest';

import { guard } from '../../src/outputs/gate';

const OTHER = 'application/vnd.other+json';
const HTML = '<p title="t">text</p><b onclick="1">b</b>';
const COMMAND = '<button data-commandlinker-command="x">b</button>';
let isolated: boolean;
let rendermime: RenderMimeRegistry;

beforeEach(() => {
  URL.createObjectURL = () => 'blob:made';
  URL.revokeObjectURL = () => undefined;
  isolated = true;
  rendermime = new RenderMimeRegistry({
    initialFactories: standardRendererFactories
  });
  guard(rendermime, { isIsolated: () => isolated, trust: () => undefined });
});

/** What a trusted output becomes, as the debugger and cells draw it. */
async function draw(
  data: Record<string, string>,
  registry = rendermime,
  metadata = {}
): Promise<HTMLElement> {
  const type = registry.preferredMimeType(data, 'any')!;
  const renderer = registry.createRenderer(type);
  await renderer.renderModel(new MimeModel({ data, metadata, trusted: true }));
  return renderer.node;
}

function addOther(registry: RenderMimeRegistry): void {
  registry.addFactory({
    safe: true,
    mimeTypes: [OTHER],
    defaultRank: 0,
    createRenderer: () =>
      Object.assign(new Widget(), {
        renderModel: () => Promise.reject(new Error('drawn'))
      })
  });
}

describe('an isolated output', () => {
  it('is not taken for trusted', async () => {
    const plain = '<p title="t">text</p>';
    expect((await draw({ 'text/html': plain })).innerHTML).toBe(plain);
    const { innerHTML } = await draw({ 'text/markdown': HTML + COMMAND });
    expect(innerHTML).toContain('<b>b</b>');
    expect(innerHTML).toContain('<button>b</button>');
  });

  it('is an image where it is SVG', async () => {
    const node = await draw({ 'image/svg+xml': '<svg onload="1"></svg>' });
    expect([...node.children].map(one => one.tagName)).toEqual(['IMG']);
  });

  it('has a place for a frame, and no script in the page', async () => {
    for (const type of ['text/html', 'application/javascript']) {
      const node = await draw({ [type]: '<script>1</script>' });
      expect(node.querySelector('.jp-ContainersFrame')).not.toBeNull();
      expect(node.querySelector('script')).toBeNull();
    }
  });

  it("is only a sandboxed frame where JupyterLab copies it into one of the page's", async () => {
    for (const type of ['text/html', 'text/markdown', 'text/plain']) {
      const node = await draw({ [type]: HTML }, rendermime, { isolated: true });
      const [frame, ...others] = node.children;
      expect(others).toEqual([]);
      expect(frame?.getAttribute('sandbox')).toBe('allow-scripts');
    }
  });

  it('is named where it is of a type of others, also one that is added later', async () => {
    addOther(rendermime);
    const node = await draw({ [OTHER]: '<b>1</b>', 'text/plain': '<i>2</i>' });
    expect(node.textContent).toContain(`${OTHER} is not drawn`);
    expect(node.querySelector('button')).not.toBeNull();
    expect(node.querySelector('pre')?.textContent).toBe('<i>2</i>');
  });

  it('stays so in a clone', async () => {
    const clone = rendermime.clone().clone();
    const { innerHTML } = await draw({ 'text/markdown': COMMAND }, clone);
    expect(innerHTML).toContain('<button>b</button>');
  });

  it('is drawn by JupyterLab when it is trusted', async () => {
    addOther(rendermime);
    isolated = false;
    await expect(draw({ [OTHER]: '1' })).rejects.toThrow('drawn');
    const { innerHTML } = await draw({ 'text/html': HTML });
    expect(innerHTML).toBe(HTML);
  });
});

it('gives a registry its last policy', () => {
  guard(rendermime, { isIsolated: () => false, trust: null });
  expect(rendermime.preferredMimeType({ 'image/svg+xml': '' }, 'ensure')).toBe(
    undefined
  );
});

it("leaves others' types alone where others draw by the registry too", async () => {
  const shared = { isIsolated: () => true, allowOthers: true, trust: null };
  guard(rendermime, shared);
  addOther(rendermime);
  await expect(draw({ [OTHER]: '1' })).rejects.toThrow('drawn');
  const { innerHTML } = await draw({ 'text/html': HTML });
  expect(innerHTML).not.toContain('onclick');
});
