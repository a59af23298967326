"""Engines, their images, what nobody needs any more, and this host's devices."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado import web

from ... import serializers
from ...devices.gpus import find_devices
from ...engines.guarded import Guarded
from ...engines.registry import choose_engine, engine_info, names
from ...errors import ContainersError, ImageNotHere
from ...events import Change, publish
from ...images.prepare import image_kernels
from ...kernels.prune import leftovers
from ...kernelspecs import pinned_as
from ...models import Image, parse_image
from .base import Handler

_MOST_LEFTOVERS = 100_000


class Engines(Handler):
    """`engines`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """All that could be here, as `doctor` sees them."""
        policy = await self.server.policy()
        infos = await asyncio.gather(*(engine_info(name, policy) for name in names()))
        usable = {info.name for info in infos if info.usable}
        best = next((name for name in policy.engine_order(names()) if name in usable), None)
        self.answer({"engines": [serializers.engine(info) for info in infos], "default": best})


class Images(Handler):
    """`images`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Those with a name, on every engine that works; an engine that fails is told."""
        engines = await self.server.engines(self.query("engine", ""))
        found = await asyncio.gather(*(one.images() for one in engines), return_exceptions=True)
        pinned = await asyncio.to_thread(pinned_as)
        rows, problems = [], []
        for engine, some in zip(engines, found, strict=True):
            if isinstance(some, ContainersError):
                problems.append({"engine": engine.name, **(serializers.problem(some) or {})})
            elif isinstance(some, BaseException):
                raise some
            else:
                rows += serializers.images(engine.name, some)
        for row in rows:
            row["pinned"] = pinned(str(row["engine"]), str(row["reference"]))
        self.answer({"images": rows, "problems": problems})

    @web.authenticated
    @authorized
    async def delete(self) -> None:
        """Take a name from an image; without any it is gone."""
        engine, reference, _ = await _one(self, *_asked(self))
        await engine.remove_image(reference)
        publish(Change(what="images", id=reference))
        self.done()


class OneImage(Handler):
    """`images/detail`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """All that is known of it."""
        await self._tell(*_asked(self), look=False)

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """The same after looking into it: that starts a container, which no link may do."""
        body = self.body("engine", "reference")
        reference, engine = body.text("reference", most=1000), body.text("engine", "", 200)
        await self._tell(engine, reference, look=True)

    async def _tell(self, asked: str, named: str, *, look: bool) -> None:
        engine, reference, image = await _one(self, asked, named)
        layers, kernels = await asyncio.gather(
            engine.layers(reference), image_kernels(engine, image, look=look)
        )
        offered: list[dict[str, Any]] | None = None
        if kernels.kernels is not None:
            offered = [asdict(kernel) for kernel in kernels.kernels]
        about = {
            "layers": [asdict(layer) for layer in layers],
            "kernels": offered,
            "kernel_problem": serializers.problem(kernels.problem),
        }
        self.answer(serializers.image(engine.name, reference, image) | about)


class Leftovers(Handler):
    """`leftovers`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """What nobody needs any more, with sizes: what `prune --images` would remove."""
        found = await leftovers(await self.server.engines(), images=True)
        self.answer({"leftovers": [serializers.leftover(one) for one in found]})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Remove those of the names that a person was shown, and no others."""
        names = set(self.body("names").texts("names", needed=True, most=_MOST_LEFTOVERS))
        removed, kept = [], []
        for one in await leftovers(await self.server.engines(), images=True):
            if one.name in names:
                try:
                    await one.remove()
                    removed.append(serializers.leftover(one))
                except ContainersError as error:
                    kept.append({"name": one.name, "problem": serializers.problem(error)})
        if removed:
            publish(Change(what="images"))
        self.answer({"removed": removed, "kept": kept})


class Devices(Handler):
    """`devices`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """This host's GPUs, and which kernels of this server have them."""
        here = await find_devices()
        asked = {
            kernel.id: kernel.settings.devices
            for kernel in self.server.kernels().values()
            if kernel.settings is not None
        }
        rows = [
            asdict(device)
            | {
                "kernels": [
                    id
                    for id, devices in asked.items()
                    if not {device.name, f"{device.kind}=all"}.isdisjoint(devices)
                ]
            }
            for device in here.devices
        ]
        self.answer({"devices": rows, "looked": list(here.looked)})


def _asked(handler: Handler) -> tuple[str, str]:
    """The engine and the image that a query names."""
    return handler.query("engine", ""), handler.query("reference")


async def _one(handler: Handler, asked: str, named: str) -> tuple[Guarded, str, Image]:
    """An engine and its image. Raises BadReference, ImageNotHere, EngineMissing."""
    reference = parse_image(named)
    engine = await choose_engine(asked, await handler.server.policy())
    image = await engine.image(reference)
    if image is None:
        raise ImageNotHere(reference, engine.name)
    return engine, reference, image


HANDLERS: list[tuple[str, type[Handler]]] = [
    ("devices", Devices),
    ("engines", Engines),
    ("images", Images),
    ("images/detail", OneImage),
    ("leftovers", Leftovers),
]
