"""`pin` and `unpin`: an image as a kernel of its own. The options are the settings' own."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from ..engines.registry import choose_engine
from ..errors import BadInput, BadSettings, EngineError
from ..kernelspecs import pin as write_spec
from ..kernelspecs import unpin as remove_spec
from ..models import parse_image
from ..settings.schema import FIELDS, VERSION, Field, Settings
from ..settings.validators import mount_option, port_option
from .options import administered, with_json
from .terminal import print_json, show, show_note

_FORMS = {
    "mounts": "SRC:DST[:ro]",
    "devices": "D",
    "ports": "[HOST:]PORT",
    "cpus": "N",
    "pids": "N",
    "memory": "M",
    "shm": "M",
    "env": "K=V",
    "slurm": "K=V",
}
"""How a value is written on the command line, where its option does not say it."""
_MOUNT = "A folder inside, writable unless :ro is said; SRC is relative to the notebook's folder"


def pin_arguments(parser: ArgumentParser) -> None:
    """Options of `pin`: one for each key of the settings that has one."""
    parser.add_argument("reference", metavar="REF", help="the image, such as python:3.12-slim")
    parser.add_argument("--name", required=True, help="name of the kernel, for --kernel NAME")
    parser.add_argument("--display-name", default="", metavar="D", help="its name in menus")
    for key, field in FIELDS.items():
        if field.option:
            _add(parser, key, field)
    with_json(parser)


def _add(parser: ArgumentParser, key: str, field: Field) -> None:
    metavar = _FORMS.get(key, key[0].upper())
    about = (_MOUNT if key == "mounts" else field.doc.rstrip(".")).replace("%", "%%")
    if field.kind == "flag":
        parser.add_argument(field.option, dest=key, action="store_true", help=about)
    elif field.kind == "choice":
        parser.add_argument(field.option, dest=key, choices=field.choices, help=about)
    elif field.kind in ("list", "mounts", "object"):
        parser.add_argument(
            field.option, dest=key, action="append", default=[], metavar=metavar, help=about
        )
    else:
        parser.add_argument(field.option, dest=key, metavar=metavar, help=about)


async def pin(args: Namespace) -> int:
    """Write the kernel spec; say so where its image is not here yet."""
    reference = parse_image(args.reference)
    data = {"version": VERSION, "image": reference, **_asked(args)}
    settings = Settings.parse(data, where="pin")
    directory = write_spec(reference, args.name, settings, args.display_name)
    if args.json:
        print_json(
            {"name": args.name, "directory": str(directory), "container": settings.to_json()}
        )
    else:
        show(f"Pinned {reference} as the kernel {args.name}.")
    await _note_missing(settings)
    return 0


async def _note_missing(settings: Settings) -> None:
    """A launch never pulls: say now what would be missing then."""
    try:
        engine = await choose_engine(settings.engine, administered())
        if await engine.image(settings.image) is None:
            show_note(
                f"The image is not here yet: jupyter containers pull --engine {engine.name} "
                f"{settings.image}"
            )
    except EngineError as error:
        show_note(str(error))


def _asked(args: Namespace) -> dict[str, Any]:
    """What was given, in the shape of the settings' JSON."""
    given = {key: getattr(args, key) for key, field in FIELDS.items() if field.option}
    return {
        key: _json(key, FIELDS[key], value)
        for key, value in given.items()
        if value not in (None, False, [])
    }


def _json(key: str, field: Field, value: Any) -> Any:
    if field.kind == "mounts":
        return [_mount(text) for text in value]
    if field.kind == "object":
        return dict(_pair(text, field.option) for text in value)
    if key == "ports":
        return [port_option(text) for text in value]
    if field.kind in ("number", "count"):
        return _number(value, field.option)
    return value


def _mount(text: str) -> dict[str, Any]:
    found = mount_option(text)
    if found is None:
        raise BadInput(f"--mount wants SRC:DST or SRC:DST:ro, not {text!r}.")
    return found


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"{option} wants NAME=VALUE, not {text!r}.")
    return name, value


def _number(text: str, option: str) -> float:
    try:
        number = float(text)
        return int(number) if number == int(number) else number
    except (ValueError, OverflowError):
        raise BadSettings(option, f"wants a number, not {text!r}.") from None


def unpin_arguments(parser: ArgumentParser) -> None:
    """Options of `unpin`."""
    parser.add_argument("name", metavar="NAME", help="the kernel that `pin` made")
    with_json(parser)


async def unpin(args: Namespace) -> int:
    """Remove the kernel spec; images and containers stay."""
    remove_spec(args.name)
    if args.json:
        print_json({"name": args.name})
    else:
        show(f"Removed the kernel {args.name}.")
    return 0
