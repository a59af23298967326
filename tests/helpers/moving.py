"""An image whose tag in a registry moves on, as `latest` does."""

from __future__ import annotations

import os
import subprocess
import uuid


class Moving:
    """Each `move` publishes another image under the same name: `base` with a file /content."""

    def __init__(self, program: str, registry: str, base: str) -> None:
        self._program, self._base = program, base
        self.reference = f"{registry}/test/moving:{uuid.uuid4().hex[:8]}"

    def move(self, content: str) -> None:
        text = f"FROM {self._base}\nRUN echo {content} > /content\n"
        self._run("build", "-t", self.reference, "-", text=text)
        self._run("push", self.reference)
        self._run("rmi", "-f", self.reference)

    def forget(self) -> None:
        self._run("rmi", "-f", self.reference, check=False)

    def _run(self, *words: str, text: str = "", check: bool = True) -> None:
        subprocess.run(
            [self._program, *words],
            input=text.encode(),
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            capture_output=True,
            check=check,
        )
