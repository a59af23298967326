/** A port of a container in a tab of JupyterLab. */

import { IFrame, MainAreaWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  launchIcon,
  refreshIcon,
  ToolbarButton
} from '@jupyterlab/ui-components';

import { containerIcon } from '../ui/icon';

/** What a page may do that is isolated; the server's own header says the same. */
const ISOLATED: IFrame.SandboxExceptions[] = [
  'allow-downloads',
  'allow-forms',
  'allow-modals',
  'allow-popups',
  'allow-scripts'
];

/** What a tab shows. */
export interface IPage {
  readonly address: string;
  /** Such as `8050 · python`. */
  readonly title: string;
  /** Whether the outputs of the kernel's notebook are isolated, now. */
  readonly isIsolated: () => boolean;
}

/** Make a tab that shows a page. */
export function createPortFrame(
  page: IPage,
  trans: TranslationBundle
): MainAreaWidget<IFrame> {
  const content = new IFrame({ loading: 'eager' });
  const load = () => {
    content.sandbox = page.isIsolated()
      ? ISOLATED
      : [...ISOLATED, 'allow-same-origin'];
    content.url = page.address;
  };
  load();
  content.title.label = page.title;
  content.title.icon = containerIcon;
  content.title.closable = true;
  const widget = new MainAreaWidget({ content });
  widget.addClass('jp-Containers-port');
  content.node
    .querySelector('iframe')
    ?.setAttribute('title', trans.__('Port %1', page.title));
  widget.toolbar.addItem(
    'reload',
    new ToolbarButton({
      icon: refreshIcon,
      onClick: load,
      tooltip: trans.__('Reload this page')
    })
  );
  widget.toolbar.addItem(
    'browser',
    new ToolbarButton({
      icon: launchIcon,
      onClick: () => openInBrowser(page.address),
      tooltip: trans.__('Open in a browser tab')
    })
  );
  return widget;
}

/** Open an address in a tab of the browser, which learns nothing of this one. */
export function openInBrowser(address: string): void {
  window.open(address, '_blank', 'noopener');
}
