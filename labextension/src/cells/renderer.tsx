/** The renderer of `BUILD_VIEW`: a build in its cell's output. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { RequestError } from '../api/request';
import { BUILD_VIEW } from '../constants';
import { CommandIDs } from '../commandids';
import { hasEnded, type LiveBuild, type LiveBuilds } from './builds';
import { readSummary, summaryOf, type ISummary } from './summary';
import { BuildView } from './view';

/** Milliseconds between two drawings while nothing comes: the time goes on. */
const TICK = 1000;

/** Shows a summary, and what is newer than it where this page follows the build. */
export class BuildRenderer
  extends ReactWidget
  implements IRenderMime.IRenderer
{
  private summary: ISummary | null = null;
  private live: LiveBuild | null = null;
  private noLog = '';
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly builds: LiveBuilds,
    private readonly commands: CommandRegistry
  ) {
    super();
    this.addClass('jp-ContainersBuildOutput');
    builds.changed.connect(this.look);
    this.timer = setInterval(() => {
      if (this.isVisible && this.live && !hasEnded(this.live.job)) {
        this.update();
      }
    }, TICK);
  }

  /** Called by the output area, again whenever the output has changed. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.summary = readSummary(model.data[BUILD_VIEW]);
    this.look();
    const { summary } = this;
    if (summary && !this.live && isRunning(summary)) {
      void this.watch(summary.job);
    }
    this.update();
    await this.renderPromise;
  }

  override dispose(): void {
    clearInterval(this.timer);
    this.builds.changed.disconnect(this.look);
    this.live?.changed.disconnect(this.redraw);
    super.dispose();
  }

  protected override render(): React.JSX.Element | null {
    if (!this.summary) {
      return <p>This output is not one of jupyter-containers.</p>;
    }
    const { live, summary } = this;
    const now =
      live && isRunning(summary)
        ? summaryOf(live.job, live.fold, live.elapsed)
        : summary;
    return (
      <BuildView
        summary={now}
        fold={live?.fold ?? null}
        cancelling={live?.cancelling ?? false}
        noLog={this.noLog}
        onCancel={() => {
          void this.commands.execute(CommandIDs.cancel, { id: now.job });
        }}
        onLog={() => {
          void this.watch(now.job);
        }}
      />
    );
  }

  /** Take up the build if the page follows it, or leave one it no longer does. */
  private readonly look = () => {
    const live = this.builds.find(this.summary?.job ?? '') ?? null;
    if (live !== this.live) {
      this.live?.changed.disconnect(this.redraw);
      live?.changed.connect(this.redraw);
      this.live = live;
    }
    this.update();
  };

  private readonly redraw = () => {
    this.update();
  };

  private async watch(job: string): Promise<void> {
    try {
      const found = await this.builds.watch(job);
      this.noLog = found
        ? ''
        : 'The server no longer has the log of this build. Run the cell again to see one.';
    } catch (error) {
      this.noLog =
        error instanceof RequestError
          ? `${error.message} ${error.hint}`
          : String(error);
    }
    if (!this.isDisposed) {
      this.look();
    }
  }
}

function isRunning(summary: ISummary): boolean {
  return summary.state === 'running' || summary.state === 'waiting';
}

/** The factory for JupyterLab's registry of renderers. */
export function buildRendererFactory(
  builds: LiveBuilds,
  commands: CommandRegistry
): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [BUILD_VIEW],
    createRenderer: () => new BuildRenderer(builds, commands)
  };
}
