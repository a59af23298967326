import {
  MimeModel,
  RenderMimeRegistry,
  standardRendererFactories
} from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { beforeEach, describe, expect, it } from 'vitest';

import type { ILacking } from '../../src/api/types';
import { WIDGET_VIEW } from '../../src/outputs/classify';
import { guard } from '../../src/outputs/gate';
import { Needs } from '../../src/outputs/needs';

const PLOTLY = 'application/vnd.plotly.v1+json';

function lacking(extension: string, name: string | null = 'pack'): ILacking {
  const command = name && `python -m pip install ${name}==1.2`;
  return { extension, package: name, version: name && '1.2', command };
}

const MANAGER = lacking('@jupyter-widgets/jupyterlab-manager', 'manager');
let needs: Needs;
let asked: string[];
let isolated: boolean;
let rendermime: RenderMimeRegistry;

beforeEach(() => {
  asked = [];
  needs = new Needs(id => asked.push(id));
  isolated = false;
  rendermime = new RenderMimeRegistry({
    initialFactories: standardRendererFactories
  });
  guard(rendermime, {
    isIsolated: () => isolated,
    trust: () => undefined,
    needs
  });
});

async function draw(data: Record<string, object | string>) {
  const type = rendermime.preferredMimeType(data as never, 'any');
  if (type === undefined) {
    return null;
  }
  const renderer = rendermime.createRenderer(type);
  await renderer.renderModel(
    new MimeModel({ data: data as never, trusted: true })
  );
  return renderer.node;
}

/** What ipywidgets says when a cell makes a widget. */
function makeWidget(id: string, module: string): void {
  const content = {
    comm_id: id,
    target_name: 'jupyter.widget',
    data: { state: { _model_module: module } }
  };
  const header = { msg_type: 'comm_open' };
  needs.hear(null, { channel: 'iopub', content, header } as never);
}

describe('an output that JupyterLab has no renderer for', () => {
  it('says which package the server lacks, and the command', async () => {
    needs.update([lacking('other'), lacking('jupyterlab-plotly', 'plotly')]);
    const node = await draw({ [PLOTLY]: {}, 'text/plain': '<i>Figure</i>' });
    expect(node?.querySelector('pre')?.textContent).toBe('<i>Figure</i>');
    expect(node?.querySelector('p')?.textContent).toBe(
      'This output needs plotly 1.2 in the Jupyter server: ' +
        'python -m pip install plotly==1.2 Copy Then reload this page.'
    );
    expect((await draw({ [PLOTLY]: {} }))?.querySelector('pre')).toBeNull();
  });

  it('says whom to ask where somebody else runs the server', async () => {
    needs.update([
      { ...lacking('jupyterlab-plotly', 'plotly'), command: null }
    ]);
    const { textContent } = (await draw({ [PLOTLY]: {} }))!;
    expect(textContent).toBe(
      'This output needs plotly 1.2 in the Jupyter server. Ask who runs the server to install it.'
    );
    needs.update([lacking('@x/plotly-renderer', null)]);
    expect((await draw({ [PLOTLY]: {} }))?.textContent).toContain(
      'needs the JupyterLab extension @x/plotly-renderer in'
    );
  });

  it.each([
    ['application/vnd.bokehjs_exec.v0+json', '@bokeh/jupyter_bokeh'],
    ['application/vnd.holoviews_load.v0+json', '@pyviz/jupyterlab_pyviz'],
    ['application/geo+json', '@jupyterlab/geojson-extension'],
    [WIDGET_VIEW, MANAGER.extension]
  ])('of type %s needs %s', async (type, extension) => {
    needs.update([lacking(extension)]);
    expect((await draw({ [type]: '' }))?.textContent).toContain('needs pack');
  });

  it('is left to JupyterLab where nothing known would draw it', async () => {
    needs.update([MANAGER, lacking('jupyter-matplotlib')]);
    expect(await draw({ [PLOTLY]: {} })).toBeNull();
    expect(await draw({ 'application/vnd.jupyter.x+json': {} })).toBeNull();
    const node = await draw({ [PLOTLY]: {}, 'text/html': '<b>1</b>' });
    expect(node?.innerHTML).toBe('<b>1</b>');
  });

  it('is drawn in a frame by its HTML that loads a script', async () => {
    const html = '<script src="https://cdn"></script><script>1</script>';
    const figure = { [PLOTLY]: {}, 'text/html': html, 'text/plain': '1' };
    expect((await draw(figure))?.querySelector('script')).not.toBeNull();
    needs.update([lacking('jupyterlab-plotly')]);
    for (isolated of [false, true]) {
      const node = await draw(figure);
      expect(node?.querySelector('.jp-ContainersFrame')).not.toBeNull();
      expect(node?.querySelector('script, p')).toBeNull();
    }
    isolated = false;
    const other = { ...figure, 'text/html': '<script>1</script>' };
    expect((await draw(other))?.querySelector('script')).not.toBeNull();
  });

  it('is first of all isolated, where it is', async () => {
    isolated = true;
    needs.update([MANAGER]);
    const node = (await draw({ [WIDGET_VIEW]: {}, 'text/plain': 'W()' }))!;
    const lines = [...node.children].map(one => one.textContent);
    expect(lines).toEqual([
      expect.stringContaining('Widgets are not connected'),
      expect.stringContaining(
        'When trusted, it needs manager 1.2 in the Jupyter server: '
      ),
      'W()'
    ]);
  });
});

