"""Every error a person can meet, with its sentence, its way out and its HTTP status.

    ContainersError
    ├── BadInput                 what was asked makes no sense            400
    │   ├── BadReference         an image reference that does not parse
    │   ├── BadSettings          unknown keys, wrong types, odd paths
    │   ├── NoImageYet           a notebook without settings
    │   ├── Unknown              no notebook, build or container of that name   404
    │   └── DockerfileError      a mistake in a Dockerfile, with its line
    ├── Refused                  somebody has to allow it first           403
    │   ├── PolicyRefused        the administrator's policy says no
    │   └── NotApproved          this person has not said yes yet
    │       └── AsksMore         the yes was to a shorter list                 409
    ├── EngineError              the engine                               502
    │   ├── EngineMissing        not installed                            503
    │   ├── EngineDown           installed, does not answer               503
    │   ├── Unsupported          this engine cannot do that               501
    │   └── EngineFailed         it tried and failed (argv, code, stderr)
    ├── ImageError               the image                                409
    │   ├── ImageNotHere         not on this machine                      404
    │   ├── ImageUnusable        no interpreter and no kernel in it
    │   └── KitFailed            ipykernel cannot be fitted to it
    ├── BuildError               a build                                  422
    │   ├── BuildFailed          an instruction failed (line, code, tail)
    │   ├── BaseUnknown          FROM names an image that nobody has        404
    │   ├── BuildCancelled       somebody stopped it
    │   ├── DiskFull             no space left                            507
    │   └── NetworkFailed        a registry or index was not reached      502
    ├── KernelError              a container that runs a kernel           500
    │   ├── StartFailed          it did not come up
    │   │   └── DeviceUnknown    the engine knows no device of that name  404
    │   ├── KernelDied           it came up and ended (exit, signal, out of memory)
    │   ├── PortSilent           nothing listens on a port in it           503
    │   ├── NoHttp               what listens there is no web app          502
    │   └── StreamFailed         no connection or program in it               502
    └── SystemRefused            this machine: a disk that is full or read-only   507

A class owns its sentence: `message` says what happened and why, `hint` what to do next. Both
are plain text that came through `text.printable`, so that neither a terminal nor a browser is
at the mercy of what an image or an engine printed.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar


class ContainersError(Exception):
    """Base of all. Caught once by each front: the CLI, the routes, the provisioner."""

    status: ClassVar[int] = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class BadInput(ContainersError):
    """What was asked makes no sense; nothing was started."""

    status = 400


class OtherLanguage(BadInput):
    """The image has no kernel for the language that the notebook is written in."""


class BadReference(BadInput):
    """An image reference outside the grammar of the OCI distribution specification."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:200]!r} is not an image reference.",
            "Write it as name:tag, for example python:3.12-slim or ghcr.io/org/image@sha256:…",
        )


class BadSettings(BadInput):
    """A key or value of the settings that cannot be taken; `key` names it for the form."""

    def __init__(self, key: str, why: str, hint: str = "") -> None:
        super().__init__(f"Setting {key!r}: {why}", hint)
        self.key = key


class NoImageYet(BadInput):
    """A new notebook: nothing has failed, and there is nothing to run it in so far."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no image yet, so nothing was run.",
            "Put a %%dockerfile cell at its top and run all cells, or choose an image: the sidebar "
            f"“Containers” offers both. In a terminal: jupyter containers run {shlex.quote(name)}",
        )


class Unknown(BadInput):
    """A notebook, build, container or kernel spec that is not there, or no longer."""

    status = 404


class DockerfileError(BadInput):
    """A mistake in a Dockerfile found before any engine sees it. Lines count from 1."""

    def __init__(self, line: int, instruction: str, why: str, hint: str = "") -> None:
        super().__init__(f"Dockerfile line {line}: {instruction}: {why}", hint)
        self.line = line
        self.instruction = instruction


class Refused(ContainersError):
    """Somebody has to allow it first."""

    status = 403


class PolicyRefused(Refused):
    """The administrator's policy forbids it; `trait` names the setting that does."""

    def __init__(self, what: str, trait: str, hint: str = "") -> None:
        super().__init__(
            f"{what} ({trait}).",
            hint or f"Ask the administrator, who sets {trait} in jupyter_containers_config.py.",
        )
        self.trait = trait


