/** What an output needs and the Jupyter server lacks, and the line that says so. */

import { Clipboard } from '@jupyterlab/apputils';
import { RenderedCommon, type IRenderMime } from '@jupyterlab/rendermime';
import { KernelMessage } from '@jupyterlab/services';
import { type ITranslator, nullTranslator } from '@jupyterlab/translation';
import { type ISignal, Signal } from '@lumino/signaling';

import type { ILacking } from '../api/types';
import { WIDGET_VIEW } from './classify';
import { htmlDocument, LazyFrame } from './frame';

/** Draws all widgets, each with the code of its own module's extension. */
const WIDGET_MANAGER = '@jupyter-widgets/jupyterlab-manager';

/** A script that is loaded. JupyterLab runs those after it that are in the text before it is there. */
const LOADED_SCRIPT = /<script\b[^>]*\bsrc=/i;

/** Words of MIME types that the names of their extensions do not have. */
const OTHER_WORDS: ReadonlyMap<string, string> = new Map([
  ['bokehjs', 'bokeh'],
  ['holoviews', 'pyviz']
]);

/** What the outputs of one notebook need. */
export class Needs {
  /** `askKernel` asks for the state of a widget that was made before anybody listened. */
  constructor(private readonly askKernel: (model: string) => void) {}

  /** Emitted when it has become known that a widget which was asked for lacks something. */
  get learned(): ISignal<this, void> {
    return this._learned;
  }

  /** Take what the server lacks; whether an output that was asked for may be drawn otherwise. */
  update(lacking: readonly ILacking[]): boolean {
    const names = (list: readonly ILacking[]) =>
      list.map(({ extension }) => extension).join('\n');
    const isChanged = names(lacking) !== names(this.lacking);
    this.lacking = lacking;
    return isChanged && this.isAsked;
  }

  /** Note which module a widget is of. */
  readonly hear = (_: unknown, message: KernelMessage.IMessage): void => {
    if (
      KernelMessage.isCommOpenMsg(message) ||
      KernelMessage.isCommMsgMsg(message)
    ) {
      const { comm_id: id, data } = message.content;
      const { state } = data as { state?: { _model_module?: unknown } };
      const module = state?._model_module;
      if (typeof module === 'string' && !this.modules.has(id)) {
        this.modules.set(id, module);
        if (this.asked.has(id) && this.lacks(module)) {
          this._learned.emit();
        }
      }
    }
  };

  /**
   * The type of a bundle that `hasRenderer` denies and that something lacking would draw: in place
   * of text, and of HTML that the page cannot draw.
   */
  undrawn(
    bundle: Readonly<Record<string, unknown>>,
    best: string | undefined,
    hasRenderer: (mimeType: string) => boolean
  ): string | undefined {
    const isNothing = best === undefined || best === 'text/plain';
    if (!isNothing && !(best === 'text/html' && loadsScripts(bundle))) {
      return undefined;
    }
    const types = Object.keys(bundle).filter(type => !hasRenderer(type));
    this.isAsked ||= types.length > 0;
    return types.find(type => this.find(type, bundle));
  }

  /** What would draw this type of a bundle; null where nothing that is known does. */
  find(
    mimeType: string,
    bundle: Readonly<Record<string, unknown>>
  ): ILacking | null {
    if (mimeType === WIDGET_VIEW) {
      this.isAsked = true;
      const { model_id: id } = (bundle[WIDGET_VIEW] ?? {}) as {
        model_id?: string;
      };
      return this.lacks(WIDGET_MANAGER) ?? (id ? this.findWidget(id) : null);
    }
    const named = /^application\/(?:vnd\.)?([a-z0-9]{3,})/.exec(mimeType)?.[1];
    const word = OTHER_WORDS.get(named ?? '') ?? named;
    return word && word !== 'jupyter'
      ? (this.lacking.find(({ extension }) => extension.includes(word)) ?? null)
      : null;
  }

