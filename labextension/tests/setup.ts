/** What JupyterLab expects of a browser and jsdom does not have. */

class Observer {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

Object.assign(globalThis, {
  DragEvent: class extends Event {},
  ResizeObserver: Observer,
  IntersectionObserver: Observer,
  requestIdleCallback: (run: () => void) => setTimeout(run, 0),
  matchMedia: () => ({
    matches: false,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    addListener: () => undefined,
    removeListener: () => undefined
  })
});
