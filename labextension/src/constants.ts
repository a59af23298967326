/** Identifiers that the server, saved notebooks or other extensions know. */

/** The plugin's id; settings are stored under it. */
export const PLUGIN_ID = 'jupyter-containers:plugin';

/** The MIME type of a code cell that starts with `%%dockerfile`. */
export const DOCKERFILE_CELL = 'text/x-dockerfile-cell';

/** The MIME type of what a build shows in its cell's output. */
export const BUILD_VIEW = 'application/vnd.jupyter-containers.build+json';

/** The key of the settings in a notebook's metadata. */
export const METADATA = 'jupyter_containers';

/** The kernel spec "Container (this notebook)". */
export const GENERIC_KERNEL = 'container';

/** The schema of the server's events on Jupyter's event bus. */
export const CHANGE_EVENT = 'https://schema.jupyter-containers.org/change/v1';