  private findWidget(id: string): ILacking | null {
    const module = this.modules.get(id);
    if (module === undefined) {
      if (this.lacking.length > 0 && !this.asked.has(id)) {
        this.asked.add(id);
        this.askKernel(id);
      }
      return null;
    }
    return this.lacks(module);
  }

  private lacks(extension: string): ILacking | null {
    return this.lacking.find(one => one.extension === extension) ?? null;
  }

  private lacking: readonly ILacking[] = [];
  private isAsked = false;
  private readonly asked = new Set<string>();
  private readonly modules = new Map<string, string>();
  private readonly _learned = new Signal<this, void>(this);
}

/** The line below an output; `isolated` where it is also not drawn because of that. */
export function describeNeed(
  needed: ILacking,
  translator: ITranslator | undefined,
  isolated = false
): HTMLElement {
  const trans = (translator ?? nullTranslator).load('jupyter_containers');
  const { command, version } = needed;
  const what = needed.package
    ? [needed.package, version].filter(Boolean).join(' ')
    : trans.__('the JupyterLab extension %1', needed.extension);
  const line = document.createElement('p');
  line.className = 'jp-ContainersNeed';
  const needs = isolated
    ? trans.__('When trusted, it needs %1 in the Jupyter server', what)
    : trans.__('This output needs %1 in the Jupyter server', what);
  if (!command) {
    const ask = trans.__('Ask who runs the server to install it.');
    line.textContent = needed.package ? `${needs}. ${ask}` : `${needs}.`;
    return line;
  }
  const code = document.createElement('code');
  code.textContent = command;
  const copy = document.createElement('button');
  copy.type = 'button';
  copy.className = 'jp-Button jp-ContainersWithheld-trust';
  copy.textContent = trans.__('Copy');
  copy.title = trans.__('Copy the command');
  copy.addEventListener('click', () => Clipboard.copyToSystem(command));
  const then = trans.__('Then reload this page.');
  line.append(`${needs}: `, code, ' ', copy, ` ${then}`);
  return line;
}

/** Let a renderer say below an output what that needs. */
export function sayNeeds(
  renderer: IRenderMime.IRenderer,
  mimeType: string,
  needs: Needs,
  translator: ITranslator | undefined
): IRenderMime.IRenderer {
  const draw = renderer.renderModel.bind(renderer);
  // With `then`: after an `await`, errors of that renderer would name this one as well.
  renderer.renderModel = model =>
    draw(model).then(() => {
      renderer.node.querySelector(':scope > .jp-ContainersNeed')?.remove();
      const needed = needs.find(mimeType, model.data);
      if (needed && !loadsScripts(model.data)) {
        renderer.node.append(describeNeed(needed, translator));
      }
    });
  return renderer;
}

/** An output that nothing draws: its text, or in a frame its HTML that loads scripts. */
export class Undrawn extends RenderedCommon {
  override render({ data }: IRenderMime.IMimeModel): Promise<void> {
    if (loadsScripts(data)) {
      this.frame ??= new LazyFrame();
      this.frame.show(textOf(data['text/html']), htmlDocument);
      this.node.replaceChildren(this.frame.node);
      return Promise.resolve();
    }
    this.addClass('jp-ContainersWithheld');
    const text = document.createElement('pre');
    text.textContent = textOf(data['text/plain']);
    this.node.replaceChildren(...(text.textContent ? [text] : []));
    return Promise.resolve();
  }

  override dispose(): void {
    this.frame?.dispose();
    super.dispose();
  }

  private frame: LazyFrame | null = null;
}

function loadsScripts(bundle: Readonly<Record<string, unknown>>): boolean {
  return LOADED_SCRIPT.test(textOf(bundle['text/html']));
}

function textOf(value: unknown): string {
  return Array.isArray(value)
    ? value.join('')
    : typeof value === 'string'
      ? value
      : '';
}
