/** The extension's icons: a shipping container, and a new one. */

import { LabIcon } from '@jupyterlab/ui-components';

const TOP = 'M12 2.2 20.6 6.4 12 10.6 3.4 6.4z';
const LEFT =
  'M3 7.9 5 8.9v9.2l-2-1zM6.1 9.4l2 1v9.2l-2-1zM9.2 10.9l2 1v9.2l-2-1z';
const RIGHT =
  'M21 7.9l-2 1v9.2l2-1zM17.9 9.4l-2 1v9.2l2-1zM14.8 10.9l-2 1v9.2l2-1z';

/** The icon of containers. */
export const containerIcon = new LabIcon({
  name: 'jupyter-containers:container',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="${TOP}${LEFT}${RIGHT}"/>
</svg>`
});

/** The icon of a new Dockerfile cell. */
export const newContainerIcon = new LabIcon({
  name: 'jupyter-containers:new-container',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="${TOP}${LEFT}M15 14h2.2v-3.2h2.6V14H23v2.6h-3.2v3.2h-2.6v-3.2H14V14z"/>
</svg>`
});
