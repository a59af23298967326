import type { JupyterFrontEnd } from '@jupyterlab/application';
import {
  EditorExtensionRegistry,
  EditorLanguageRegistry
} from '@jupyterlab/codemirror';
import { expect, it } from 'vitest';

import { DOCKERFILE_CELL, PLUGIN_ID } from '../src/constants';
import plugins from '../src/index';
import { dockerfileCellWatcher } from '../src/notebook/highlight';

it('registers the language and the watcher', () => {
  const languages = new EditorLanguageRegistry();
  const extensions = new EditorExtensionRegistry();
  const plugin = plugins.find(one => one.id === PLUGIN_ID)!;
  void plugin.activate({} as JupyterFrontEnd, languages, extensions);
  expect(languages.findByMIME(DOCKERFILE_CELL)?.name).toBe('Dockerfile cell');
  // A name is taken once: the watcher is there.
  expect(() => extensions.addExtension(dockerfileCellWatcher)).toThrow();
});
