/** The ids of all commands. */

/** Every button of the sidebar runs one of these. */
export const CommandIDs = {
  /** Show the sidebar; args `{section?}` opens one of its sections. */
  open: 'jupyter-containers:open',
  refresh: 'jupyter-containers:refresh',
  retry: 'jupyter-containers:retry-server',
  approve: 'jupyter-containers:approve',
  apply: 'jupyter-containers:apply',
  revert: 'jupyter-containers:revert',
  run: 'jupyter-containers:run-in-container',
  restart: 'jupyter-containers:restart',
  rebuild: 'jupyter-containers:rebuild',
  updateBases: 'jupyter-containers:update-bases',
  stop: 'jupyter-containers:stop',
  logs: 'jupyter-containers:toggle-logs',
  choose: 'jupyter-containers:choose-image',
  /**
   * Args `{reference?, engine?, notebook?, here?}`. Asks for a missing reference. `notebook`: pull
   * the notebook's image. `here`: do not open the builds to show the progress.
   */
  pull: 'jupyter-containers:pull',
  /** Args `{engine, reference, to}`. */
  convertImage: 'jupyter-containers:convert-image',
  useImage: 'jupyter-containers:use-image',
  pinImage: 'jupyter-containers:pin-image',
  unpin: 'jupyter-containers:unpin',
  probeImage: 'jupyter-containers:probe-image',
  removeImage: 'jupyter-containers:remove-image',
  moreImages: 'jupyter-containers:more-images',
  /** Args `{text}`. */
  copy: 'jupyter-containers:copy',
  mountFolder: 'jupyter-containers:mount-folder',
  /** Args `{id?}`, a job's; without it, the builds of the current notebook are cancelled. */
  cancel: 'jupyter-containers:cancel-build',
  /** Args `{update_bases?, no_cache?}`, for the builds of this one run. */
  buildAndRunAll: 'jupyter-containers:build-and-run-all',
  newCell: 'jupyter-containers:new-dockerfile-cell'
} as const;

/** The palette's category for all commands. */
export const CATEGORY = 'Containers';
