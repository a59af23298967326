"""Pulls as jobs, with the events of builds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .builds.jobs import Job, Outcome
from .engines.guarded import Guarded
from .errors import ImageNotHere
from .events import Change, tell
from .models import Image

Fetched = Callable[["Pull", Image], Awaitable[None]]
"""What follows a pull before it counts as done."""


class Pull(Job):
    """One running or ended pull. Made by `Builds.pull`; raises BadReference, PolicyRefused."""

    kind = "pull"
    called, again = "pull", "Pull the image again."

    def __init__(self, engine: Guarded, reference: str, then: Fetched | None = None) -> None:
        self.reference = engine.policy.check_pull(reference)
        self.which = (engine.name, self.reference)
        self._then = then
        super().__init__(engine, f"Pull {reference}")

    async def work(self) -> None:
        """See `Job.work`. Raises ImageNotHere, NetworkFailed, DiskFull, and EngineError."""
        self.begin()
        image = await self._fetch()
        self.outcome = Outcome(reference=self.reference, name=self.reference, image_id=image.id)
        tell(Change(what="images", id=self.reference))
        if self._then is not None:
            await self._then(self, image)

    async def _fetch(self) -> Image:
        image = await self.add_until_image(self.engine.pull(self.reference))
        if image is not None:
            return image
        raise ImageNotHere(self.reference, self.engine.name)
