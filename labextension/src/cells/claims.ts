/**
 * Who builds what in a notebook that several pages show, as with jupyter-collaboration.
 *
 * The page that builds a cell writes its outputs and moves the kernel; the others wait for it.
 * Each page publishes its runs in the document's awareness, from which they vanish with the page.
 */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { UUID } from '@lumino/coreutils';

const FIELD = 'jupyter-containers';

type Awareness = NotebookPanel['context']['model']['sharedModel']['awareness'];

/** One run of a Dockerfile cell, by a page. */
export interface IClaim {
  readonly run: string;
  readonly cell: string;
}

/** The runs of Dockerfile cells in one notebook, by this page and by others. */
export class Claims {
  constructor(private readonly awareness: Awareness) {
    // The server tells a new page nothing of the others, and they speak every 15 seconds.
    awareness.on('change', ({ added }: { added: readonly number[] }) => {
      const isNew = added.some(client => client !== awareness.clientID);
      if (isNew && this.own.length > 0) {
        this.publish(this.own);
      }
    });
  }

  /** Publish a run of this page; the function that is returned takes it back. */
  claim(cell: string): () => void {
    const claim = { run: UUID.uuid4(), cell };
    this.publish([...this.own, claim]);
    return () => {
      this.publish(this.own.filter(({ run }) => run !== claim.run));
    };
  }

  /** The runs of other pages. */
  get others(): readonly IClaim[] {
    const { awareness } = this;
    return [...awareness.getStates()]
      .filter(([client]) => client !== awareness.clientID)
      .flatMap(([, state]) => readClaims(state));
  }

  /**
   * Resolves to true when a run of another page has ended or the page has left, and to false if
   * the user does not want to wait any longer.
   */
  ended({ run }: IClaim): Promise<boolean> {
    const { awareness } = this;
    return new Promise(resolve => {
      const end = (isOver: boolean) => {
        awareness.off('change', check);
        this.waiting.delete(end);
        resolve(isOver);
      };
      const check = () => {
        if (this.others.every(other => other.run !== run)) {
          end(true);
        }
      };
      this.waiting.add(end);
      awareness.on('change', check);
      check();
    });
  }

  /** Wait for no other page any longer. */
  giveUp(): void {
    [...this.waiting].forEach(end => end(false));
  }

  /** Call back each time that a run of another page has ended. */
  watch(onEnded: () => void): void {
    const followed = new Set<string>();
    const check = () => {
      for (const claim of this.others) {
        if (!followed.has(claim.run)) {
          followed.add(claim.run);
          void this.ended(claim).then(isOver => {
            if (isOver) {
              onEnded();
            } else {
              followed.delete(claim.run);
            }
          });
        }
      }
    };
    this.awareness.on('change', check);
    check();
  }

  private readonly waiting = new Set<(isOver: boolean) => void>();

  private get own(): readonly IClaim[] {
    return readClaims(this.awareness.getLocalState());
  }

  private publish(claims: readonly IClaim[]): void {
    this.awareness.setLocalStateField(FIELD, claims);
  }
}

/** The claims in a page's state, which another page may have written in any shape. */
function readClaims(state: unknown): IClaim[] {
  const found = (state as Record<string, unknown> | null)?.[FIELD];
  const claims: unknown[] = Array.isArray(found) ? found : [];
  return claims.filter(
    (claim): claim is IClaim =>
      typeof (claim as IClaim | null)?.run === 'string' &&
      typeof (claim as IClaim | null)?.cell === 'string'
  );
}

const known = new WeakMap<Awareness, Claims>();

/** A notebook's claims; always the same object. */
export function claimsOf(panel: NotebookPanel): Claims {
  const { awareness } = panel.context.model.sharedModel;
  const claims = known.get(awareness) ?? new Claims(awareness);
  known.set(awareness, claims);
  return claims;
}
