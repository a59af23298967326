"""`build`: a notebook's %%dockerfile cells, or a Dockerfile; `--check` only lints."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..builds.consent import Consent
from ..builds.lint import NOISE, Diagnostic, builder_here, buildkit_check, lint
from ..builds.manager import BuildRequest, Builds, Built
from ..builds.plan import earlier_images
from ..engines.guarded import Guarded
from ..engines.registry import choose_engine
from ..errors import BadInput, ContainersError
from ..guest.cell import pairs
from ..images.convert import builder_for
from ..images.prepare import fit_image
from ..models import Reference
from ..notebook.cells import DockerfileCell, Options
from ..notebook.file import content_digest, dockerfile_cells, read_notebook
from .options import administered, existing_file, existing_notebook, with_engine, with_json
from .terminal import Screen, follow, print_json, settle, show

_LARGEST = 1 << 20
"""Bytes of a Dockerfile."""


def build_arguments(parser: ArgumentParser) -> None:
    """Options of `build`; those of a `%%dockerfile` cell count for a Dockerfile."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a notebook or a Dockerfile")
    parser.add_argument("--check", action="store_true", help="only lint: nothing is built")
    parser.add_argument(
        "--approve",
        action="store_true",
        help="approve what a notebook's builds read beside its folder, and what builds download "
        "from this machine; remember it",
    )
    parser.add_argument("--no-cache", action="store_true", help="build every step anew")
    parser.add_argument(
        "--update-bases", action="store_true", help="take base images as their registries have them"
    )
    of_a_file = parser.add_argument_group("for a Dockerfile (a notebook's cells have their own)")
    of_a_file.add_argument("-t", "--tag", default="", help="name of the image")
    of_a_file.add_argument("--build-arg", action="append", default=[], metavar="K=V")
    of_a_file.add_argument("--target", default="", metavar="S", help="stage to build")
    of_a_file.add_argument("--context", default="", metavar="DIR", help="the file's by default")
    of_a_file.add_argument("--secret", action="append", default=[], metavar="NAME")
    with_engine(parser)
    with_json(parser)


async def build(args: Namespace) -> int:
    """Build all of it, or lint it."""
    is_notebook = args.file.suffix.lower() == ".ipynb"
    path = existing_notebook(args.file) if is_notebook else existing_file(args.file)
    cells = _cells(path, args)
    if args.check:
        return await _check(path, cells, args)
    done: list[tuple[DockerfileCell, Built]] = []
    builds = Builds()
    try:
        async with Screen().open() as screen:
            for cell in cells:
                if len(cells) > 1:
                    screen.line(_where(path, cell))
                engine = await choose_engine(cell.options.engine, administered())
                request = await _request(path, cell, engine, done, args)
                try:
                    built = await follow(builds.start(request), screen)
                except ContainersError as error:
                    error.message = f"{_where(path, cell)}: {error.message}"
                    raise
                done.append((cell, built))
                if not cell.options.no_switch:
                    await _fit(engine, built, screen)
                _say(built, engine.name, args)
            await settle(builds)
    finally:
        await builds.close()
    if args.json:
        print_json({"images": [_json(cell, one) for cell, one in done]})
    return 0


async def _fit(engine: Guarded, built: Built, screen: Screen) -> None:
    """The image is built, whether or not a kernel can run in it."""
    if trouble := await fit_image(engine, built.image, "", screen.step):
        screen.line(f"{built.reference} can be no kernel yet: {trouble.message}")
        screen.line(trouble.hint)


def _cells(path: Path, args: Namespace) -> list[DockerfileCell]:
    """The cells of a notebook, or a Dockerfile as if it were one."""
    if path.suffix == ".ipynb":
        if args.tag or args.build_arg or args.target or args.context or args.secret:
            raise BadInput(
                "The options of a notebook's builds stand in its %%dockerfile cells.",
                "Write them behind %%dockerfile; --engine and --no-cache can be given here.",
            )
        cells = dockerfile_cells(read_notebook(path))
        if not cells:
            raise BadInput(f"{path.name} has no %%dockerfile cell.")
    else:
        cells = [DockerfileCell(text=_read(path), options=_options(args), first_line=1)]
    return [_overridden(cell, args) for cell in cells]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise BadInput(f"{path.name} is larger than 1 MiB: it is no Dockerfile.")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as a Dockerfile: {error}.") from None


def _options(args: Namespace) -> Options:
    try:
        build_args = pairs(args.build_arg, "--build-arg")
    except ValueError as error:
        raise BadInput(f"{error}.") from None
    if args.tag:
        Reference.parse(args.tag)
    return Options(
        tag=args.tag,
        build_args=build_args,
        target=args.target,
        context=args.context,
        secrets=tuple(args.secret),
    )


def _overridden(cell: DockerfileCell, args: Namespace) -> DockerfileCell:
    engine = args.engine or cell.options.engine
    no_cache = args.no_cache or cell.options.no_cache
    return replace(cell, options=replace(cell.options, engine=engine, no_cache=no_cache))


async def _request(
    path: Path,
    cell: DockerfileCell,
    engine: Guarded,
    done: list[tuple[DockerfileCell, Built]],
    args: Namespace,
) -> BuildRequest:
    of_a_file = path.suffix != ".ipynb"
    yes = None if args.approve else ()
    content = "" if of_a_file else content_digest(read_notebook(path))
    return BuildRequest(
        cell=cell,
        directory=path.parent,
        engine=engine,
        builder=await builder_for(engine),
        notebook=path.parent.name if of_a_file else path.name,
        earlier=earlier_images(done),
        update_bases=args.update_bases,
        consent=Consent(notebook=path, content=content, shown=yes, typed=of_a_file),
        file=path if of_a_file else None,
        may_retag=of_a_file,
    )


def _where(path: Path, cell: DockerfileCell) -> str:
    return f"{path.name}, cell {cell.index + 1}" if path.suffix == ".ipynb" else path.name


def _say(built: Built, engine: str, args: Namespace) -> None:
    if not args.json:
        what = "is up to date" if built.reused else "is built"
        show(f"{built.reference} {what} ({engine})")


def _json(cell: DockerfileCell, built: Built) -> dict[str, Any]:
    return {
        "cell": cell.index,
        "reference": built.reference,
        "name": built.name,
        "id": built.image.id,
        "reused": built.reused,
        "build": asdict(built.source) | {"bases": dict(built.source.bases)},
    }


async def _check(path: Path, cells: list[DockerfileCell], args: Namespace) -> int:
    """1 where something is wrong; what could only be better does not fail."""
    policy = administered()
    buildx = await buildkit_check(args.engine, policy)
    found: list[tuple[DockerfileCell, Diagnostic]] = []
    for cell in cells:
        remarks = await lint(
            cell.text,
            cell.options.build_args,
            directory=path.parent,
            buildx=buildx,
            engine=args.engine,
            builder=await builder_here(cell.options.engine, policy),
            ignored=NOISE,
        )
        first = cell.first_line - 1
        found += [(cell, replace(remark, line=remark.line + first)) for remark in remarks]
    if args.json:
        print_json({"remarks": [{"cell": cell.index, **asdict(one)} for cell, one in found]})
    else:
        for cell, one in found:
            show(f"{_where(path, cell)}, line {one.line}: {one.level} {one.code}: {one.message}")
        if not found:
            show("Nothing to remark.")
    return 1 if any(one.level == "error" for _, one in found) else 0
