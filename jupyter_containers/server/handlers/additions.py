"""What was installed in a notebook's container, as lines for its Dockerfile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from jupyter_server.auth.decorator import authorized
from tornado import web

from ...dockerfile.additions import add, key_of, lacking, named
from ...dockerfile.installed import Printed, Seen, installed, printed
from ...dockerfile.installs import APT, PIP, Install, installs
from ...engines.registry import choose_engine
from ...errors import BadInput, ContainersError
from ...images.facts import Interpreter
from ...images.package_index import look_up, plain_requirement
from ...images.prepare import python_of
from ...kernels.changed_paths import installs_of
from ...kernels.changes import find_changes
from ...kernels.state import KernelState
from ...notebook.cells import DockerfileCell, parse_cell
from ..state import Server
from .base import Handler

_APT_MOVES = (
    "Packages of apt are not pinned: the archives keep only the newest version, and a build that "
    "asks for another fails."
)
_NO_INDEX = (
    "Which index a package came from is not known: for one of your own, write its option into the "
    "line."
)
_NO_VERSION = "What is installed from an address is not pinned: name a tag or a commit in it."

_NO_NETWORK = (
    "This container has no network, so nothing can be downloaded into it. Set its network to "
    "private in the sidebar; or install in the Dockerfile, whose builds have a network."
)
_UNTRUSTED = (
    "This container does not trust the certificate of the site that was asked: a proxy of your "
    "network may sign with a CA of its own. "
)
_LEND = (
    "To lend the CA bundle of the Jupyter server to all kernels, an administrator sets "
    "c.Policy.kernel_ca = 'auto' in jupyter_containers_config.py."
)
_LENT = (
    "The bundle of c.Policy.kernel_ca does not hold that CA, or was named after this container had "
    "started: shut the kernel down and start it anew."
)


@dataclass(frozen=True)
class _Offer:
    """A cell's installs as lines. `ask`: the output does not tell all versions."""

    packages: tuple[str, ...]
    lines: tuple[str, ...]
    text: str
    notes: tuple[str, ...]
    ask: bool


class Additions(Handler):
    """`additions`"""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """The Dockerfile cell with what another cell has installed. Changes nothing."""
        body = self.body("path", "source", "output", "dockerfile", "packages")
        path = body.text("path", most=4000)
        source, output = body.text("source"), body.text("output", "")
        seen = body.versions("packages")
        given = body.text("dockerfile", "")
        notebook = await self.server.notebook(path)
        found = installs(source)
        kernel = await self.server.kernel_of(path, notebook) if found else None
        cell = _cell(given, kernel)
        python = await _python_of(self.server, kernel)
        image = python.distributions if python is not None else {}
        said = printed(output)
        # A Dockerfile may have thousands of lines.
        offer = await asyncio.to_thread(_offered, cell, found, said, seen, image)
        self.answer(
            {
                "packages": list(offer.packages),
                "lines": list(offer.lines),
                "dockerfile": _whole(given, cell, offer.text) if offer.lines else given,
                "notes": [*offer.notes, *await self._why(kernel, said)],
                "ask": offer.ask,
            }
        )

    async def _why(self, kernel: KernelState | None, said: Printed) -> list[str]:
        """What to do where a download failed for a reason outside of the packages."""
        if kernel is None or not said.failed:
            return []
        settings = kernel.settings
        if said.unreached and settings is not None and settings.network == "none":
            return [_NO_NETWORK]
        if said.untrusted:
            lends = (await self.server.policy()).kernel_ca
            return [_UNTRUSTED + (_LENT if lends else _LEND)]
        return []


def _cell(given: str, kernel: KernelState | None) -> DockerfileCell:
    """The Dockerfile cell, or one on the image that runs where the notebook has none. Raises
    BadInput."""
    if not given and kernel is not None and kernel.image:
        given = f"%%dockerfile\nFROM {kernel.image}"
    cell = parse_cell(given)
    if cell is None:
        raise BadInput(
            "The notebook has no Dockerfile cell to add to.",
            "Insert one: New Dockerfile Cell in the palette.",
        )
    return cell


def _whole(given: str, cell: DockerfileCell, text: str) -> str:
    """A cell's source with another Dockerfile in it."""
    head = "\n".join(given.split("\n")[: cell.first_line - 1]) if given else "%%dockerfile"
    return f"{head}\n{text}"


