/** The renderers of isolated outputs. */

import {
  RenderedCommon,
  RenderedHTML,
  type IRenderMime
} from '@jupyterlab/rendermime';

import { trans } from '../trans';
import {
  isMarkedIsolated,
  needsFrame,
  WIDGET_VIEW,
  withoutCommands
} from './classify';
import {
  createFrame,
  htmlDocument,
  LazyFrame,
  scriptDocument,
  textDocument
} from './frame';
import { describeNeed, type Needs } from './needs';

/** The class of all that is drawn isolated, which keeps it in its place. */
const ISOLATED_CLASS = 'jp-ContainersIsolated';

/** A sanitizer that also removes the commands of buttons while `active`. */
export function strictSanitizer(
  plain: IRenderMime.ISanitizer,
  active: () => boolean
): IRenderMime.ISanitizer {
  return Object.create(plain, {
    sanitize: {
      value: (
        dirty: string,
        options?: IRenderMime.ISanitizerOptions
      ): string => {
        const clean = plain.sanitize(dirty, options);
        return active() ? withoutCommands(clean) : clean;
      }
    }
  }) as IRenderMime.ISanitizer;
}

/** Let one of JupyterLab's renderers take all for data that is not trusted, while `active`. */
export function distrust(
  renderer: IRenderMime.IRenderer,
  mimeType: string,
  active: () => boolean
): IRenderMime.IRenderer {
  const draw = renderer.renderModel.bind(renderer);
  renderer.renderModel = model => {
    const isActive = active();
    renderer.toggleClass(ISOLATED_CLASS, isActive);
    if (isActive && isCopied(mimeType, model)) {
      return drawCopied(renderer, textDocument(sourceOf(mimeType, model)));
    }
    return draw(isActive ? untrusted(model) : model);
  };
  return renderer;
}

function untrusted(model: IRenderMime.IMimeModel): IRenderMime.IMimeModel {
  const { data, metadata } = model;
  return { trusted: false, data, metadata, setData: model.setData.bind(model) };
}

function sourceOf(mimeType: string, model: IRenderMime.IMimeModel): string {
  const source = model.data[mimeType];
  return typeof source === 'object' && !Array.isArray(source)
    ? JSON.stringify(source)
    : Array.isArray(source)
      ? source.join('')
      : String(source);
}

/**
 * Whether JupyterLab copies the renderer's HTML into a frame of the page's own origin, where it
 * would be parsed anew. Images are as harmless there.
 */
function isCopied(mimeType: string, model: IRenderMime.IMimeModel): boolean {
  return (
    isMarkedIsolated(mimeType, model.metadata) &&
    (!mimeType.startsWith('image/') || mimeType === 'image/svg+xml')
  );
}

/** Leave nothing to be copied but a frame, of a fixed height since nobody hears it there. */
function drawCopied(
  renderer: IRenderMime.IRenderer,
  source: string
): Promise<void> {
  const frame = createFrame(source);
  frame.style.cssText = 'border: 0; width: 100%; height: 30em;';
  renderer.node.replaceChildren(frame);
  return Promise.resolve();
}

/** HTML: sanitized in place, or in a frame where it needs more than that. */
export class IsolatedHTML extends RenderedHTML {
  constructor(options: IRenderMime.IRendererOptions) {
    super(options);
    this.addClass(ISOLATED_CLASS);
  }

  override async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const source = sourceOf(this.mimeType, model);
    if (isCopied(this.mimeType, model)) {
      return drawCopied(this, htmlDocument(source));
    }
    if (!needsFrame(source)) {
      this.frame?.dispose();
      this.frame = null;
      return super.renderModel(untrusted(model));
    }
    this.frame ??= new LazyFrame();
    this.frame.show(source, htmlDocument);
    if (this.frame.node.parentNode !== this.node) {
      this.node.replaceChildren(this.frame.node);
    }
  }

  override dispose(): void {
    this.frame?.dispose();
    super.dispose();
  }

  private frame: LazyFrame | null = null;
}

/** JavaScript, in a frame. */
export class IsolatedScript extends RenderedCommon {
  override render(model: IRenderMime.IMimeModel): Promise<void> {
    const source = sourceOf(this.mimeType, model);
    if (isCopied(this.mimeType, model)) {
      return drawCopied(this, scriptDocument(source));
    }
    this.frame.show(source, scriptDocument);
    this.node.append(this.frame.node);
    return Promise.resolve();
  }

  override dispose(): void {
    this.frame.dispose();
    super.dispose();
  }

  private readonly frame = new LazyFrame();
}

/** SVG as an image, in which browsers run no scripts and load nothing. */
export class IsolatedSVG extends RenderedCommon {
  override render(model: IRenderMime.IMimeModel): Promise<void> {
    const source = sourceOf(this.mimeType, model);
    const named = source.includes('xmlns=')
      ? source
      : source.replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"');
    const image = document.createElement('img');
    image.src = `data:image/svg+xml,${encodeURIComponent(named)}`;
    const size = (model.metadata[this.mimeType] ?? {}) as {
      unconfined?: unknown;
    };
    this.addClass('jp-RenderedSVG');
    image.classList.toggle('jp-mod-unconfined', size.unconfined === true);
    this.node.replaceChildren(image);
    return Promise.resolve();
  }
}

/** In place of what is not drawn: its name, the way to have it drawn, and its text. */
export class Withheld extends RenderedCommon {
  constructor(
    options: IRenderMime.IRendererOptions,
    private readonly trust: (() => void) | null,
    private readonly needs?: Needs
  ) {
    super(options);
    this.addClass('jp-ContainersWithheld');
  }

  override render(model: IRenderMime.IMimeModel): Promise<void> {
    const what =
      this.mimeType === WIDGET_VIEW
        ? trans.__('Widgets are not connected')
        : trans.__('%1 is not drawn', this.mimeType);
    const note = document.createElement('p');
    note.textContent = `${what}: this notebook’s outputs are isolated. `;
    if (this.trust) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'jp-Button jp-ContainersWithheld-trust';
      button.textContent = 'Trust outputs of this notebook';
      button.addEventListener('click', this.trust);
      note.append(button);
    }
    this.node.replaceChildren(note);
    const needed = this.trust && this.needs?.find(this.mimeType, model.data);
    if (needed) {
      this.node.append(describeNeed(needed, this.translator, true));
    }
    if ('text/plain' in model.data) {
      const text = document.createElement('pre');
      text.textContent = sourceOf('text/plain', model);
      this.node.append(text);
    }
    return Promise.resolve();
  }
}
