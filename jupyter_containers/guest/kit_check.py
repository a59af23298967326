"""Does the kit start in this image? `python -c TEXT KIT BYTECODE KITPATH_TEXT NONCE`.

Imports ipykernel as `boot.py` would, with the image's own packages first, and compiles the kit
into BYTECODE, which is writable only now. Prints `NONCE ok`, or `NONCE` and why not. Standard
library only, Python 3.9 and newer.
"""

import compileall
import os
import sys
import traceback

LATER = ("debugpy", "jedi", "parso")
"""What a kernel loads on the first completion or breakpoint; the imports compile the rest."""


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
        import ipykernel.kernelapp
        import ipykernel.zmqshell  # noqa: F401
    except Exception as error:  # noqa: BLE001  whatever an image's module raises
        last = traceback.extract_tb(error.__traceback__)[-1]
        said = "%s: %s (%s)" % (type(error).__name__, str(error)[:600], last.filename)
    if said == "ok":
        sys.pycache_prefix = bytecode
        for name in LATER:
            compileall.compile_dir(os.path.join(kit, name), quiet=2)
    os.write(out, ("\n%s %s\n" % (nonce, said.replace("\n", " "))).encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
