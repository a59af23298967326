/** How the outputs of an open notebook are drawn: this person's decision, which the server keeps. */

import { VDomModel } from '@jupyterlab/ui-components';

import type { Api } from '../api/api';
import type { IOutputs } from '../api/types';
import { trans } from '../trans';
import type { Connection } from './connection';

/** What a decision is about. */
export interface IDecisionContext {
  /** The notebook's path on the server; null for one that does not lie there. */
  readonly path: () => string | null;
  /** Whether the notebook has a kernel or settings of ours. */
  readonly isOurs: () => boolean;
  /** Whether it has a Dockerfile cell: asked only before the server has answered. */
  readonly hasDockerfile: () => boolean;
}

/** The decision about one notebook. Without an answer of the server, our notebooks are isolated. */
export class OutputsDecision extends VDomModel {
  constructor(
    private readonly services: {
      readonly api: Api;
      readonly connection: Connection;
    },
    private readonly context: IDecisionContext
  ) {
    super();
    services.connection.restored.connect(this.onRestored);
  }

  /** Whether it applies: the outputs of other notebooks are JupyterLab's. */
  get applies(): boolean {
    const { hasDockerfile, isOurs, path } = this.context;
    return (
      this.answer?.applies === true ||
      isOurs() ||
      (this.answer === null && path() !== null && hasDockerfile())
    );
  }

  /** Whether outputs are isolated. */
  get isolated(): boolean {
    return this.answer?.outputs !== 'trusted' && this.applies;
  }

  /** Whether this person may trust them; true where that is not known. */
  get mayTrust(): boolean {
    return this.context.path() !== null && this.answer?.may_trust !== false;
  }

  /** Ask the server. The last answer stays until there is another one. */
  async refresh(): Promise<void> {
    const path = this.context.path();
    if (path === null) {
      return;
    }
    const request = (this.request += 1);
    try {
      this.take(request, await this.services.api.outputs(path));
    } catch (error) {
      if (!this.services.connection.reportError(error)) {
        // What the server cannot say is not known.
        this.take(request, null);
      }
    }
  }

  /** Keep a decision. Throws RequestError. */
  async decide(outputs: IOutputs['outputs']): Promise<void> {
    const path = this.context.path();
    if (path === null) {
      throw new Error(
        trans.__('This notebook does not lie on the Jupyter server.')
      );
    }
    const request = (this.request += 1);
    this.take(request, await this.services.api.setOutputs(path, outputs));
  }

  override dispose(): void {
    this.services.connection.restored.disconnect(this.onRestored);
    super.dispose();
  }

  private readonly onRestored = (): void => void this.refresh();

  private take(request: number, answer: IOutputs | null): void {
    if (request === this.request && !this.isDisposed) {
      this.answer = answer;
      this.stateChanged.emit();
    }
  }

  private answer: IOutputs | null = null;
  private request = 0;
}
