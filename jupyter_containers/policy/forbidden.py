"""Places that no container gets unasked, besides those that are at a fixed path.

Where engines keep images that other kernels start from, this package's own source where it is not
installed but linked to, and the keys of other people whose homes lie beside this person's.
"""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from itertools import islice
from pathlib import Path

from ..host.mountinfo import Names
from ..text import as_dict, as_text, untrusted_json

NAMED_BY = (
    *("APPTAINER_CONFIGDIR", "CH_IMAGE_STORAGE", "CH_IMAGE_CACHE"),
    *("ENROOT_DATA_PATH", "ENROOT_CACHE_PATH"),
    *("JUPYTER_CONTAINERS_IMAGES", "SQUASH_DIR", "PODMANHPC_GRAPH_ROOT"),
)
"""Variables by which engines are told where to keep images."""
_NAMED_ABOVE = ("APPTAINER_CACHEDIR", "SINGULARITY_CACHEDIR")
"""The same for a folder `cache` below, and often set to all of a scratch disk:
https://github.com/apptainer/apptainer, internal/pkg/cache/cache.go."""
_HOME = (".apptainer", ".singularity", ".local/share/enroot", ".cache/enroot")
_PODMAN = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")
_DOCKER = ("/etc/docker/daemon.json",)
_GRAPH = re.compile(
    r"""^\s*(?:graphroot|rootless_storage_path|imagestore)\s*=\s*["']([^"'\n]+)["']""",
    re.MULTILINE,
)
_MOST = 1 << 20
KEYS = (
    *(".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".netrc"),
    *(".git-credentials", ".pgpass", ".my.cnf", ".mylogin.cnf", ".npmrc", ".pypirc", ".boto"),
    *(".s3cfg", ".databrickscfg", ".vault-token", ".smbcredentials", ".rclone.conf"),
    *(".oci", ".bluemix", ".snowflake", ".dbt", ".terraform.d", ".minikube", ".globus", ".kaggle"),
    *(".irods/.irodsA", ".huggingface", ".cache/huggingface/token"),
    *(".cache/huggingface/stored_tokens", ".claude", ".claude.json", ".codex"),
    *(".m2/settings.xml", ".gradle/gradle.properties"),
    *(".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials"),
    # of a desktop and its browsers
    *(".Xauthority", ".ICEauthority", ".local/share/keyrings", ".local/share/kwalletd", ".pki"),
    *(".mozilla", ".thunderbird", "snap/firefox/common/.mozilla", "snap/thunderbird/common"),
    *("snap/chromium/common", ".var/app"),
)
"""In a home: of what programs keep there, the files of keys where they are by themselves, so that
a kernel has the packages beside them."""
_OTHERS = (*KEYS, ".config/gcloud", ".jupyter")
_MOST_HOMES = 2000


def storages() -> list[str]:
    """Where engines keep images and containers, as far as their configuration tells this person."""
    home = str(Path.home())
    named = [os.environ.get(name, "") for name in NAMED_BY]
    above = [os.environ.get(name, "").rstrip("/") for name in _NAMED_ABOVE]
    named += [f"{path}/cache" for path in above if path]
    named += [f"{home}/{name}" for name in _HOME]
    named.append(f"/var/tmp/{Path(home).name}.ch")
    config = os.environ.get("XDG_CONFIG_HOME", "") or f"{home}/.config"
    podmans = (os.environ.get("CONTAINERS_STORAGE_CONF", ""), f"{config}/containers/storage.conf")
    for path in (*podmans, *_PODMAN):
        named += [_expanded(one) for one in _GRAPH.findall(_text(path))]
    for path in (f"{config}/docker/daemon.json", *_DOCKER):
        named.append(_data_root(path))
    return [path for path in named if path.startswith("/") and path.rstrip("/")]


def _text(path: str) -> str:
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - an empty name is none
            return ""
        with Path(path).open("rb") as file:
            return file.read(_MOST).decode(errors="replace")
    except OSError:
        return ""


def _expanded(path: str) -> str:
    """`$HOME` and `$UID`, as containers-storage.conf(5) has them."""
    known = {"HOME": str(Path.home()), "UID": str(os.getuid()), "USER": Path.home().name}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: known.get(found[1], found[0]), path)


def _data_root(path: str) -> str:
    try:
        return as_text(as_dict(untrusted_json(_text(path) or "{}")).get("data-root"))
    except ValueError:
        return ""


@cache
def own_source() -> tuple[str, ...]:
    """This package's directory where it is only linked to (`pip install -e`): outside of all that
    is known as Python's, and whoever writes it is the server."""
    here = os.path.realpath(Path(__file__).parents[1])
    prefixes = (os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix))
    return () if any(here.startswith(f"{one}/lib/") for one in prefixes) else (here,)


def others_keys(source: str, names: Names) -> dict[str, str]:
    """Rules of other people's keys where a source lies in one of their homes, is one, or is above
    them all. Homes are what lies beside this person's, and in /home; and where homes are kept by
    group, what lies in a folder beside that of this person's group."""
    found: dict[str, str] = {}
    mine = os.path.realpath(Path.home())
    beside = mine.rpartition("/")[0]
    for above in {os.path.realpath("/home"), beside} - {""}:
        for place in (above, *names.of(above)):
            found |= _keys_by(place, source)
    groups = beside.rpartition("/")[0]
    for place in (groups, *names.of(groups)) if groups else ():
        if source.startswith(f"{place}/") and not source.startswith(f"{beside}/"):
            group = f"{place}/{source[len(place) + 1 :].partition('/')[0]}"
            found |= {key: "private" for key in _keys_by(group, source) if _is_others(key)}
    return found


def _keys_by(above: str, source: str) -> dict[str, str]:
    """Of the homes in one folder."""
    if source.startswith(f"{above}/"):
        home = f"{above}/{source[len(above) + 1 :].partition('/')[0]}"
        return {f"{home}/{name}": "private" for name in _OTHERS}
    if above == source or above.startswith("/" if source == "/" else f"{source}/"):
        return _keys_below(above)
    return {}


def _is_others(path: str) -> bool:
    """A key's, by its owner: a project's folder may have a `.docker` of this person's in it."""
    try:
        return os.lstat(path).st_uid != os.getuid()
    except OSError:
        return False


def _keys_below(above: str) -> dict[str, str]:
    """Those that are there: what this person cannot see, a container of theirs cannot either."""
    try:
        with os.scandir(above) as entries:
            homes = [entry.path for entry in islice(entries, _MOST_HOMES + 1)]
    except OSError:
        return {}
    if len(homes) > _MOST_HOMES:  # too many to look into before a start
        return {above: "no"}
    homes = [home for home in homes if os.access(home, os.X_OK)]
    keys = (f"{home}/{name}" for home in homes for name in _OTHERS)
    return {key: "private" for key in keys if os.path.lexists(key)}
