/** Wires the front end into JupyterLab. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  IEditorExtensionRegistry,
  IEditorLanguageRegistry
} from '@jupyterlab/codemirror';

import { ITranslator } from '@jupyterlab/translation';

import { Api, IApi } from './api/api';
import { Requests } from './api/request';
import cells from './cells';
import { PLUGIN_ID } from './constants';
import {
  dockerfileCellLanguage,
  dockerfileCellWatcher
} from './notebook/highlight';
import outputs from './outputs';
import { sidebarPlugins } from './sidebar/index';
import { streamPlugins } from './streams';
import { setTranslator } from './trans';

const api: JupyterFrontEndPlugin<Api> = {
  id: 'jupyter-containers:api',
  description: 'The client of the server extension, which all plugins share.',
  autoStart: true,
  provides: IApi,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) => {
    if (translator) {
      setTranslator(translator);
    }
    return new Api(new Requests(app.serviceManager.serverSettings));
  }
};

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
  api,
  highlight,
  ...cells,
  outputs,
  ...sidebarPlugins,
  ...streamPlugins
];

export default plugins;
