/** Wires the front end into JupyterLab. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  IEditorExtensionRegistry,
  IEditorLanguageRegistry
} from '@jupyterlab/codemirror';

import cells from './cells';
import {
  dockerfileCellLanguage,
  dockerfileCellWatcher
} from './notebook/highlight';
import { sidebarPlugins } from './sidebar/index';
import { PLUGIN_ID } from './api/types';

const highlight: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: "A notebook's Dockerfile becomes its kernel.",
  autoStart: true,
  requires: [IEditorLanguageRegistry, IEditorExtensionRegistry],
  activate: (
    _app: JupyterFrontEnd,
    languages: IEditorLanguageRegistry,
    extensions: IEditorExtensionRegistry
  ) => {
    languages.addLanguage(dockerfileCellLanguage);
    extensions.addExtension(dockerfileCellWatcher);
  }
};

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  highlight,
  ...cells,
  ...sidebarPlugins
];

export default plugins;
