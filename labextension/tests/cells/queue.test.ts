import { describe, expect, it } from 'vitest';

import { RunQueue } from '../../src/cells/queue';

/** Cells that write down that they began, and end when they are told. */
class Bench {
  readonly queue = new RunQueue();
  readonly began: string[] = [];
  readonly held: string[] = [];
  private readonly ends = new Map<string, (ran: boolean | Error) => void>();

  plain(name: string): Promise<boolean> {
    return this.queue.runCell(name, this.run(name), () => this.held.push(name));
  }

  build(name: string): Promise<boolean> {
    return this.queue.runBuild(name, this.run(name));
  }

  resume(name: string): Promise<boolean> {
    return this.queue.resumeBuild(name, this.run(name));
  }

  async end(name: string, ran: boolean | Error = true): Promise<void> {
    this.ends.get(name)?.(ran);
    await settle();
  }

  private run(name: string): () => Promise<boolean> {
    return () => {
      this.began.push(name);
      return new Promise((resolve, reject) => {
        this.ends.set(name, ran => {
          if (ran instanceof Error) {
            reject(ran);
          } else {
            resolve(ran);
          }
        });
      });
    };
  }
}

async function settle(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve));
}

describe('without a build', () => {
  it('cells begin at once, in the call itself', () => {
    const bench = new Bench();
    void bench.plain('a');
    void bench.plain('b');
    expect(bench.began).toEqual(['a', 'b']);
    expect(bench.held).toEqual([]);
  });
});

describe('a build', () => {
  it('holds later cells, which then begin in their order', async () => {
    const bench = new Bench();
    void bench.build('d');
    void bench.plain('a');
    void bench.plain('b');
    await settle();
    expect(bench.began).toEqual(['d']);
    expect(bench.held).toEqual(['a', 'b']);
    expect(bench.queue.isQueued('b')).toBe(true);
    await bench.end('d');
    expect(bench.began).toEqual(['d', 'a', 'b']);
    await bench.end('b');
    expect(bench.queue.isQueued('b')).toBe(false);
    expect(bench.queue.isBuilding).toBe(false);
  });

  it('waits for the cells before it', async () => {
    const bench = new Bench();
    void bench.plain('a');
    void bench.build('d');
    await settle();
    expect(bench.began).toEqual(['a']);
    await bench.end('a');
    expect(bench.began).toEqual(['a', 'd']);
  });

  it('is given up with all behind it if a cell before it fails', async () => {
    const bench = new Bench();
    const before = bench.plain('a');
    const build = bench.build('d');
    const after = bench.plain('b');
    await bench.end('a', new Error('KernelReplyNotOK'));
    await expect(before).rejects.toThrow();
    expect(await build).toBe(false);
    expect(await after).toBe(false);
    expect(bench.began).toEqual(['a']);
  });

  it('that fails gives up what waits, and nothing that comes later', async () => {
    const bench = new Bench();
    const build = bench.build('d');
    const held = bench.plain('a');
    await settle();
    await bench.end('d', new Error('KernelReplyNotOK'));
    await expect(build).rejects.toThrow('KernelReplyNotOK');
    expect(await held).toBe(false);
    void bench.plain('b');
    expect(bench.began).toEqual(['d', 'b']);
  });

  it('follows another one and the cells between them', async () => {
    const bench = new Bench();
    void bench.build('d1');
    void bench.plain('a');
    void bench.build('d2');
    void bench.plain('b');
    await settle();
    await bench.end('d1');
    expect(bench.began).toEqual(['d1', 'a']);
    await bench.end('a');
    expect(bench.began).toEqual(['d1', 'a', 'd2']);
    await bench.end('d2');
    expect(bench.began).toEqual(['d1', 'a', 'd2', 'b']);
  });

  it('that goes on from an earlier page holds what comes later, and begins at once', async () => {
    const bench = new Bench();
    void bench.plain('a');
    void bench.resume('d1');
    void bench.resume('d2');
    void bench.plain('b');
    expect(bench.began).toEqual(['a', 'd1', 'd2']);
    expect(bench.held).toEqual(['b']);
    expect(bench.queue.size).toBe(3);
    await bench.end('d2');
    expect(bench.began).not.toContain('b');
    await bench.end('d1');
    expect(bench.began).toContain('b');
  });

  it('that goes on and fails gives up what waits', async () => {
    const bench = new Bench();
    const build = bench.resume('d');
    const held = bench.plain('a');
    await bench.end('d', new Error('no'));
    await expect(build).rejects.toThrow('no');
    expect(await held).toBe(false);
    expect(bench.queue.isBuilding).toBe(false);
  });

  it('is not begun if the one before it failed', async () => {
    const bench = new Bench();
    const first = bench.build('d1');
    const second = bench.build('d2');
    await settle();
    await bench.end('d1', new Error('no'));
    await expect(first).rejects.toThrow();
    expect(await second).toBe(false);
    expect(bench.began).toEqual(['d1']);
  });
});
