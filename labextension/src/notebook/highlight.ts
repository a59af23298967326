/** Highlights code cells that start with `%%dockerfile` as Dockerfiles. */

import {
  LanguageSupport,
  StreamLanguage,
  type StreamParser
} from '@codemirror/language';
import { dockerFile } from '@codemirror/legacy-modes/mode/dockerfile';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import type {
  IEditorExtensionFactory,
  IEditorLanguage
} from '@jupyterlab/codemirror';

import { DOCKERFILE_CELL } from '../constants';

const MAGIC = /^\s*%%dockerfile(?=\s|$)/;

/** Whether a cell's source starts with `%%dockerfile`, by IPython's rule for cell magics. */
export function isDockerfileCell(source: string): boolean {
  return MAGIC.test(source);
}

interface IState {
  beforeMagic: boolean;
  dockerfile: unknown;
}

const mode: StreamParser<unknown> = dockerFile;

const parser: StreamParser<IState> = {
  name: 'dockerfile-cell',
  languageData: { commentTokens: { line: '#' } },
  startState: indentUnit => ({
    beforeMagic: true,
    dockerfile: mode.startState?.(indentUnit)
  }),
  copyState: state => ({
    beforeMagic: state.beforeMagic,
    dockerfile: mode.copyState?.(state.dockerfile) ?? {
      ...(state.dockerfile as object)
    }
  }),
  token: (stream, state) => {
    if (!state.beforeMagic) {
      return mode.token(stream, state.dockerfile);
    }
    if (stream.eatSpace() && stream.eol()) {
      return null;
    }
    stream.skipToEnd();
    state.beforeMagic = false;
    return 'meta';
  }
};

/** The Dockerfile language with the magic's line on top, for JupyterLab's language registry. */
export const dockerfileCellLanguage: IEditorLanguage = {
  name: 'Dockerfile cell',
  mime: DOCKERFILE_CELL,
  support: new LanguageSupport(StreamLanguage.define(parser))
};

/**
 * Gives Dockerfile cells their MIME type.
 *
 * JupyterLab sets a code cell's MIME type from the kernel's language, on insert and again on
 * every kernel change, so both the source and the type are watched.
 */
export const dockerfileCellWatcher: IEditorExtensionFactory = {
  name: 'jupyter-containers:dockerfile-cell',
  factory: ({ model }) => {
    watch(model);
    return null;
  }
};

const watchedModels = new WeakSet<CodeEditor.IModel>();

function watch(model: CodeEditor.IModel): void {
  if (watchedModels.has(model) || !('type' in model) || model.type !== 'code') {
    return;
  }
  watchedModels.add(model);
  let kernelType = model.mimeType;
  const update = () => {
    if (model.mimeType !== DOCKERFILE_CELL) {
      kernelType = model.mimeType;
    }
    model.mimeType = isDockerfileCell(model.sharedModel.getSource())
      ? DOCKERFILE_CELL
      : kernelType;
  };
  model.sharedModel.changed.connect(update);
  model.mimeTypeChanged.connect(update);
  update();
}
