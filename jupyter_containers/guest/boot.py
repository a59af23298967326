"""Start ipykernel in a container: `python boot.py KIT CONNECTION_FILE`.

KIT is a directory of installed wheels or `-`; `kitpath.py` says how it is used. What the image's
Python compiled of it lies beside it in `bytecode`. Python 3.9 and newer.
"""

import gc
import os
import site
import sys
import sysconfig
import tempfile

MEMORY = "/dev/shm"


def main():
    """Run until the kernel ends."""
    kit, connection_file = sys.argv[1:3]
    gc.disable()  # some 90,000 objects are about to be made, hardly one of them garbage
    here = os.path.dirname(os.path.abspath(__file__))
    # `python FILE` puts it first, and CPython resolves links (/opt may be one); unless the image's
    # environment forbids it (PYTHONSAFEPATH).
    if sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(here):
        del sys.path[0]
    find_user_packages()
    if kit != "-":
        use = executed(os.path.join(here, "kitpath.py"))["use"]
        use(kit, os.path.join(os.path.dirname(kit), "bytecode"))
    note = os.environ.pop("JUPYTER_CONTAINERS_NOTE", "")
    import ipykernel
    from ipykernel.kernelapp import IPKernelApp

    if ipykernel.version_info < (7,):
        connection_file = copied(connection_file)
    app = IPKernelApp.instance()
    # Without a parent ipykernel prints how to stop it by hand, which would begin every log. A
    # parent of id 1, as the guest is, it does not watch.
    app.parent_handle = 1
    # HOME is as new, and ends as soon, as this container. Making IPython's database on a disk
    # takes 30 to 50 ms, most of it waiting for that disk.
    # Not in Shifter's, which share that memory with all of the machine.
    if os.access(MEMORY, os.W_OK) and "SHIFTER_IMAGE" not in os.environ:
        app.config.HistoryManager.hist_file = MEMORY + "/jupyter-containers-history.sqlite"
    # As `python -m ipykernel_launcher` does; the working directory is first on the path again
    # once IPython has started.
    mark_own_port(app)
    app.initialize(["-f", connection_file])
    shell = getattr(app, "shell", None)
    if shell is not None:
        prepare(shell, here, note)
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.freeze()
        gc.unfreeze()  # everything is old now, without having been looked at
    gc.enable()
    app.start()


def mark_own_port(app):
    """Once it listens on a port for the output of its forks, have it leave open, until it ends, a
    file in memory whose name says which: `listening.py` tells that port to nobody.

    https://github.com/ipython/ipykernel/blob/v7.1.0/ipykernel/iostream.py#L243
    """
    init_iopub = app.init_iopub

    def marked(*args):
        init_iopub(*args)
        port = getattr(app.iopub_thread, "_pipe_port", 0)
        if port and hasattr(os, "memfd_create"):  # PyPy has none
            os.memfd_create("jupyter-containers-port-%d" % port)

    app.init_iopub = marked


def find_user_packages():
    """Let cells import what `%pip install` puts below HOME, where the image's own directory is not
    writable: Python looks there only if that directory was there when it started.

    https://docs.python.org/3/library/site.html#site.ENABLE_USER_SITE
    """
    if not site.ENABLE_USER_SITE or os.access(sysconfig.get_path("purelib"), os.W_OK):
        return
    folder = site.getusersitepackages()
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return  # pip cannot write there either
    if folder not in sys.path:
        of_all = set(site.getsitepackages())
        at = next((n for n, path in enumerate(sys.path) if path in of_all), len(sys.path))
        sys.path.insert(at, folder)


def copied(connection_file):
    """A copy that may be written: ours is read-only, and ipykernel 5 writes anew what it read.

    https://github.com/ipython/ipykernel/blob/5.x/ipykernel/kernelapp.py#L223
    """
    descriptor, path = tempfile.mkstemp(prefix="kernel-", suffix=".json")
    with open(connection_file) as original, os.fdopen(descriptor, "w") as copy:
        copy.write(original.read())
    return path


def executed(path):
    """What a file of ours defines. It is no module, which the image's own could be named as; and
    it is read as UTF-8, whatever the image's locale is."""
    name = os.path.splitext(os.path.basename(path))[0]
    namespace = {"__name__": "jupyter_containers_" + name, "__file__": path}
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec"), namespace)
    return namespace


def prepare(shell, here, note):
    """Give the shell our magic, and say in the first cell why the last kernel died."""
    executed(os.path.join(here, "magic.py"))["load"](shell)
    if not note:
        return

    def tell(*_info):
        shell.events.unregister("pre_run_cell", tell)
        print(note, file=sys.stderr)

    shell.events.register("pre_run_cell", tell)


if __name__ == "__main__":
    main()