async def _python_of(server: Server, kernel: KernelState | None) -> Interpreter | None:
    """The Python of the image that a kernel runs in; None where nobody knows it."""
    if kernel is None or not kernel.image:
        return None
    named = kernel.settings.kernel if kernel.settings is not None else ""
    try:
        engine = await choose_engine(kernel.engine, await server.policy())
        image = await engine.image(kernel.image)
        return await python_of(engine, image, named) if image is not None else None
    except ContainersError:
        return None


def _offered(
    cell: DockerfileCell,
    found: list[Install],
    said: Printed,
    seen: Seen | None,
    image: Mapping[str, str],
) -> _Offer:
    """Raises DockerfileError."""
    text, ask = cell.text, False
    packages: list[str] = []
    lines: list[str] = []
    notes: list[str] = []
    for one in found:
        known = {package: installed(package, said, seen, image) for package in one.packages}
        unknown = {key_of(package) for package, there in known.items() if there is None}
        if seen is None and not said.failed and one.tool != APT:
            ask = ask or bool(unknown - named(text))
        kept = replace(one, packages=tuple(there for there in known.values() if there is not None))
        kept = replace(kept, files=(), addresses=()) if said.failed else kept
        kept = lacking(text, kept)
        added = add(text, kept, cell.options.target)
        text = added.text
        lines += [line for line in added.lines if line not in lines]
        packages += [package.pinned for package in kept.packages]
        packages += [*kept.addresses, *kept.files]
        if not said.failed or kept.packages:
            notes += one.notes
        notes += [_APT_MOVES] if one.tool == APT and kept.packages else []
        notes += [_NO_VERSION] if kept.addresses else []
    return _Offer(tuple(packages), tuple(lines), text, tuple(dict.fromkeys(notes)), ask)


class Packages(Handler):
    """`packages`"""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Whether the package index has a package, and its version for the notebook's image."""
        body = self.body("path", "requirement")
        path = body.text("path", most=4000)
        requirement = plain_requirement(body.text("requirement", most=500))
        notebook = await self.server.notebook(path)
        kernel = await self.server.kernel_of(path, notebook)
        self.answer(asdict(await look_up(requirement, await _python_of(self.server, kernel))))


def _added(cell: DockerfileCell, found: list[Install]) -> tuple[list[str], list[str], str]:
    """The packages that a Dockerfile lacked, the lines of it that are new or changed, and all of
    it. Raises DockerfileError."""
    text = cell.text
    packages: list[str] = []
    lines: list[str] = []
    for install in found:
        kept = lacking(text, install)
        added = add(text, kept, cell.options.target)
        text = added.text
        lines += [line for line in added.lines if line not in lines]
        packages += [package.pinned for package in kept.packages]
    return packages, lines, text


class ChangedSince(Handler):
    """`containers/NAME/changes`"""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """What is not as in the container's image: packages, and files by folder."""
        found = await find_changes(await self.server.container(name))
        self.answer(
            {
                "packages": [asdict(one) for one in found.packages],
                "folders": [asdict(one) for one in found.folders],
                "more": found.more,
            }
        )

    @web.authenticated
    @authorized
    async def post(self, name: str) -> None:
        """A Dockerfile cell with the packages that were installed. Changes nothing."""
        given = self.body("dockerfile").text("dockerfile", "")
        one = await self.server.container(name)
        kernel = self.server.kernels().get(one.label("kernel"))
        cell = _cell(given, kernel)
        found = await find_changes(one)
        made = await asyncio.to_thread(_added, cell, installs_of(found.packages, found.seen))
        packages, lines, text = made
        asked = {one.tool for one in found.packages if one.asked}
        notes = [note for tool, note in ((APT, _APT_MOVES), (PIP, _NO_INDEX)) if tool in asked]
        self.answer(
            {
                "packages": packages,
                "lines": lines,
                "dockerfile": _whole(given, cell, text) if lines else given,
                "notes": notes,
                "ask": False,
            }
        )


HANDLERS: list[tuple[str, type[Handler]]] = [
    ("additions", Additions),
    ("containers/([^/]+)/changes", ChangedSince),
    ("packages", Packages),
]
