"""Where a process has its policy from: Jupyter's config directories, and its own configuration."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path

import jupyter_core.paths
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader

from ..errors import PolicyRefused
from .policy import CONFIG, Policy

SYSTEM = ("/etc/jupyter", "/usr/local/etc/jupyter")
"""Jupyter's directories of a machine. Not `SYSTEM_CONFIG_PATH`, which variables of the person's
change (JUPYTER_PLATFORM_DIRS with XDG_CONFIG_DIRS)."""


def load_policy(config: Config | None) -> Policy:
    """The policy of this process: jupyter_containers_config.py and .json of Jupyter's config
    directories (system, then environment, then person), and `config`, the calling
    application's own, over them. Once the administrator has set `Policy.user_config` to False,
    nobody else may say anything.

    Read at every start, so that a change counts at once. Raises PolicyRefused where a file
    cannot be read, sets something unknown or what it may not: a limit with a typing error must
    not be none.
    """
    files = _files()
    locked = any(
        "user_config" in said and said["user_config"] is not True
        for _, said, trusted in files
        if trusted
    )
    merged = Config()
    for where, said, trusted in (
        *files,
        ("The server's own configuration", _section(config, "the server's configuration"), False),
    ):
        if said and not trusted and (locked or "user_config" in said):
            raise _not_yours(said, where)
        merged.merge(deepcopy(said))
    try:
        return Policy(config=Config(Policy=merged))
    except TraitError as error:
        raise PolicyRefused(f"The policy cannot be read: {error}", "Policy") from None


def _files() -> list[tuple[str, Config, bool]]:
    """Each file with what it says, and whether it is an administrator's; the strongest last."""
    found = []
    for directory in _directories():
        for loader in (PyFileConfigLoader, JSONFileConfigLoader):
            name = CONFIG + (".py" if loader is PyFileConfigLoader else ".json")
            loaded = _load(loader(name, path=directory))
            _check_sections(loaded or (), f"{directory}/{name}")
            said = _section(loaded, f"{directory}/{name}")
            found.append((f"{directory}/{name}", said, _is_administrators(directory)))
    return found


def _directories() -> list[str]:
    """What is read, the strongest last. The system's and the environment's always:
    JUPYTER_NO_CONFIG is a person's word. Of a hub that disables what is in homes
    (`Spawner.disable_user_config`), none of those: it does so for Jupyter's other files
    (jupyterhub/singleuser/_disable_user_config.py)."""
    always = [*SYSTEM, *reversed(jupyter_core.paths.ENV_CONFIG_PATH)]
    found = list(reversed(jupyter_core.paths.jupyter_config_path()))
    if os.environ.get("JUPYTERHUB_DISABLE_USER_CONFIG", "").lower() in ("1", "true"):
        found = [one for one in found if one in always or not _is_in_home(Path(one))]
    return [one for one in always if one not in found] + found


def _is_in_home(path: Path) -> bool:
    """By its name or by what that leads to."""
    home = Path.home()
    return path.is_relative_to(home) or path.resolve().is_relative_to(home.resolve())


def _is_administrators(directory: str) -> bool:
    """Whether it is one of the system's, or of a Python environment that is root's."""
    if directory in SYSTEM:
        return True
    try:
        found = Path(directory).stat()
    except OSError:
        return False
    environment = directory in jupyter_core.paths.ENV_CONFIG_PATH
    return environment and found.st_uid == 0 and not found.st_mode & 0o022


def _not_yours(said: Config, where: str) -> PolicyRefused:
    return PolicyRefused(
        f"{where} sets Policy.{next(iter(said))}, which only the administrator may",
        "Policy.user_config",
        f"Remove it there. The administrator's are in {' or '.join(SYSTEM)}, and in a Python "
        "environment that belongs to root.",
    )


def _load(loader: PyFileConfigLoader | JSONFileConfigLoader) -> Config | None:
    _check_readable(Path(loader.path or "", loader.filename))
    try:
        loaded: Config = loader.load_config()
        return loaded
    except ConfigFileNotFound:
        return None
    except BaseException as error:  # a file of Python may raise anything
        what = f"{loader.full_filename or loader.filename} cannot be read: {error}"
        raise PolicyRefused(what, "Policy", "Nothing starts until that file is mended.") from error


def _check_readable(path: Path) -> None:
    """Raises PolicyRefused where something is there that cannot be read: traitlets takes a link to
    nowhere, a pipe, or a directory that one may not enter for no file, which is no limit at all."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            found = path.stat()
        if stat.S_ISREG(found.st_mode) and os.access(path, os.R_OK):
            return
        why = "it is no file that you may read"
    except NotADirectoryError:
        return
    except FileNotFoundError:
        if not path.is_symlink():
            return
        why = "it is a link to nowhere"
    except OSError as error:
        why = str(error.strerror)
    hint = "Nothing starts until that is mended."
    raise PolicyRefused(f"{path} cannot be read: {why}", "Policy", hint)


def _check_sections(names: Iterable[str], where: str) -> None:
    """Raises PolicyRefused where a file of ours has a section that is probably to be `Policy`."""
    for name in names:
        if name != "Policy" and get_close_matches(name.casefold(), ["policy"]):
            hint = "Did you mean Policy? Nothing starts until that file is mended."
            raise PolicyRefused(f"{where} sets {name}, which is not known", "Policy", hint)


def _section(config: Config | None, where: str) -> Config:
    """What `config` says of the policy. Raises PolicyRefused for a trait that is not known."""
    section = config["Policy"] if config is not None and "Policy" in config else Config()
    if not isinstance(section, Config):
        raise PolicyRefused(f"{where} sets Policy to something that holds no traits", "Policy")
    known = list(Policy.class_trait_names(config=True))
    for name in section:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}."
            raise PolicyRefused(f"{where} sets Policy.{name}, which is not known", "Policy", hint)
    return section
