/** The ids of all commands. */

/** Every button of the sidebar runs one of these. */
export const CommandIDs = {
  /** Show the sidebar; args `{section?}` opens one of its sections. */
  open: 'jupyter-containers:open',
  refresh: 'jupyter-containers:refresh',
  retry: 'jupyter-containers:retry-server',
  approve: 'jupyter-containers:approve',
  /** Args `{id}`, of what is approved for a notebook. */
  revoke: 'jupyter-containers:revoke-approvals',
  apply: 'jupyter-containers:apply',
  revert: 'jupyter-containers:revert',
  /** Args `{path?}`, an open notebook's; without it, the current one. */
  trustOutputs: 'jupyter-containers:trust-outputs',
  isolateOutputs: 'jupyter-containers:isolate-outputs',
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
  cleanUp: 'jupyter-containers:clean-up',
  moreImages: 'jupyter-containers:more-images',
  /** Args `{text}`. */
  copy: 'jupyter-containers:copy',
  /** Args `{kernel?, port?, inBrowser?}`. Asks for a missing port of the current notebook's. */
  openPort: 'jupyter-containers:open-port',
  /** Args `{path?}`, an open notebook's; without it, the current one. */
  newTerminal: 'jupyter-containers:new-terminal',
  /** Args `{kernel, name, notebook}`: shows one that is there. */
  showTerminal: 'jupyter-containers:show-terminal',
  mountFolder: 'jupyter-containers:mount-folder',
  /** Args `{mount}`, the index of a mount in the form. */
  pickFolder: 'jupyter-containers:pick-folder',
  /** Args `{id?}`, a job's; without it, the builds of the current notebook are cancelled. */
  cancel: 'jupyter-containers:cancel-build',
  /** Args `{update_bases?, no_cache?}`, for the builds of this one run. */
  buildAndRunAll: 'jupyter-containers:build-and-run-all',
  /** Args `{requirement?}`; asks for a missing one. */
  addPackage: 'jupyter-containers:add-package',
  /** Adds what was installed in the current notebook's container. */
  addChanges: 'jupyter-containers:add-changes',
  /** The same without running the other cells. */
  buildCells: 'jupyter-containers:build-cells',
  /** Args `{path?}`, an open notebook's; without it, the current one. */
  newCell: 'jupyter-containers:new-dockerfile-cell',
  /** Args `{base}`, an image, or `{file}`, of the notebook's folder. */
  startFrom: 'jupyter-containers:start-from',
  /** Args `{path?, cell?}`: show a Dockerfile cell: by its id, the one being built, or the last. */
  showCell: 'jupyter-containers:show-dockerfile-cell',
  /** Explain what the cursor is at in a Dockerfile cell. */
  explain: 'jupyter-containers:explain'
} as const;

/** The palette's category for all commands. */
export const CATEGORY = 'Containers';
