/** Frames of an opaque origin: what runs there has no cookies, and reaches no part of the page. */

/** Pixels: before a frame has said its height, and the most that it gets without a scroll bar. */
const FIRST_HEIGHT = 100;
const MAX_HEIGHT = 2000;

/** Pixels beyond the visible part of the page in which frames are made. */
const MARGIN = 600;

/** Frames that exist at a time; the ones that were out of sight for longest are unloaded. */
const MAX_FRAMES = 40;

/**
 * Tells the page how high its content is. The body's children are observed too: a page whose body
 * has the frame's height, as Bokeh's do, does not grow with what it draws later.
 */
const REPORTER = `<script>(() => {
  const tell = () => parent.postMessage({ jupyterContainersHeight: Math.max(
    document.documentElement.offsetHeight, document.body ? document.body.scrollHeight : 0) }, '*');
  const sizes = new ResizeObserver(tell);
  const observe = () => [...document.body.children].forEach(child => sizes.observe(child));
  sizes.observe(document.documentElement);
  addEventListener('DOMContentLoaded', () => {
    observe();
    new MutationObserver(observe).observe(document.body, { childList: true });
  });
  addEventListener('load', tell);
})();</script>`;

/** A document for HTML of an output. */
export function htmlDocument(html: string): string {
  return `<!DOCTYPE html><html><head><meta charset="utf-8"><style>${style()}</style>${REPORTER}</head><body>${html}</body></html>`;
}

/** A document for JavaScript of an output, which finds its place in the variable \`element\`. */
export function scriptDocument(code: string): string {
  const text = JSON.stringify(code).replace(/</g, '\\u003c');
  return htmlDocument(
    `<div></div><script>new Function('element', ${text})(document.querySelector('div'));</script>`
  );
}

/** A document for text. */
export function textDocument(text: string): string {
  const escaped = text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return htmlDocument(`<pre>${escaped}</pre>`);
}

/** Fonts and colours of the page, which a frame does not inherit. */
function style(): string {
  const page = getComputedStyle(document.body);
  const value = (name: string) => page.getPropertyValue(name).trim();
  return (
    `body { margin: 0; color: ${value('--jp-content-font-color1')}; ` +
    `font: ${value('--jp-content-font-size1')} ${value('--jp-content-font-family')}; } ` +
    'table { border-collapse: collapse; font-size: 12px; } ' +
    'td, th { padding: 0.5em; text-align: right; }'
  );
}

/** A frame that exists while it is near the visible part of the page. */
export class LazyFrame {
  /** Stands where the frame is or will be. */
  readonly node = document.createElement('div');

  constructor() {
    this.node.className = 'jp-ContainersFrame';
    this.node.style.height = `${String(FIRST_HEIGHT)}px`;
    frames.observe(this);
  }

  /** Show the document that `make` makes of a text, when the frame comes into sight. */
  show(text: string, make: (text: string) => string): void {
    if (text !== this.text || make !== this.make) {
      this.text = text;
      this.make = make;
      const reload = this.element !== null;
      this.unload();
      if (reload) {
        this.load();
      }
    }
  }

  /** The frame's window; null where there is none yet. */
  get window(): Window | null {
    return this.element?.contentWindow ?? null;
  }

  /** Make the frame. */
  load(): void {
    if (!this.element) {
      this.element = createFrame(this.make(this.text));
      this.node.append(this.element);
    }
  }

  /** Remove the frame; its place keeps the height. */
  unload(): void {
    if (this.element) {
      this.element.remove();
      URL.revokeObjectURL(this.element.src);
      this.element = null;
    }
  }

  /** Take the height that the content says it has. */
  resize(height: number): void {
    const pixels = Math.min(Math.max(Math.ceil(height), 1), MAX_HEIGHT);
    this.node.style.height = `${String(pixels)}px`;
  }

  /** Remove it for good. */
  dispose(): void {
    frames.unobserve(this);
    this.unload();
    this.node.remove();
  }

  private element: HTMLIFrameElement | null = null;
  private text = '';
  private make = htmlDocument;
}

/**
 * A frame with a document.
 *
 * The document is a `blob:`, not `srcdoc`, which would know the page's address as its base, and
 * with it the token in an address as the server prints it.
 */
export function createFrame(source: string): HTMLIFrameElement {
  const frame = document.createElement('iframe');
  frame.setAttribute('sandbox', 'allow-scripts');
  frame.referrerPolicy = 'no-referrer';
  frame.title = 'Isolated output';
  frame.src = URL.createObjectURL(
    new Blob([source], { type: 'text/html;charset=utf-8' })
  );
  return frame;
}

/** All frames of the page: which of them exist, and what they say. */
class Frames {
  observe(frame: LazyFrame): void {
    if (!this.observer) {
      this.observer = new IntersectionObserver(
        entries => {
          entries.forEach(entry => this.onSeen(entry));
        },
        { rootMargin: `${String(MARGIN)}px` }
      );
      // Before all listeners of others: what a frame says is for nobody else.
      window.addEventListener('message', this.onMessage, { capture: true });
    }
    this.byNode.set(frame.node, frame);
    this.observer.observe(frame.node);
  }

  unobserve(frame: LazyFrame): void {
    this.observer?.unobserve(frame.node);
    this.byNode.delete(frame.node);
    this.visible.delete(frame);
    this.loaded.delete(frame);
  }

  private onSeen({ target, isIntersecting }: IntersectionObserverEntry): void {
    const frame = this.byNode.get(target);
    if (!frame) {
      return;
    }
    if (isIntersecting) {
      this.visible.add(frame);
      frame.load();
    } else {
      this.visible.delete(frame);
    }
    if (frame.window) {
      // The order of the set is that in which they were last seen.
      this.loaded.delete(frame);
      this.loaded.add(frame);
    }
    this.unloadOldest();
  }

  private unloadOldest(): void {
    for (const frame of this.loaded) {
      if (this.loaded.size <= MAX_FRAMES) {
        return;
      }
      if (!this.visible.has(frame)) {
        frame.unload();
        this.loaded.delete(frame);
      }
    }
  }

  private readonly onMessage = (event: MessageEvent): void => {
    const frame = this.findSender(event.source);
    if (!frame) {
      return;
    }
    event.stopImmediatePropagation();
    const { jupyterContainersHeight: height } = (event.data ?? {}) as {
      jupyterContainersHeight?: unknown;
    };
    if (
      event.source === frame.window &&
      typeof height === 'number' &&
      Number.isFinite(height)
    ) {
      frame.resize(height);
    }
  };

  /** The frame that a message came from, or from a frame inside of it. */
  private findSender(source: MessageEventSource | null): LazyFrame | null {
    let sender = source as Window | null;
    while (sender?.parent && sender.parent !== window) {
      if (sender.parent === sender) {
        return null;
      }
      sender = sender.parent;
    }
    for (const frame of this.byNode.values()) {
      if (sender && frame.window === sender) {
        return frame;
      }
    }
    return null;
  }

  private observer: IntersectionObserver | null = null;
  private readonly byNode = new Map<Element, LazyFrame>();
  private readonly visible = new Set<LazyFrame>();
  private readonly loaded = new Set<LazyFrame>();
}

const frames = new Frames();
