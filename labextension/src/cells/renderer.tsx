/** The renderer of `BUILD_VIEW`: a build in its cell's output. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { RequestError } from '../api/request';
import { CommandIDs } from '../commandids';
import { BUILD_VIEW } from '../constants';
import { trans } from '../trans';
import { hasEnded, type LiveBuild, type LiveBuilds } from './builds';
import { isRunning, type ISummary, parseSummary, summarize } from './summary';
import { BuildView } from './view';

/** Milliseconds between two updates of the elapsed time. */
const REDRAW_INTERVAL = 1000;

/** Shows a saved summary, or the build itself while this page follows it. */
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
    builds.changed.connect(this.updateBuild);
    this.timer = setInterval(() => {
      if (this.isVisible && this.live && !hasEnded(this.live.job)) {
        this.update();
      }
    }, REDRAW_INTERVAL);
  }

  /** See `IRenderMime.IRenderer`. Called for each change of the output. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.summary = parseSummary(model.data[BUILD_VIEW]);
    this.updateBuild();
    const { summary } = this;
    if (summary && !this.live && isRunning(summary)) {
      void this.followBuild(summary);
    }
    this.update();
    await this.renderPromise;
  }

  override dispose(): void {
    clearInterval(this.timer);
    this.builds.changed.disconnect(this.updateBuild);
    this.live?.changed.disconnect(this.onBuildChanged);
    super.dispose();
  }

  protected override render(): React.JSX.Element | null {
    if (!this.summary) {
      return <p>{trans.__('This output is not one of jupyter-containers.')}</p>;
    }
    const { live, summary } = this;
    const current = live
      ? summarize(live.job, live.progress, live.elapsed)
      : summary;
    return (
      <BuildView
        summary={current}
        build={live?.progress ?? null}
        cancelling={live?.cancelling ?? false}
        noLog={this.noLog}
        onCancel={() => {
          void this.commands.execute(CommandIDs.cancel, { id: current.job });
        }}
        onLog={() => {
          void this.followBuild(current);
        }}
      />
    );
  }

  /** Connect to the build while this page follows it. */
  private readonly updateBuild = () => {
    const { builds, summary } = this;
    const live = (summary && findBuild(builds, summary)) ?? null;
    if (live !== this.live) {
      this.live?.changed.disconnect(this.onBuildChanged);
      live?.changed.connect(this.onBuildChanged);
      this.live = live;
    }
    this.update();
  };

  private readonly onBuildChanged = () => {
    this.update();
  };

  private async followBuild(summary: ISummary): Promise<void> {
    try {
      const found = summary.job
        ? await this.builds.followById(summary.job)
        : await this.builds.followEnded(summary);
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
      this.updateBuild();
    }
  }
}

/** The build of a summary, if this page follows it. */
function findBuild(
  builds: LiveBuilds,
  summary: ISummary
): LiveBuild | undefined {
  return summary.job ? builds.find(summary.job) : builds.findEnded(summary);
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
