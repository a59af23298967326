/**
 * The cells that wait for a build while the page is loaded anew.
 *
 * The server goes on with the build; what was to run after it, only the page knew. The browser's
 * storage of this tab keeps the ids of these cells from the end of the page to its next begin.
 */

const KEY = 'jupyter-containers:runs';

/** Cells of one notebook that are kept. */
const MAX_CELLS = 5000;

/** Keep the ids of cells by the paths of their notebooks, in order; call this as the page ends. */
export function keepRuns(runs: ReadonlyMap<string, readonly string[]>): void {
  try {
    if (runs.size > 0) {
      sessionStorage.setItem(KEY, JSON.stringify([...runs]));
    } else {
      sessionStorage.removeItem(KEY);
    }
  } catch {
    // Without storage, the user runs the cells again.
  }
}

/**
 * Take what was kept for a notebook: once, and only in a page that was loaded anew. A tab that is
 * opened again after a day has the storage, too.
 */
export function takeRun(path: string): readonly string[] {
  try {
    const runs = readRuns(sessionStorage.getItem(KEY));
    const cells = runs.get(path) ?? [];
    runs.delete(path);
    keepRuns(runs);
    return isReload() ? cells.slice(0, MAX_CELLS) : [];
  } catch {
    return [];
  }
}

function isReload(): boolean {
  const [entry] = performance.getEntriesByType('navigation');
  return (entry as PerformanceNavigationTiming | undefined)?.type === 'reload';
}

/** What is stored, which another script of the page may have written in any shape. */
function readRuns(text: string | null): Map<string, readonly string[]> {
  const stored: unknown = JSON.parse(text ?? '[]');
  const found: unknown[] = Array.isArray(stored) ? stored : [];
  return new Map(
    found.filter(
      (one): one is [string, string[]] =>
        Array.isArray(one) &&
        typeof one[0] === 'string' &&
        Array.isArray(one[1]) &&
        one[1].every(id => typeof id === 'string')
    )
  );
}
