/** Opening ports: the command, the notifications, and the tabs. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import {
  type ICommandPalette,
  InputDialog,
  type MainAreaWidget,
  Notification
} from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { launchIcon } from '@jupyterlab/ui-components';

import { toProblem } from '../api/request';
import { CATEGORY, CommandIDs } from '../commandids';
import type { ContainersModel } from '../models/model';
import type { IListening } from '../models/ports';
import { containerIcon } from '../ui/icon';
import { createPortFrame, openInBrowser } from './portframe';

/** Milliseconds for which it is told that a port is listened on. */
const TOLD = 15_000;

/** What ports need of the application. */
export interface IPortContext {
  readonly app: JupyterFrontEnd;
  /** Whether pages can be shown beside the notebook; Notebook 7 has one tab alone. */
  readonly hasTabs: boolean;
  readonly model: ContainersModel;
  readonly palette: ICommandPalette | null;
  readonly tracker: INotebookTracker;
  readonly trans: TranslationBundle;
}

/** A port in words, such as `8050 · python`. */
function nameOf({ port, process }: IListening): string {
  return [String(port), process].filter(Boolean).join(' · ');
}

/** Register the command, and tell of ports that are listened on. */
export function addPorts(context: IPortContext): void {
  const { app, model, palette, trans } = context;
  const { commands } = app;
  const { ports } = model;
  commands.addCommand(CommandIDs.openPort, {
    label: ({ inBrowser, isPalette }) =>
      isPalette
        ? trans.__('Open a Port of the Container…')
        : inBrowser
          ? trans.__('Open in a Browser Tab')
          : trans.__('Open'),
    caption: ({ inBrowser }) =>
      inBrowser
        ? trans.__('Show what listens on this port in a tab of the browser')
        : trans.__('Show what listens on this port in a tab of JupyterLab'),
    icon: ({ inBrowser, isPalette }) =>
      inBrowser ? launchIcon : isPalette ? containerIcon : undefined,
    isEnabled: ({ kernel }) =>
      typeof kernel === 'string' || ports.kernel !== null,
    execute: async args => {
      const kernel =
        typeof args.kernel === 'string' ? args.kernel : ports.kernel;
      const port = await (typeof args.port === 'number'
        ? args.port
        : askPort(context));
      if (kernel === null || port === null) {
        return;
      }
      try {
        await openPort(context, kernel, port, args.inBrowser === true);
      } catch (error) {
        const { hint, message } = toProblem(error);
        Notification.error(`${message} ${hint}`.trim());
      }
    }
  });
  const args = { isPalette: true };
  palette?.addItem({ command: CommandIDs.openPort, category: CATEGORY, args });
  ports.stateChanged.connect(() =>
    commands.notifyCommandChanged(CommandIDs.openPort)
  );
  ports.noticed.connect((_, one) => {
    if (model.noticePorts) {
      tell(context, one);
    }
  });
}

function tell({ app, trans }: IPortContext, one: IListening): void {
  const { kernel, port, process } = one;
  const open = (inBrowser: boolean) => () => {
    const args = { kernel, port, inBrowser };
    void app.commands.execute(CommandIDs.openPort, args);
  };
  Notification.info(
    process
      ? trans.__('%1 is listening (%2).', port, process)
      : trans.__('%1 is listening.', port),
    {
      autoClose: TOLD,
      actions: [
        { label: trans.__('Open'), callback: open(false) },
        { label: trans.__('In a Browser Tab'), callback: open(true) }
      ]
    }
  );
}

/** The port that the user names: one that is listened on, or any. */
async function askPort({ model, trans }: IPortContext): Promise<number | null> {
  const items = model.ports.listening.map(nameOf);
  const { value } = await InputDialog.getItem({
    title: trans.__('Open a Port of the Container'),
    label: trans.__('Port'),
    items: items.length > 0 ? items : ['8000'],
    editable: true
  });
  const port = parseInt(value ?? '', 10);
  return Number.isNaN(port) ? null : port;
}

/** Show a port. A tab that shows it already is shown again. */
async function openPort(
  context: IPortContext,
  kernel: string,
  port: number,
  inBrowser: boolean
): Promise<void> {
  const { app, model, tracker, trans } = context;
  const address = await model.ports.addressOf(kernel, port);
  if (inBrowser || !context.hasTabs) {
    openInBrowser(address);
    return;
  }
  const id = `jp-Containers-port-${kernel}-${String(port)}`;
  const shown = [...app.shell.widgets('main')].find(one => one.id === id);
  const panel = tracker.find(
    ({ sessionContext }) => sessionContext.session?.kernel?.id === kernel
  );
  if (!shown) {
    const known = model.ports.listening.find(
      one => one.kernel === kernel && one.port === port
    );
    const widget: MainAreaWidget = createPortFrame(
      {
        address,
        title: known ? nameOf(known) : String(port),
        isIsolated: () =>
          !panel || panel.isDisposed || model.stateOf(panel).outputs.isolated
      },
      trans
    );
    widget.id = id;
    app.shell.add(widget, 'main', {
      mode: 'split-right',
      ...(panel && { ref: panel.id })
    });
  }
  app.shell.activateById(id);
}
