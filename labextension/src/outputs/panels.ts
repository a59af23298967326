/** The gates of open notebooks and of the application's own registry of renderers. */

import type { ISessionContext } from '@jupyterlab/apputils';
import { CodeCell } from '@jupyterlab/cells';
import type { ConsolePanel } from '@jupyterlab/console';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type {
  INotebookModel,
  INotebookTracker,
  NotebookPanel
} from '@jupyterlab/notebook';
import {
  type IRenderMimeRegistry,
  RenderMimeRegistry
} from '@jupyterlab/rendermime';
import type { Kernel, ServiceManager } from '@jupyterlab/services';
import type { CommandRegistry } from '@lumino/commands';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { CommandIDs } from '../commandids';
import type { ContainersModel } from '../models/model';
import type { NotebookState } from '../models/notebookstate';
import { isContainerSpec } from '../notebook/livekernel';
import { askState, guardSavedWidgets } from './comms';
import { guard, type IGatePolicy } from './gate';
import { Needs } from './needs';

/** The outputs of open notebooks: gates each panel before it has drawn anything. */
export class OutputGates implements DocumentRegistry.WidgetExtension {
  constructor(
    private readonly model: ContainersModel,
    private readonly commands: CommandRegistry,
    private readonly services: Pick<
      ServiceManager.IManager,
      'kernelspecs' | 'sessions'
    >
  ) {}

  /** See `DocumentRegistry.IWidgetExtension`. */
  createNew(
    panel: NotebookPanel,
    context: DocumentRegistry.IContext<INotebookModel>
  ): IDisposable {
    const state = this.model.stateOf(panel);
    const { outputs } = state;
    this.states.add(state);
    this.contexts.add(panel.sessionContext);
    // The ways in which something is drawn at present.
    const drawn = new Set<boolean>();
    let isClosed = false;
    const close = (closed: boolean) => {
      isClosed = closed;
    };
    const needs = new Needs(id => void askState(panel.sessionContext, id));
    needs.learned.connect(() => redraw(panel, close));
    panel.sessionContext.iopubMessage.connect(needs.hear);
    state.status.stateChanged.connect(() => {
      if (needs.update(state.status.data?.lacking ?? [])) {
        redraw(panel, close);
      }
    });
    const trust = (): void => {
      void this.commands.execute(CommandIDs.trustOutputs, {
        path: context.path
      });
    };
    guard(panel.content.rendermime, {
      isIsolated: () => {
        const { isolated } = outputs;
        drawn.add(isolated);
        return isolated;
      },
      isClosed: () => isClosed,
      needs,
      get trust() {
        return outputs.mayTrust ? trust : null;
      }
    });
    guardSavedWidgets(context.model, () => outputs.isolated);
    outputs.stateChanged.connect(() => {
      if (drawn.delete(!outputs.isolated)) {
        redraw(panel, close);
      }
      const kernel = panel.sessionContext.session?.kernel;
      if (kernel && !outputs.isolated && this.refused.delete(kernel.id)) {
        // Widgets are restored from the kernel as after a lost connection.
        void kernel.reconnect();
      }
    });
    void outputs.refresh();
    return new DisposableDelegate(() => {
      this.states.delete(state);
      this.contexts.delete(panel.sessionContext);
    });
  }

  /**
   * Gate a code console by the kernel that it is connected to: JupyterLab may not list its session
   * yet when the first output comes. Where no kernel is known, outputs are isolated.
   */
  guardConsole(panel: ConsolePanel): void {
    const { console, sessionContext } = panel;
    this.contexts.add(sessionContext);
    panel.disposed.connect(() => this.contexts.delete(sessionContext));
    guard(console.rendermime, {
      isIsolated: () => {
        const kernel = sessionContext.session?.kernel;
        return !kernel || !this.isTrusted(kernel);
      },
      trust: null
    });
  }

  /** Whether the comms of a kernel may be connected now; it is connected anew when they may be. */
  mayConnect(kernel: Kernel.IModel): boolean {
    if (this.isTrusted(kernel)) {
      return true;
    }
    this.refused.add(kernel.id);
    return false;
  }

  /**
   * The policy of the application's registry, by which others draw too, such as the debugger: only
   * what scripts are in is isolated, while a kernel of ours that is not trusted runs.
   */
  readonly shared: IGatePolicy = {
    isIsolated: () =>
      [
        ...[...this.services.sessions.running()].map(({ kernel }) => kernel),
        ...[...this.contexts].map(({ session }) => session?.kernel)
      ].some(kernel => kernel && !this.isTrusted(kernel)),
    allowOthers: true,
    trust: null
  };

  /** The policy of a clone of the application's registry: until `guardConsole`, by its session. */
  readonly cloned = ({
    resolver
  }: IRenderMimeRegistry.ICloneOptions): IGatePolicy => ({
    isIsolated: () =>
      resolver instanceof RenderMimeRegistry.UrlResolver &&
      [...this.services.sessions.running()].some(
        ({ path, kernel }) =>
          path === resolver.path && kernel && !this.isTrusted(kernel)
      ),
    trust: null
  });

  /** Whether a kernel is none of ours, or that of a notebook with trusted outputs. */
  private isTrusted({ id, name }: Pick<Kernel.IModel, 'id' | 'name'>): boolean {
    return (
      isContainerSpec(this.services.kernelspecs, name) === false ||
      [...this.states].some(
        ({ panel, outputs }) =>
          panel.sessionContext.session?.kernel?.id === id && !outputs.isolated
      )
    );
  }

  private readonly states = new Set<NotebookState>();
  /** Of open notebooks and code consoles: JupyterLab may not list their sessions yet. */
  private readonly contexts = new Set<ISessionContext>();
  private readonly refused = new Set<string>();
}

/** Make the renderers of all outputs anew, in each view of them. */
function redraw(panel: NotebookPanel, close: (closed: boolean) => void): void {
  const areas = panel.content.widgets
    .filter(cell => cell instanceof CodeCell)
    .map(({ outputArea }) => outputArea.model.stateChanged);
  // A renderer is kept where the type stays the same: in between, no type has one.
  for (const closed of [true, false]) {
    close(closed);
    for (const changed of areas) {
      if (changed instanceof Signal) {
        changed.emit(undefined);
      }
    }
  }
}

/** The notebook that a command is about. */
export function findState(
  model: ContainersModel,
  tracker: INotebookTracker,
  path: unknown
): NotebookState | null {
  const panel =
    typeof path === 'string'
      ? tracker.find(({ context }) => context.path === path)
      : tracker.currentWidget;
  return panel ? model.stateOf(panel) : null;
}
