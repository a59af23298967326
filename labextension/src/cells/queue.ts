/** The order in which a notebook's cells run: later cells wait for a build. */

/** Runs a cell; resolves to false if it did not run, as JupyterLab's executor does. */
export type Run = () => Promise<boolean>;

/**
 * The queue of one notebook.
 *
 * JupyterLab passes all cells of a run at once and relies on the kernel to run them in order. A
 * build runs outside the kernel, so the order is kept here.
 */
export class RunQueue {
  /** Resolves when the last build has ended, to whether waiting cells may run. */
  private barrier: Promise<boolean> | null = null;
  private readonly running = new Set<Promise<boolean>>();
  private readonly names: string[] = [];

  /** Whether the cell of that name waits or is being built. */
  isQueued(name: string): boolean {
    return this.names.includes(name);
  }

  /** The names of the cells that wait or are being built, in order. */
  get queued(): readonly string[] {
    return [...this.names];
  }

  /** How many cells wait or are being built. */
  get size(): number {
    return this.names.length;
  }

  /** Whether a build runs or waits. */
  get isBuilding(): boolean {
    return this.barrier !== null;
  }

  /**
   * Run an ordinary cell: now, or after the build before it. False if that build fails.
   *
   * `onQueued` is called if the cell has to wait.
   */
  runCell(name: string, run: Run, onQueued: () => void): Promise<boolean> {
    const { barrier } = this;
    if (!barrier) {
      return this.track(run());
    }
    onQueued();
    return this.track(
      this.withName(name, async () => (await barrier) && (await run()))
    );
  }

  /**
   * Run a build after all earlier cells, if these succeed. Later cells wait for it, and are
   * skipped if `run` rejects or resolves to `false`.
   */
  runBuild(name: string, run: Run): Promise<boolean> {
    const before = [...this.running];
    const earlier = this.barrier ?? Promise.resolve(true);
    const built = this.withName(name, async () => {
      const ended = await Promise.allSettled([earlier, ...before]);
      const succeeded = ended.every(
        result => result.status === 'fulfilled' && result.value
      );
      return succeeded && (await run());
    });
    this.setBarrier(built.catch(() => false));
    return built;
  }

  /** Add a build that is already running: later cells wait for it, and for earlier builds. */
  resumeBuild(name: string, run: Run): Promise<boolean> {
    const built = this.withName(name, run);
    const both = Promise.all([this.barrier ?? true, built.catch(() => false)]);
    this.setBarrier(both.then(ended => ended.every(succeeded => succeeded)));
    return built;
  }

  private setBarrier(barrier: Promise<boolean>): void {
    this.barrier = barrier;
    void barrier.then(() => {
      if (this.barrier === barrier) {
        this.barrier = null;
      }
    });
  }

  private track(run: Promise<boolean>): Promise<boolean> {
    this.running.add(run);
    const remove = () => this.running.delete(run);
    run.then(remove, remove);
    return run;
  }

  private async withName(name: string, run: Run): Promise<boolean> {
    this.names.push(name);
    try {
      return await run();
    } finally {
      this.names.splice(this.names.indexOf(name), 1);
    }
  }
}
