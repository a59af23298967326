/** Names that other rooms, extensions and settings refer to. */

/** The plugin's id; settings are stored under it. */
export const PLUGIN_ID = 'jupyter-containers:plugin';

/** The MIME type of a code cell that starts with `%%dockerfile`. */
export const DOCKERFILE_CELL = 'text/x-dockerfile-cell';
