/** What a Dockerfile can say, in one line each. */

/** A word and what it does. */
export interface IWord {
  readonly name: string;
  readonly doc: string;
}

/** The instructions, the usual ones first. https://docs.docker.com/reference/dockerfile/ */
export const INSTRUCTIONS: readonly IWord[] = [
  { name: 'FROM', doc: 'The image to start from; begins a stage' },
  { name: 'RUN', doc: 'Run a command and keep what it changes' },
  { name: 'COPY', doc: 'Copy files from beside the notebook or a stage' },
  { name: 'ENV', doc: 'Set a variable, here and in the container' },
  { name: 'ARG', doc: 'A variable of the build: --build-arg NAME=VALUE' },
  { name: 'WORKDIR', doc: 'Set the directory for what follows' },
  { name: 'LABEL', doc: 'Describe the image: title, version, source' },
  { name: 'USER', doc: 'Who runs what follows' },
  { name: 'ADD', doc: 'Copy, unpack archives, fetch URLs; COPY is clearer' },
  { name: 'SHELL', doc: 'The shell that RUN uses' },
  {
    name: 'ENTRYPOINT',
    doc: 'What the container starts; a kernel does not use it'
  },
  { name: 'CMD', doc: 'Default command; a kernel does not use it' },
  { name: 'EXPOSE', doc: 'Say which port is served' },
  { name: 'VOLUME', doc: 'Say which directory holds data' },
  {
    name: 'HEALTHCHECK',
    doc: 'How to see if it works; a kernel does not use it'
  },
  { name: 'STOPSIGNAL', doc: 'The signal that ends the container' },
  { name: 'ONBUILD', doc: 'An instruction for images built from this one' }
];

/** The options of `%%dockerfile` that are not settings. */
export const OPTIONS: readonly IWord[] = [
  { name: '-t', doc: 'Name of the image, as in --tag' },
  { name: '--tag', doc: 'Name of the image; a later FROM can use it' },
  { name: '--build-arg', doc: 'NAME=VALUE for an ARG of the Dockerfile' },
  { name: '--target', doc: 'Build up to this stage' },
  { name: '--context', doc: 'Folder that COPY reads; else the notebook’s' },
  {
    name: '--secret',
    doc: 'Name of a secret that RUN --mount=type=secret reads'
  },
  { name: '--no-cache', doc: 'Run every instruction anew' },
  { name: '--no-switch', doc: 'Build only: the notebook’s kernel stays' },
  { name: '--engine', doc: 'Program that builds and runs it' }
];
