"""How a kernel finds the kit. Standard library only, Python 3.9 and newer; used by `boot.py`.

The kit is last on `sys.path`: whatever the image has wins. It is in no environment variable, so
subprocesses and `pip list` never see it.
"""

import importlib.machinery as machinery
import sys


def use(kit, bytecode):
    """Append KIT to `sys.path`. BYTECODE holds what the image's own Python compiled of it (the
    kit is read-only and shared by images, so it can keep none): uncompiled it loads three times
    as slowly. Where BYTECODE is stale or not there, nothing but that time is lost.
    """
    sys.path_hooks.insert(0, _hook(kit, bytecode))
    sys.path.append(kit)


def _hook(kit, bytecode):
    class Loader(machinery.SourceFileLoader):
        """Looks for the kit's bytecode, and only for the kit's, in another place."""

        def get_code(self, fullname):
            """Only finds and reads code; a module runs, and imports others, after this."""
            before, sys.pycache_prefix = sys.pycache_prefix, bytecode
            try:
                return super().get_code(fullname)
            finally:
                sys.pycache_prefix = before

    hook = machinery.FileFinder.path_hook(
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (Loader, machinery.SOURCE_SUFFIXES),
    )

    def kit_hook(path):
        if path != kit and not path.startswith(kit + "/"):
            raise ImportError(path)
        return hook(path)

    return kit_hook
