"""convert_images.py ENGINE: the images that tests start from, for an engine that runs what podman
built; by the command that people type."""

import json
import os
import pathlib
import sys

from jupyter_containers.cli.main import main

said = json.loads(pathlib.Path(os.environ["JC_TEST_ENGINES_FILE"]).read_text())
engine = said["engines"][sys.argv[1]]
between = ("--from", "podman", "--to", engine["engine"])
os.environ.update(engine["env"])
if path := engine.get("path"):
    os.environ["PATH"] = f"{path}{os.pathsep}{os.environ['PATH']}"
for name in ("python3.11", "busybox"):
    if code := main(["convert", said["images"][name], *between]):
        sys.exit(code)
