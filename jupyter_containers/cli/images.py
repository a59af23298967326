"""`images` and `pull`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import aclosing

from .. import serializers
from ..images.prepare import fit_image
from ..models import parse_image
from .options import all_engines, one_engine, with_engine, with_json
from .terminal import Screen, print_json, show, size, table


def images_arguments(parser: ArgumentParser) -> None:
    """Options of `images`."""
    with_engine(parser)
    with_json(parser)


async def images(args: Namespace) -> int:
    """All images with a name, on every engine that works."""
    rows = [
        row
        for engine in await all_engines(args)
        for row in serializers.images(engine.name, await engine.images())
    ]
    rows.sort(key=lambda row: (str(row["engine"]), str(row["reference"])))
    if args.json:
        print_json({"images": rows})
        return 0
    for row in rows:
        row |= {
            "image": row["reference"],
            "id": str(row["id"]).removeprefix("sha256:")[:12],
            "size": size(int(str(row["size"]))),
            "created": str(row["created"])[:10],
        }
    table(
        rows,
        ("image", "id", "size", "created", "engine"),
        "No images here yet: jupyter containers bootstrap gets one.",
    )
    return 0


def pull_arguments(parser: ArgumentParser) -> None:
    """Options of `pull`."""
    parser.add_argument("reference", metavar="REF", help="such as python:3.12-slim")
    with_engine(parser)
    with_json(parser)


async def pull(args: Namespace) -> int:
    """Fetch an image and show its progress."""
    reference = parse_image(args.reference)
    engine = await one_engine(args)
    image = None
    async with Screen().open() as screen:
        screen.step(f"Pulling {reference} ({engine.name})")
        async with aclosing(engine.pull(reference)) as events:
            async for event in events:
                screen.event(event)
                image = event.image or image
        if image is not None and (trouble := await fit_image(engine, image, "", screen.step)):
            screen.line(f"{reference} can be no kernel yet: {trouble.message}")
            screen.line(trouble.hint)
    if args.json:
        about = {"id": image.id, "digests": list(image.digests)} if image else {}
        print_json({"reference": reference, "engine": engine.name, **about})
    else:
        show(reference)
    return 0
