import type { JupyterFrontEnd } from '@jupyterlab/application';
import {
  EditorExtensionRegistry,
  EditorLanguageRegistry
} from '@jupyterlab/codemirror';
import { expect, it } from 'vitest';

import { dockerfileCellWatcher } from '../src/highlight';
import plugin from '../src/index';
import { DOCKERFILE_CELL } from '../src/tokens';

it('registers the language and the watcher', () => {
  const languages = new EditorLanguageRegistry();
  const extensions = new EditorExtensionRegistry();
  void plugin.activate({} as JupyterFrontEnd, languages, extensions);
  expect(languages.findByMIME(DOCKERFILE_CELL)?.name).toBe('Dockerfile cell');
  // A name is taken once: the watcher is there.
  expect(() => extensions.addExtension(dockerfileCellWatcher)).toThrow();
});
