"""Images as kernels of their own."""

from __future__ import annotations

import asyncio

from jupyter_server.auth.decorator import authorized
from tornado import web

from ...events import Change, publish
from ...kernelspecs import check_pin, pin, pinned_specs, unpin
from ...settings.schema import Settings
from .base import Handler


class KernelSpecs(Handler):
    """`kernelspecs`"""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Those that we own and can be used."""
        rows = [
            {
                "name": one.name,
                "display_name": one.display_name,
                "settings": one.settings.to_json(),
            }
            for one in await asyncio.to_thread(pinned_specs)
            if one.settings is not None
        ]
        self.answer({"kernelspecs": rows})

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Pin an image."""
        body = self.body("name", "display_name", "settings")
        name, title = body.text("name", most=200), body.text("display_name", "", 500)
        settings = Settings.parse(body.settings(), where=f"Kernel {name[:100]!r}")
        check_pin(settings, await self.server.policy())
        await asyncio.to_thread(pin, settings.image, name, settings, title)
        publish(Change(what="kernelspecs", id=name, state="pinned"))
        made = next(one for one in await asyncio.to_thread(pinned_specs) if one.name == name)
        about = {"name": name, "display_name": made.display_name}
        self.answer(about | {"settings": settings.to_json()}, 201)


class OneKernelSpec(Handler):
    """`kernelspecs/NAME`"""

    @web.authenticated
    @authorized
    async def delete(self, name: str) -> None:
        """Unpin it; images and containers stay."""
        await asyncio.to_thread(unpin, name)
        publish(Change(what="kernelspecs", id=name, state="removed"))
        self.done()


HANDLERS: list[tuple[str, type[Handler]]] = [
    ("kernelspecs", KernelSpecs),
    ("kernelspecs/([^/]+)", OneKernelSpec),
]
