/** The Dockerfile that a new cell starts with. */

/**
 * A small Dockerfile by the usual good practice: a pinned base, labels, one RUN that cleans up
 * after itself, a working directory.
 */
export const TEMPLATE = `%%dockerfile
# Run this cell, or all: the notebook then runs in what it describes.
FROM docker.io/library/python:3.12-slim

LABEL org.opencontainers.image.title="My analysis" \\
      org.opencontainers.image.description="What this notebook needs"

# Packages at fixed versions, so that it is the same next year. One RUN is one layer: what it
# removes again takes no room in the image.
RUN pip install --no-cache-dir \\
      numpy==2.3.3 \\
      pandas==2.3.2 \\
 && rm -rf /root/.cache /tmp/*

WORKDIR /work
`;

/** Where the name of the base image stands in it: what one changes first. */
export function baseOfTemplate(): { line: number; from: number; to: number } {
  const lines = TEMPLATE.split('\n');
  const line = lines.findIndex(one => one.startsWith('FROM '));
  return { line, from: 'FROM '.length, to: lines[line]?.length ?? 0 };
}
