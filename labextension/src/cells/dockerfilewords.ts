/** The words of a Dockerfile cell, with what they mean. */

import { trans } from '../trans';

/** A word and its description. */
export interface ICompletion {
  readonly name: string;
  readonly doc: string;
}

/** The instructions, the most common ones first. https://docs.docker.com/reference/dockerfile/ */
export const instructions = (): readonly ICompletion[] => [
  { name: 'FROM', doc: trans.__('The image to start from; begins a stage') },
  { name: 'RUN', doc: trans.__('Run a command and keep what it changes') },
  {
    name: 'COPY',
    doc: trans.__('Copy files from beside the notebook or a stage')
  },
  { name: 'ENV', doc: trans.__('Set a variable, here and in the container') },
  {
    name: 'ARG',
    doc: trans.__('A variable of the build: --build-arg NAME=VALUE')
  },
  { name: 'WORKDIR', doc: trans.__('Set the directory for what follows') },
  {
    name: 'LABEL',
    doc: trans.__('Describe the image: title, version, source')
  },
  { name: 'USER', doc: trans.__('Who runs what follows') },
  {
    name: 'ADD',
    doc: trans.__('Copy, unpack archives, fetch URLs; COPY is clearer')
  },
  { name: 'SHELL', doc: trans.__('The shell that RUN uses') },
  {
    name: 'ENTRYPOINT',
    doc: trans.__('What the container starts; a kernel does not use it')
  },
  { name: 'CMD', doc: trans.__('Default command; a kernel does not use it') },
  { name: 'EXPOSE', doc: trans.__('Say which port is served') },
  { name: 'VOLUME', doc: trans.__('Say which directory holds data') },
  {
    name: 'HEALTHCHECK',
    doc: trans.__('How to see if it works; a kernel does not use it')
  },
  { name: 'STOPSIGNAL', doc: trans.__('The signal that ends the container') },
  {
    name: 'ONBUILD',
    doc: trans.__('An instruction for images built from this one')
  }
];

/** The options of `%%dockerfile` that are not settings. */
export const cellOptions = (): readonly ICompletion[] => [
  { name: '-t', doc: trans.__('Name of the image, as in --tag') },
  {
    name: '--tag',
    doc: trans.__('Name of the image; a later FROM can use it')
  },
  {
    name: '--build-arg',
    doc: trans.__('NAME=VALUE for an ARG of the Dockerfile')
  },
  { name: '--target', doc: trans.__('Build up to this stage') },
  {
    name: '--context',
    doc: trans.__('Folder that COPY reads; else the notebook’s')
  },
  {
    name: '--secret',
    doc: trans.__('Name of a secret that RUN --mount=type=secret reads')
  },
  { name: '--no-cache', doc: trans.__('Run every instruction anew') },
  {
    name: '--no-switch',
    doc: trans.__('Build only: the notebook’s kernel stays')
  },
  { name: '--engine', doc: trans.__('Program that builds and runs it') }
];

/** The options of COPY and ADD. */
export const copyOptions = (): readonly ICompletion[] => [
  { name: '--from=', doc: trans.__('Copy from a stage or an image') },
  { name: '--chown=', doc: trans.__('Who owns the files: user:group') },
  { name: '--chmod=', doc: trans.__('Permissions of the files: 0644') },
  {
    name: '--link',
    doc: trans.__('A layer that does not depend on those below')
  }
];

/** The options of RUN. */
export const runOptions = (): readonly ICompletion[] => [
  {
    name: '--mount=type=cache,target=',
    doc: trans.__(
      'A folder that stays between builds and is in no image, such as /root/.cache/pip'
    )
  },
  {
    name: '--mount=type=bind,source=',
    doc: trans.__('Read files from beside the notebook without copying them')
  },
  {
    name: '--mount=type=secret,id=',
    doc: trans.__(
      'Read a secret (--secret) from /run/secrets/ID; it is in no layer'
    )
  },
  { name: '--network=none', doc: trans.__('Run the command without a network') }
];
