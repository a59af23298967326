"""From a probe's text to `ImageFacts`: types checked, sizes capped, the rest thrown away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import basename
from types import MappingProxyType
from typing import Any

from ..guest.probe_inside import filled
from ..layout import DEFAULT_PATH
from ..models import Image
from ..settings.validators import KERNEL
from ..text import one_line, untrusted_json
from .facts import (
    FoundKernel,
    ImageFacts,
    Interpreter,
    LabExtension,
    Transport,
    version_tuple,
)

MAX_TEXT = 8 << 20
"""Characters of a probe's output that are looked at: 5,000 packages in 16 Pythons fit."""

_MAX_FILE = 64 << 10
_MAX_DISTRIBUTIONS = 5000
_MAX_LABEXTENSIONS = 100
_LABEXTENSION = re.compile(r"(?:@[a-z0-9][a-z0-9._-]{0,99}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}")


def document(output: str, nonce: str) -> dict[str, Any] | None:
    """The one JSON object that both halves of the probe come down to; None where neither spoke.

    It is what is kept on disk; `parse_facts` checks its insides, every time.
    """
    pieces = re.split(rf"^=={nonce} (.*)$", output[:MAX_TEXT], flags=re.MULTILINE)
    found = [(a.strip(), b.strip("\n")) for a, b in zip(pieces[1::2], pieces[2::2], strict=True)]
    for name, text in reversed(found):
        if name == "facts":
            return _object(text.partition("\n")[0])
    if not found:
        return None
    said = dict(found)

    def each(kind: str, key: str) -> list[dict[str, str]]:
        named = [(name.partition(" "), text) for name, text in found]
        key_of = {"python": "path", "kernel": "folder"}[kind]
        return [{key_of: n[2], key: text} for n, text in named if n[0] == kind and n[2]]

    return {
        "interpreters": each("python", "said"),
        "kernels": [one | {"name": basename(one["folder"])} for one in each("kernel", "text")],
        **{key: said.get(key, "") for key in ("passwd", "group", "os", "boot", "shell")},
    }


def parse_facts(
    said: Mapping[str, Any], image: Image, transport: Transport, reason: str = ""
) -> ImageFacts:
    """What a document says, as far as it makes sense. Never raises. `transport` and its reason
    are ours, not the image's.
    """
    passwd, group = _file(said.get("passwd")), _file(said.get("group"))
    user_ids, home = image_user(image.user, passwd, group)
    release = re.search(r'^ID="?([a-z0-9._-]{1,40})"?$', _file(said.get("os")), re.MULTILINE)
    path = image.env.get("PATH", "")
    pythons = (_interpreter(one) for one in _objects(said.get("interpreters"), 16))
    interpreters = tuple(one for one in pythons if one is not None)
    extensions = _strings(said.get("labextensions"), _MAX_LABEXTENSIONS)
    kernels = (_kernel(one) for one in _objects(said.get("kernels"), 50))
    return ImageFacts(
        interpreters=interpreters,
        kernels=tuple(one for one in kernels if one is not None),
        labextensions=tuple(
            _labextension(name, interpreters)
            for name in dict.fromkeys(extensions)
            if _LABEXTENSION.fullmatch(name)
        ),
        passwd=passwd,
        group=group,
        shell=_path(said.get("shell")),
        os=release[1] if release else "",
        path=path if path.isprintable() and 0 < len(path) < 10_000 else DEFAULT_PATH,
        user_ids=user_ids,
        user_home=home,
        transport=transport,
        transport_reason=reason,
        odd=tuple(filter(None, map(_path, _strings(said.get("odd"), 4)))),
        why=one_line(str(said.get("why") or ""), 300),
    )


