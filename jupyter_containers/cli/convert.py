"""`convert`: an image of one engine for another."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import aclosing

from ..engines.registry import choose_engine
from ..errors import BadInput, ImageNotHere
from ..images.convert import convert as convert_image
from ..images.prepare import fit_image
from ..models import parse_image
from .options import administered, with_json
from .terminal import Screen, print_json, show


def convert_arguments(parser: ArgumentParser) -> None:
    """Options of `convert`."""
    parser.add_argument("reference", metavar="REF", help="the image, as `images` lists it")
    parser.add_argument("--from", dest="source", required=True, metavar="E", help="the engine")
    parser.add_argument("--to", dest="target", required=True, metavar="E", help="and the other")
    with_json(parser)


async def convert(args: Namespace) -> int:
    """Copy it, and get it ready for kernels. What is there already is not copied again."""
    if args.source == args.target:
        raise BadInput("--from and --to name the same engine.")
    reference, policy = parse_image(args.reference), administered()
    source = await choose_engine(args.source, policy)
    target = await choose_engine(args.target, policy)
    image = await source.image(reference)
    if image is None:
        raise ImageNotHere(reference, source.name)
    there = None
    async with Screen().open() as screen:
        screen.step(f"{reference}: {source.name} → {target.name}")
        async with aclosing(convert_image(source, image, target)) as events:
            async for event in events:
                screen.event(event)
                there = event.image or there
        assert there is not None
        if trouble := await fit_image(target, there, "", screen.step):
            screen.line(f"{reference} can be no kernel yet: {trouble.message}")
            screen.line(trouble.hint)
    if args.json:
        print_json({"reference": reference, "engine": target.name, "id": there.id})
    else:
        show(f"{reference} is on {target.name}")
    return 0
