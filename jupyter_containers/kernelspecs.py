"""Kernel specs of ours in the person's Jupyter data directory: written, listed, removed, read.

A pinned spec names its image and settings in the one key `metadata.container`. Clients that know
provisioners start it through ours; others (VS Code) start its argv, the relay, which does the
same. Only specs that carry our mark are ever changed or removed.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_core.paths import jupyter_data_dir

from .errors import BadInput, BadReference, BadSettings, ContainersError, KernelError, Unknown
from .host.paths import read_untrusted, replace_file
from .models import parse_image
from .policy.policy import Policy
from .settings.schema import Settings
from .text import one_line, untrusted_json

GENERIC = "container"
"""The spec that comes with the package: its settings are the notebook's."""
PROVISIONER = "container-provisioner"
_MARK = "jupyter_containers"
_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]{0,99}")
_LOGO = Path(__file__).parent / "kernelspec" / GENERIC / "logo-svg.svg"
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Pinned:
    """A kernel spec of ours. `problem` says why it cannot be used, where it cannot."""

    name: str
    display_name: str
    settings: Settings | None
    directory: Path
    problem: str = ""


def read_spec(kernel_spec: KernelSpec) -> Settings | None:
    """The settings of a kernel spec, or None for the generic one. Called before every start.

    Strict, since anybody may have written it: options for the provisioner itself, which would
    beat the administrator's, are refused, and so is all but an object of settings. Raises
    BadSettings or BadReference.
    """
    where = f"Kernel spec {one_line(str(kernel_spec.display_name), 80)!r}"
    metadata = kernel_spec.metadata
    provisioner = metadata.get("kernel_provisioner", {})
    if not isinstance(provisioner, dict):
        raise BadSettings("kernel_provisioner", f"{where} holds no object there.")
    if provisioner.get("config", {}) != {} or set(provisioner) - {"provisioner_name", "config"}:
        raise BadSettings(
            "kernel_provisioner",
            f"{where} has more there than the provisioner's name.",
            'Put the settings of the container into "metadata": {"container": {…}}.',
        )
    if "container" not in metadata:
        return None
    return Settings.parse(metadata["container"], where=where)


def pin(
    reference: str,
    name: str,
    settings: Settings,
    display_name: str = "",
    *,
    language: str = "python",
    interrupt_mode: Literal["message", "signal"] = "signal",
) -> Path:
    """Make an image a kernel: write the spec `name` (again) and return its directory.

    `settings` are the rest of what is asked; a relative source stays relative to the notebook
    that is started. `interrupt_mode` is that of a kernel spec found in the image. Called by
    `pin` and the sidebar. Raises BadInput where the name is not possible or somebody else's.
    """
    directory = _directory(name)
    _refuse_others(name, directory)
    pinned = replace(settings, image=reference)
    pinned = Settings.parse(pinned.to_json(), where=f"Kernel spec {name!r}")
    title = one_line(display_name, 80) or f"{_short(pinned.image)} (container)"
    document = json.dumps(
        _document(name, title, language, interrupt_mode, pinned), indent=1, ensure_ascii=False
    )
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        _write(directory, document.encode() + b"\n")
    except OSError as error:
        raise _cannot(directory, error) from error
    return directory


def unpin(name: str) -> None:
    """Remove a spec that `pin` wrote. Raises Unknown, or BadInput where it is not ours."""
    directory = _directory(name)
    if not directory.is_dir():
        known = ", ".join(one.name for one in pinned_specs()) or "none"
        raise Unknown(f"There is no pinned kernel {name!r}.", f"Pinned are: {known}.")
    _refuse_others(name, directory)
    gone = directory.with_name(f".{name}-{secrets.token_hex(4)}")
    try:
        directory.rename(gone)  # at once, so that nobody ever sees half of it
        shutil.rmtree(gone)
    except OSError as error:
        raise _cannot(directory, error) from error


def pinned_specs() -> list[Pinned]:
    """The specs that `pin` wrote, by name; those somebody broke since come with a problem."""
    found = []
    for directory in sorted(_above().glob("*/")):
        document = _read(directory)
        named = _NAME.fullmatch(directory.name) and not directory.is_symlink()
        if not (named and _is_ours(document)):
            continue
        spec = KernelSpec()
        spec.display_name = one_line(str(document.get("display_name", "")), 80)
        spec.metadata = document["metadata"]
        try:
            settings, problem = read_spec(spec), ""
        except ContainersError as error:
            settings, problem = None, str(error)
        found.append(Pinned(directory.name, spec.display_name, settings, directory, problem))
    return found