def image_user(user: str, passwd: str, group: str) -> tuple[tuple[int, int], str]:
    """Ids and home of an image's USER (`name`, `1000`, `name:group`, …), looked up as engines
    do: https://github.com/moby/sys/blob/main/user/user.go (GetExecUser).
    """
    name, _, group_name = user.partition(":")
    uid = int(name) if _is_id(name) else None
    gid, home = None, "/"
    if not name:
        uid = 0
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) < 7 or not (_is_id(fields[2]) and _is_id(fields[3])):
            continue
        if fields[0] == name or int(fields[2]) == uid:
            uid, gid, home = int(fields[2]), int(fields[3]), _path(fields[5]) or "/"
            break
    if group_name:
        gid = int(group_name) if _is_id(group_name) else gid
        for line in group.splitlines():
            fields = line.split(":")
            if fields[0] == group_name and len(fields) > 2 and _is_id(fields[2]):
                gid = int(fields[2])
                break
    return (uid or 0, gid or 0), home


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _interpreter(said: Mapping[str, Any]) -> Interpreter | None:
    path = _path(said.get("path"))
    if not path:
        return None
    if "said" in said:  # only its `-V`: too old for our questions, or it does not run
        number = re.search(r"\b(\d{1,3}(?:\.\d{1,3}){1,2})", one_line(str(said["said"])))
        trouble = one_line(str(said.get("trouble") or "it says nothing."), 300)
        version = version_tuple(number[1]) if number else ()
        return Interpreter(path=path, version=version, trouble=trouble) if number else None
    version = _numbers(said.get("version"))
    if len(version) < 2:
        return None
    return Interpreter(
        path=path,
        version=version,
        implementation=_word(said.get("implementation")),
        machine=_word(said.get("machine")),
        bits=32 if said.get("bits") == 32 else 64,
        prefix=_path(said.get("prefix")),
        libc=_word(said.get("libc")),
        libc_version=_numbers(said.get("libc_version")),
        threaded=said.get("threaded") is True,
        distributions=_distributions(said.get("distributions")),
        missing=tuple(_word(name) for name in _strings(said.get("missing"), 20)),
        owners=_owners(said.get("owners")),
        ipykernel_error=one_line(str(said.get("ipykernel_error") or ""), 500),
    )


def _distributions(said: object) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, version in list(said.items())[:_MAX_DISTRIBUTIONS] if isinstance(said, dict) else ():
        good = isinstance(name, str) and isinstance(version, str)
        if good and _DISTRIBUTION.fullmatch(name) and _VERSION.fullmatch(version):
            found.setdefault(normalized(name), version)
    return MappingProxyType(found)


def _owners(said: object) -> Mapping[str, str]:
    listed = list(said.items())[:_MAX_LABEXTENSIONS] if isinstance(said, dict) else ()
    return MappingProxyType(
        {
            extension: name
            for extension, name in listed
            if isinstance(name, str) and _DISTRIBUTION.fullmatch(name)
        }
    )


def _labextension(name: str, interpreters: tuple[Interpreter, ...]) -> LabExtension:
    for one in interpreters:
        if package := one.owners.get(name):
            version = one.distributions.get(normalized(package), "")
            return LabExtension(name=name, package=package, version=version)
    return LabExtension(name=name)


def normalized(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def _kernel(said: Mapping[str, Any]) -> FoundKernel | None:
    """A kernel spec, or None where it is broken, hostile, or its program is not there."""
    name, text = said.get("name"), said.get("text")
    if not (isinstance(name, str) and KERNEL.fullmatch(name) and isinstance(text, str)):
        return None
    spec = _object(text[:_MAX_FILE]) or {}
    argv, folder = spec.get("argv"), _path(said.get("folder"))
    words = tuple(filled(word, folder) if folder else word for word in _strings(argv, 64))
    complete = isinstance(argv, list) and len(words) == len(argv) and len(words) > 1
    if said.get("runs") is False or not complete or not words[0] or words[0].startswith("-"):
        return None
    if not all(len(word) < 4000 and (word.isprintable() or "\n" in word) for word in words):
        return None
    if "\0" in "".join(words) or not any("{connection_file}" in word for word in words):
        return None
    return FoundKernel(
        name=name,
        argv=words,
        language=one_line(str(spec.get("language") or ""), 40) or "unknown",
        display_name=one_line(str(spec.get("display_name") or ""), 80) or name,
        interrupt_mode="message" if spec.get("interrupt_mode") == "message" else "signal",
    )


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = untrusted_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _objects(value: object, most: int) -> list[dict[str, Any]]:
    listed = value[:most] if isinstance(value, list) else []
    return [one for one in listed if isinstance(one, dict)]


def _strings(value: object, most: int) -> list[str]:
    return [one for one in value[:most] if isinstance(one, str)] if isinstance(value, list) else []


def _numbers(value: object) -> tuple[int, ...]:
    listed = value[:4] if isinstance(value, list) else []
    good = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 10_000 for n in listed)
    return tuple(listed) if good else ()


def _word(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[\w.+-]{1,60}", value) else ""


def _path(value: object) -> str:
    good = isinstance(value, str) and value.startswith("/") and len(value) < 1000
    return str(value) if good and str(value).isprintable() else ""


def _file(value: object) -> str:
    """A small text file of the image; control characters but tab and newline taken out."""
    text = value[:_MAX_FILE] if isinstance(value, str) else ""
    return "".join(c for c in text if c in "\n\t" or c.isprintable())
