"""root_filesystem.py SUITE OUT.tar: the product's own way to a base image, for the tests."""

import asyncio
import sys
from functools import partial
from pathlib import Path

from jupyter_containers.images.bootstrap import root_filesystem

asyncio.run(root_filesystem(sys.argv[1], Path(sys.argv[2]), partial(print, flush=True)))
