"""What an engine that places containers leaves to an engine of this machine: images, builds, looks
into an image."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar

from ..models import BuildSpec, ContainerSpec, Image, Layer, Progress, User
from .base import Engine, Output

Inner = TypeVar("Inner", bound=Engine)


class InnerEngine(Generic[Inner]):
    """See `base.Engine`."""

    def __init__(self, inner: Inner) -> None:
        self.inner = inner

    async def images(self) -> list[Image]:
        """See `Engine.images`."""
        return await self.inner.images()

    async def image(self, reference: str) -> Image | None:
        """See `Engine.image`."""
        return await self.inner.image(reference)

    async def all_here(self, references: Sequence[str]) -> list[Image] | None:
        """See `Engine.all_here`."""
        return await self.inner.all_here(references)

    def pull(self, reference: str) -> AsyncGenerator[Progress]:
        """See `Engine.pull`."""
        return self.inner.pull(reference)

    def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        """See `Engine.build`."""
        return self.inner.build(spec)

    def save(self, reference: str, archive: Path) -> AsyncGenerator[Progress]:
        """See `Engine.save`."""
        return self.inner.save(reference, archive)

    def load(self, archive: Path, image: Image) -> AsyncGenerator[Progress]:
        """See `Engine.load`."""
        return self.inner.load(archive, image)

    async def user(self, mode: Literal["me", "root", "image"], image_ids: tuple[int, int]) -> User:
        """See `Engine.user`."""
        return await self.inner.user(mode, image_ids)

    async def run(self, spec: ContainerSpec, timeout: float) -> Output:
        """See `Engine.run`: a look into an image takes a second, and waits in no queue."""
        return await self.inner.run(spec, timeout)

    async def layers(self, reference: str) -> list[Layer]:
        """See `Engine.layers`."""
        return await self.inner.layers(reference)

    async def remove_image(self, reference: str) -> None:
        """See `Engine.remove_image`."""
        await self.inner.remove_image(reference)

    def by_hand(self, image: str) -> str:
        """See `Engine.by_hand`."""
        return self.inner.by_hand(image)

    async def pid(self, id: str) -> int | None:  # noqa: ARG002
        """See `Engine.pid`: it is no process of this machine."""
        return None

    async def ports(self, id: str) -> dict[int, int]:  # noqa: ARG002
        """See `Engine.ports`: nothing is published; a kernel tells its own."""
        return {}
