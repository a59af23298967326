"""`bootstrap`: a base image from the hub, or from the distribution's packages without one."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..images.bootstrap import get_base_image
from .options import one_engine, with_engine, with_json
from .terminal import Screen, print_json, show


def bootstrap_arguments(parser: ArgumentParser) -> None:
    """Options of `bootstrap`."""
    parser.add_argument(
        "--no-hub", action="store_true", help="go to the packages without trying a registry"
    )
    with_engine(parser)
    with_json(parser)


async def bootstrap(args: Namespace) -> int:
    """Get the image and print its reference."""
    engine = await one_engine(args)
    async with Screen().open() as screen:
        reference = await get_base_image(engine, screen.step, hub=not args.no_hub)
    if args.json:
        print_json({"reference": reference, "engine": engine.name})
    else:
        show(reference)
    return 0
