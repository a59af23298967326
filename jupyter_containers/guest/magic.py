"""The `%%dockerfile` that a kernel in a container knows. It never builds.

Where the cell is the one this container was built from it says so in one line; otherwise it
says what to type. Standard library only; run by `boot.py` in a namespace of its own.
"""

import hashlib
import os


def load(shell):
    """Register with the IPython shell; `boot.py` and an image's own kernel call it."""
    shell.register_magic_function(dockerfile, "cell", "dockerfile")


def dockerfile(line, cell):
    """%%dockerfile [options]: the image this notebook runs in. Built outside this kernel."""
    known = os.environ.get("JUPYTER_CONTAINERS_CELL", "").split()
    if known and fingerprint(line, cell) in known:
        print("You are in the image of this cell: nothing to build.")
        return
    image = os.environ.get("JUPYTER_CONTAINERS_IMAGE", "this image")
    print(
        "This cell is not what this kernel's container (%s) was built from.\n"
        "A container cannot build images. To build this cell and run the notebook in it:\n"
        "  in JupyterLab, Run All; in a terminal: jupyter containers run NOTEBOOK.ipynb" % image
    )


def fingerprint(line, cell):
    """sha256 of the cell as written: its first line's options and its text."""
    text = " ".join(line.split()) + "\n" + cell.strip() + "\n"
    return hashlib.sha256(text.encode()).hexdigest()
