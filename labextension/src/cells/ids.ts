/** The commands of cells. */

export const CommandIDs = {
  /** Args: `id`, the job's; without it, the builds of the current notebook. */
  cancel: 'jupyter-containers:cancel-build',
  /** Args: `no_cache`, `update_bases`; for the builds of this one run. */
  buildAndRunAll: 'jupyter-containers:build-and-run-all',
  newCell: 'jupyter-containers:new-dockerfile-cell'
} as const;
