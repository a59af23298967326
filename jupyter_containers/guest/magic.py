"""The `%%dockerfile` that a kernel in a container knows. It never builds.

Where the cell is the one this container was built from, or an earlier one of its notebook, it says
so in one line. Otherwise it fails and says what to type, so that no later cell runs in another
environment than the notebook says. Standard library only; run by `boot.py` in a namespace of its
own, with `__file__` set. What a cell is says `cell.py`, which the host reads too.
"""

import os


def load(shell):
    """Register with the IPython shell; `boot.py` and an image's own kernel call it."""
    # As the host reads them, `$NAME` and `{NAME}` in the options are no variables of Python's.
    # https://ipython.readthedocs.io/en/stable/whatsnew/version7.html#ipython-7-3-0
    dockerfile._ipython_magic_no_var_expand = True
    shell.register_magic_function(dockerfile, "cell", "dockerfile")


class OtherImage(Exception):
    """The cell is not what the container was built from."""

    def _render_traceback_(self):
        # IPython's: of a traceback into this file nothing would help.
        return str(self).splitlines()


def dockerfile(line, cell):
    """%%dockerfile [options]: the image this notebook runs in. Built outside this kernel."""
    grammar = read_grammar()
    try:
        options = grammar["parse"](line)
    except ValueError as error:
        raise OtherImage("%%%%dockerfile: %s." % error) from None
    known = os.environ.get("JUPYTER_CONTAINERS_CELL", "").split()
    made_of = (cell, options.build_args, options.target or "", options.secret)
    fingerprint = grammar["fingerprint"](*made_of)
    if fingerprint in known[:1]:
        print("You are in the image of this cell: nothing to build.")
    elif fingerprint in known:
        print("You are in the image of a later cell: nothing to build.")
    elif options.no_switch:
        print("This cell builds an image beside the notebook's own; a container builds none.")
    else:
        raise OtherImage(
            "This cell is not what this kernel's container (%s) was built from, and a container "
            "builds no images.\nTo build it and run the notebook in it, run the cell in JupyterLab "
            "with jupyter-containers, or type in a terminal:\n"
            "  jupyter containers run NOTEBOOK.ipynb"
            % os.environ.get("JUPYTER_CONTAINERS_IMAGE", "its image")
        )


def read_grammar():
    """`cell.py`, which need not be importable here. Read only when a cell asks for it."""
    path = os.path.join(os.path.dirname(__file__), "cell.py")
    namespace = {"__name__": "jupyter_containers_cell"}
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), namespace)
    return namespace
