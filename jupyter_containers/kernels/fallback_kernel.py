"""The kernel that stands in where a container cannot: every cell answers with what happened.

Runs on the host as `python -m jupyter_containers.fallback -f FILE`, executes nothing a client
sends, and reads its sentence from its environment, where the provisioner put it.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

from .. import __version__


class FallbackKernel(Kernel):
    """Answers; never executes."""

    implementation = "jupyter-containers-fallback"
    implementation_version = __version__
    banner = "The container of this notebook did not start."

    @property
    def language_info(self) -> dict[str, Any]:  # type: ignore[override]
        """The notebook's own: clients write it into the file."""
        info: dict[str, Any] = json.loads(os.environ["JUPYTER_CONTAINERS_LANGUAGE_INFO"])
        return info

    async def do_execute(
        self,
        code: str,
        silent: bool,
        *_args: Any,
        **_kwargs: Any,
    ) -> dict[str, Any]:
        """The trouble as an error, so that a run stops here; blank code is fine. Where there only
        is no image yet, the run stops as well, and what is shown is plain text."""
        if not code.strip():
            return {
                "status": "ok",
                "execution_count": self.execution_count,
                "payload": [],
                "user_expressions": {},
            }
        message = os.environ.get("JUPYTER_CONTAINERS_TROUBLE", "The container did not start.")
        hint = os.environ.get("JUPYTER_CONTAINERS_HINT", "")
        error = {
            "ename": "ContainerNotStarted",
            "evalue": f"{message}\n{hint}".rstrip(),
            "traceback": [*message.splitlines(), "", *hint.splitlines(), "", _AGAIN],
        }
        if not silent and os.environ.get("JUPYTER_CONTAINERS_EMPTY"):
            told = {"name": "stdout", "text": f"{message}\n{hint}\n"}
            self.send_response(self.iopub_socket, "stream", told)  # type: ignore[no-untyped-call]
        elif not silent:
            self.send_response(self.iopub_socket, "error", error)  # type: ignore[no-untyped-call]
        return {"status": "error", "execution_count": self.execution_count, **error}


_AGAIN = "Nothing was run. When this is put right, restart the kernel."


def main() -> None:
    """Entry of `python -m jupyter_containers.fallback`."""
    IPKernelApp.launch_instance(kernel_class=FallbackKernel)