def pinned_as() -> Callable[[str, str], str | None]:
    """The kernel's name of an engine's image, where it is pinned, by engine and reference. A
    spec that names no engine counts for each."""
    specs = [one for one in pinned_specs() if one.settings is not None]
    names: dict[tuple[str, str], str] = {}
    for one in reversed(specs):
        assert one.settings is not None
        names[one.settings.engine, one.settings.image] = one.name

    def find(engine: str, reference: str) -> str | None:
        try:
            full = parse_image(reference)
        except BadReference:
            return None
        return names.get((engine, full)) or names.get(("", full))

    return find


def check_pin(settings: Settings, policy: Policy) -> None:
    """Refuse to pin what the policy would refuse to start, as far as it can be told without a
    notebook's folder. Raises PolicyRefused, BadSettings."""
    fixed = tuple(mount for mount in settings.mounts if Path(mount.source).is_absolute())
    settings = replace(settings, mounts=fixed)
    policy.check_asked(settings.resolved(Path("/"), policy))


def _document(
    name: str, title: str, language: str, interrupt_mode: str, settings: Settings
) -> dict[str, Any]:
    connection = "{connection_file}"
    argv = [
        sys.executable,
        "-m",
        "jupyter_containers.relay",
        "--spec",
        name,
        "-f",
        connection,
    ]
    return {
        "argv": argv,
        "display_name": title,
        "language": one_line(language, 40),
        "interrupt_mode": interrupt_mode,
        "metadata": {
            "container": settings.to_json(),
            "debugger": True,
            "kernel_provisioner": {"provisioner_name": PROVISIONER},
            "supported_encryption": ["curve"],
            _MARK: "pinned",
        },
    }


def _above() -> Path:
    return Path(jupyter_data_dir()) / "kernels"


def _directory(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name[:100]!r} cannot be the name of a kernel.",
            "Use small letters, digits, '-', '_' and '.', and begin with a letter or digit.",
        )
    return _above() / name


def _refuse_others(name: str, directory: Path) -> None:
    """Neither write over somebody's spec nor stand before one of the same name elsewhere."""
    if directory.exists() or directory.is_symlink():
        if directory.is_symlink() or not _is_ours(_read(directory)):
            raise BadInput(
                f"The kernel spec {name!r} in {directory.parent} was not made by `pin`.",
                "Take another --name, or remove it: jupyter kernelspec remove " + name,
            )
    elif name in (GENERIC, "python3") or name in KernelSpecManager().find_kernel_specs():
        raise BadInput(f"There is a kernel named {name!r} already.", "Take another --name.")


def _read(directory: Path) -> dict[str, Any]:
    try:
        document = untrusted_json(read_untrusted(directory / "kernel.json", _MAX_BYTES))
    except (KernelError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _is_ours(document: Mapping[str, Any]) -> bool:
    metadata = document.get("metadata")
    return isinstance(metadata, dict) and metadata.get(_MARK) == "pinned"


def _write(directory: Path, document: bytes) -> None:
    """A new spec appears whole; of an old one each file is replaced."""
    new = directory
    if not directory.is_dir():
        new = directory.with_name(f".{directory.name}-{secrets.token_hex(4)}")
        new.mkdir(mode=0o755)
    try:
        replace_file(new / "logo-svg.svg", _LOGO.read_bytes())
        replace_file(new / "kernel.json", document)
        if new != directory:
            new.rename(directory)
    except BaseException:
        if new != directory:
            shutil.rmtree(new, ignore_errors=True)
        raise


def _cannot(directory: Path, error: OSError) -> BadInput:
    return BadInput(
        f"The kernel spec {directory} cannot be changed: {error.strerror}.",
        "That directory must be yours and writable; see `jupyter --data-dir`.",
    )


def _short(image: str) -> str:
    """Its last part: a Launcher's card has room for two short words."""
    return image.rsplit("/", 1)[-1].split("@", maxsplit=1)[0]
