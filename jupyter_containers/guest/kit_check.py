"""Does the kit start in this image? `python -c TEXT KIT BYTECODE KITPATH_TEXT NONCE`.

Runs a cell in a kernel within this process, with the image's own packages first as in `boot.py`:
old packages say of no new one that it is too new for them, so only trying tells. Compiles the kit
into BYTECODE, which is writable only now. Prints `NONCE ok`, or `NONCE` and why not. Standard
library only, Python 3.9 and newer.
"""

import compileall
import os
import queue
import sys
import tempfile
import traceback


def run_a_cell():
    """Raise where ipykernel cannot be imported, or does not run code."""
    os.environ["HOME"] = os.environ["IPYTHONDIR"] = tempfile.mkdtemp()
    import ipykernel.kernelapp
    from ipykernel.inprocess.manager import InProcessKernelManager

    manager = InProcessKernelManager()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.execute("answer = 40 + 2")
    if manager.kernel.shell.user_ns.get("answer") != 42:
        raise RuntimeError("ipykernel %s runs no code" % ipykernel.__version__)
    try:
        reply = client.shell_channel.get_msg(timeout=5)
    except queue.Empty:
        raise RuntimeError("ipykernel %s does not answer" % ipykernel.__version__) from None
    if reply["content"]["status"] != "ok":
        raise RuntimeError(str(reply["content"])[:500])


def main():
    """Check, then compile."""
    kit, bytecode, text, nonce = sys.argv[1:5]
    out = os.dup(1)
    os.dup2(2, 1)  # what imported modules print is not ours
    if sys.path and sys.path[0] == "":
        del sys.path[0]
    sys.dont_write_bytecode = False  # many images set PYTHONDONTWRITEBYTECODE
    namespace = {}
    exec(text, namespace)
    namespace["use"](kit, bytecode)
    said = "ok"
    try:
        run_a_cell()
    except Exception as error:  # noqa: BLE001  whatever an image's module raises
        where = traceback.extract_tb(error.__traceback__)[-1].filename
        said = "%s: %s (%s)" % (type(error).__name__, str(error)[:600], where)
    if said == "ok":
        # All of it: what only a kernel with sockets, a completion or a breakpoint loads too.
        sys.pycache_prefix = bytecode
        compileall.compile_dir(kit, quiet=2)
    os.write(out, ("\n%s %s\n" % (nonce, said.replace("\n", " "))).encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