class NotApproved(Refused):
    """The settings ask for more than this person has approved; `items` says what, in words."""

    asks = "asks for what you have not approved yet"
    way_out = "Approve it in the Containers sidebar, or run: jupyter containers approve"

    def __init__(self, items: Sequence[str], where: str) -> None:
        listed = "\n".join(f"  - {item}" for item in items)
        super().__init__(f"{where} {self.asks}:\n{listed}", f"{self.way_out} {shlex.quote(where)}")
        self.items = tuple(items)


class BuildNotApproved(NotApproved):
    """A build would read more than this person has approved."""

    asks = "builds from what you have not approved yet"
    way_out = (
        "Run the cell in JupyterLab, which asks you, or run: jupyter containers build --approve"
    )


class CellNotApproved(BuildNotApproved):
    """This person did not write the cell, and has not seen it; `items` is the cell."""

    asks = "has a cell that you have not approved yet"


class AsksMore(NotApproved):
    """More is asked for than was shown when this person said yes, so nothing was approved."""

    status = 409


class EngineError(ContainersError):
    """The engine is missing, silent, unable or failing."""

    status = 502


class EngineMissing(EngineError):
    """The engine's program is not on PATH."""

    status = 503


class EngineDown(EngineError):
    """The engine is installed but does not answer (a daemon, a socket, a machine)."""

    status = 503


class Unsupported(EngineError):
    """The engine cannot do this; the sentence names one that can."""

    status = 501


class EngineFailed(EngineError):
    """An engine's command failed. Keeps the command, its exit code and what it said."""

    def __init__(self, argv: Sequence[str], code: int, stderr: str, hint: str = "") -> None:
        last = " ".join(stderr.strip().splitlines()[-3:])[-800:] or "no message"
        super().__init__(f"{argv[0]} {argv[1] if len(argv) > 1 else ''} failed: {last}", hint)
        self.argv = tuple(argv)
        self.code = code
        self.stderr = stderr


class ImageError(ContainersError):
    """The image is absent or of no use for a kernel."""

    status = 409


class ImageNotHere(ImageError):
    """A launch never pulls or builds, so an image that is not here ends it."""

    status = 404

    def __init__(self, reference: str, engine: str) -> None:
        super().__init__(
            f"The image {reference} is not on this machine ({engine}).",
            f"Build it from the notebook's %%dockerfile cell, or run: "
            f"jupyter containers pull --engine {engine} {shlex.quote(reference)}",
        )
        self.reference = reference


class ImageUnusable(ImageError):
    """Neither a Python (3.9 or newer) nor a kernel spec was found in the image."""


class KitFailed(ImageError):
    """ipykernel could not be fitted to the image's Python; names package and version."""


class BuildError(ContainersError):
    """A build that did not end in an image. `line` of the Dockerfile counts from 1, where one is
    to blame; the sidebar marks it, whichever of these errors it is."""

    status = 422
    instruction: str = ""
    line: int | None = None
    tail: str = ""


class BuildFailed(BuildError):
    """An instruction failed. `line` counts from 1 in the Dockerfile; `tail` is its last output."""

    def __init__(
        self, instruction: str, line: int | None, code: int | None, tail: str, hint: str = ""
    ) -> None:
        where = f"Dockerfile line {line}: " if line else ""
        ended = f" ended with exit code {code}" if code is not None else " failed"
        super().__init__(f"{where}{instruction}{ended}.\n{tail}".rstrip(), hint)
        self.instruction, self.line, self.code, self.tail = instruction, line, code, tail


class BaseUnknown(BuildError):
    """A base image that is neither on this machine nor in its registry."""

    status = 404

    def __init__(self, reference: str, line: int | None, said: str) -> None:
        where = f"Dockerfile line {line}: " if line else ""
        super().__init__(
            f"{where}the image {reference} is not on this machine, and its registry has none "
            f"of that name: {said}",
            "Check its spelling and tag. For a private image, log in with the engine first.",
        )
        self.instruction = f"FROM {reference}"
        self.line = line


