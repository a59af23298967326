/** The order in which one notebook's cells run: a build holds back what comes after it. */

/** What a cell's run came to, as JupyterLab's executor says it: false where it did not run. */
export type Run = () => Promise<boolean>;

/**
 * One per notebook.
 *
 * JupyterLab hands all cells of a run over at once and relies on the kernel to take them in
 * order; a build happens outside the kernel, so the order is kept here.
 */
export class RunQueue {
  /** Resolves when the last build has ended: whether what waits may go on. */
  private barrier: Promise<boolean> | null = null;
  private readonly running = new Set<Promise<boolean>>();
  private readonly names: string[] = [];

  /** Whether a cell of that name waits or is being built. */
  isHeld(name: string): boolean {
    return this.names.includes(name);
  }

  /** How many cells wait or are being built. */
  get held(): number {
    return this.names.length;
  }

  /** Whether there is a build, or one to come. */
  get isBuilding(): boolean {
    return this.barrier !== null;
  }

  /**
   * Run an ordinary cell: at once, or when the build before it has ended well; else `false`.
   *
   * `held` is called if it has to wait.
   */
  plain(name: string, run: Run, held: () => void): Promise<boolean> {
    const { barrier } = this;
    if (!barrier) {
      return this.tracked(run());
    }
    held();
    return this.tracked(
      this.named(name, async () => (await barrier) && (await run()))
    );
  }

  /**
   * Run a build: after all that was handed over before it, and only if that went well. What
   * comes later waits for it, and is given up if `run` rejects or resolves to `false`.
   */
  build(name: string, run: Run): Promise<boolean> {
    const before = [...this.running];
    const earlier = this.barrier ?? Promise.resolve(true);
    const built = this.named(name, async () => {
      const ended = await Promise.allSettled([earlier, ...before]);
      const well = ended.every(one => one.status === 'fulfilled' && one.value);
      return well && (await run());
    });
    this.bar(built.catch(() => false));
    return built;
  }

  /** A build that is under way already: what comes later waits for it, and for those before. */
  resume(name: string, run: Run): Promise<boolean> {
    const built = this.named(name, run);
    const both = Promise.all([this.barrier ?? true, built.catch(() => false)]);
    this.bar(both.then(ended => ended.every(well => well)));
    return built;
  }

  private bar(barrier: Promise<boolean>): void {
    this.barrier = barrier;
    void barrier.then(() => {
      if (this.barrier === barrier) {
        this.barrier = null;
      }
    });
  }

  private tracked(run: Promise<boolean>): Promise<boolean> {
    this.running.add(run);
    const forget = () => this.running.delete(run);
    run.then(forget, forget);
    return run;
  }

  private async named(name: string, run: Run): Promise<boolean> {
    this.names.push(name);
    try {
      return await run();
    } finally {
      this.names.splice(this.names.indexOf(name), 1);
    }
  }
}