describe('a widget', () => {
  beforeEach(() => {
    rendermime.addFactory({
      safe: false,
      mimeTypes: [WIDGET_VIEW],
      createRenderer: () =>
        Object.assign(new Widget(), { renderModel: () => Promise.resolve() })
    });
    makeWidget('m', 'jupyter-matplotlib');
    makeWidget('c', '@jupyter-widgets/controls');
  });

  it("needs its own module's extension, and says so once", async () => {
    needs.update([lacking('jupyter-matplotlib', 'ipympl')]);
    const view = (id: string) => ({ [WIDGET_VIEW]: { model_id: id } });
    expect((await draw(view('m')))?.textContent).toContain('needs ipympl');
    expect((await draw(view('c')))?.textContent).toBe('');
    expect((await draw(view('unknown')))?.textContent).toBe('');
    const renderer = rendermime.createRenderer(WIDGET_VIEW);
    const model = new MimeModel({ data: view('m') });
    await renderer.renderModel(model);
    await renderer.renderModel(model);
    expect(renderer.node.querySelectorAll('p')).toHaveLength(1);
  });
});

it('tells when outputs that were drawn may be drawn otherwise', async () => {
  expect(needs.update([MANAGER])).toBe(false);
  await draw({ 'text/plain': '1' });
  expect(needs.update([])).toBe(false);
  await draw({ [PLOTLY]: {}, 'text/plain': '1' });
  expect(needs.update([MANAGER])).toBe(true);
  expect(needs.update([MANAGER])).toBe(false);
});

describe('a widget that was made before the page was loaded', () => {
  const view = (id: string) => ({ [WIDGET_VIEW]: { model_id: id } });
  const say = (id: string, data: object) =>
    needs.hear(null, {
      channel: 'iopub',
      content: { comm_id: id, data },
      header: { msg_type: 'comm_msg' }
    } as never);

  it('is asked for its module once, and then says what it needs', () => {
    let learned = 0;
    needs.learned.connect(() => (learned += 1));
    expect(needs.find(WIDGET_VIEW, view('a'))).toBeNull();
    expect(asked).toEqual([]); // nothing is lacking
    needs.update([lacking('jupyter-matplotlib', 'ipympl')]);
    needs.find(WIDGET_VIEW, view('a'));
    needs.find(WIDGET_VIEW, view('a'));
    needs.find(WIDGET_VIEW, view('b'));
    expect(asked).toEqual(['a', 'b']);
    say('a', { method: 'update', state: { value: 1 } });
    say('b', { method: 'update', state: { _model_module: 'there' } });
    expect(learned).toBe(0);
    const state = { _model_module: 'jupyter-matplotlib' };
    say('a', { method: 'update', state });
    say('a', { method: 'update', state });
    expect(learned).toBe(1);
    expect(needs.find(WIDGET_VIEW, view('a'))?.package).toBe('ipympl');
    expect(needs.find(WIDGET_VIEW, view('b'))).toBeNull();
  });
});

describe('a script with a type of its library', () => {
  const SHOW = {
    'application/javascript': 'show()',
    'application/vnd.bokehjs_exec.v0+json': ''
  };

  const withFactory = (mimeType: string) =>
    rendermime.addFactory({
      safe: false,
      mimeTypes: [mimeType],
      createRenderer: () => new Widget() as never
    });

  it('is no output of its own while it is isolated', async () => {
    isolated = true;
    withFactory('application/javascript');
    needs.update([lacking('@bokeh/jupyter_bokeh', 'jupyter_bokeh')]);
    const node = await draw(SHOW);
    expect(node?.textContent).toContain(
      'When trusted, it needs jupyter_bokeh 1.2 in the Jupyter server'
    );
    needs.update([]);
    expect((await draw(SHOW))?.textContent).toBe('');
  });

  it('is withheld where the server has what draws it', async () => {
    isolated = true;
    withFactory('application/javascript');
    withFactory('application/vnd.bokehjs_exec.v0+json');
    const node = await draw(SHOW);
    expect(node?.textContent).toContain(
      'application/vnd.bokehjs_exec.v0+json is not drawn'
    );
  });
});