class BuildCancelled(BuildError):
    """Somebody stopped the build (or pull, or conversion); every process of it is gone."""

    def __init__(self, what: str = "build", again: str = "Run the cell again to build it.") -> None:
        super().__init__(f"The {what} was cancelled.", again)


class DiskFull(BuildError):
    """No space is left where the engine keeps its images, or in our own cache."""

    status = 507

    def __init__(self, where: str) -> None:
        super().__init__(
            f"The disk is full ({where}).",
            "Free some with: jupyter containers prune --images",
        )


class NetworkFailed(BuildError):
    """A registry, package index or proxy was not reached, or its certificate not trusted."""

    status = 502

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        instruction: str = "",
        line: int | None = None,
        tail: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.instruction, self.line, self.tail = instruction, line, tail


class KernelError(ContainersError):
    """A container that should run, or ran, a kernel."""


class StartFailed(KernelError):
    """The container did not come up; the sentence carries its last lines."""


class DeviceUnknown(StartFailed):
    """No CDI specification has a device of that name; the hint says which there are."""

    status = 404

    def __init__(self, engine: str, devices: Sequence[str]) -> None:
        super().__init__(f"{engine} does not know the device {' or '.join(devices)}.")


class MountReplaced(StartFailed):
    """A mount's source was swapped between the policy's look and the engine's mount."""

    def __init__(self, target: str, found: str = "") -> None:
        super().__init__(
            f"The folder mounted at {target} is not the one that was allowed: it was replaced "
            f"while the container started{f' (there was {found})' if found else ''}.",
            "Start the kernel again; if it happens again, see who replaces it.",
        )


class KernelDied(KernelError):
    """The kernel ended by itself: its exit code or signal, and out of memory named as such."""

    def __init__(
        self, message: str, hint: str = "", *, out_of_memory: bool = False, exited: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.out_of_memory = out_of_memory
        self.exited = exited
        """It ended by itself with an exit code, not by a signal."""
        self.final = False
        """Its place is gone: a new one is taken only where a person asks for it."""


class PortSilent(KernelError):
    """Nothing answers on a port of a container now; that may change by itself."""

    status = 503


class NoHttp(KernelError):
    """What listens on a port gave no answer that a browser can read."""

    status = 502

    def __init__(self, port: int) -> None:
        super().__init__(
            f"What listens on port {port} in this notebook's container gave no HTTP answer.",
            "It speaks another protocol, it closed the connection, or its answer began with "
            "headers of more than 64 KiB.",
        )


class StreamFailed(KernelError):
    """No connection into a container, or no program in it; `code` is the container's word for why,
    which is for programs."""

    status = 502

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class SystemRefused(ContainersError):
    """This machine did not do what every program asks of it: a disk is full or read-only, files
    or memory are used up. Made from an OSError by the fronts, which nobody has to expect then."""

    status = 507

    def __init__(self, error: OSError) -> None:
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        name = name if name.isprintable() else ascii(name)
        why = error.strerror or str(error)
        at = f" at {name}" if name else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"There is no space left{at} ({why})."
            hint = "Free some; images that no cell uses go with: jupyter containers prune --images"
        elif name and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            message, hint = f"{name} cannot be used: {why}.", _ELSEWHERE
        else:
            message, hint = f"This machine refused it{at}: {why}.", _ELSEWHERE
        super().__init__(message, hint)


_ELSEWHERE = (
    "Our files are below XDG_RUNTIME_DIR and XDG_CACHE_HOME: make those writable for you, or set "
    "them to directories that are."
)


def sentence_of(error: BaseException) -> BaseException:
    """An error of this machine as one of ours; any other, such as that of a connection that has
    ended, as it is."""
    lost = isinstance(error, ConnectionError | TimeoutError)
    if lost or not isinstance(error, OSError) or error.errno is None:
        return error
    return SystemRefused(error)


@contextmanager
def system_errors() -> Iterator[None]:
    """For the block, the same of whatever is raised."""
    try:
        yield
    except OSError as error:
        if (told := sentence_of(error)) is error:
            raise
        raise told from error
