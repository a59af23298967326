"""What a build reads beside the notebook's own folder needs a yes of this person's.

Options in a cell are a request, like settings: whoever sent the notebook can have written
`--context ../Documents` or `--secret pip`, and RUN has a network. What a person typed on a
command line is a yes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..policy.approvals import Approvals, asks_of_build

_MOST_OF_A_FOLDER = 10
_MOST = 40
"""Questions in one list: beyond these it is a folder, or the whole context, that is asked for."""


@dataclass(frozen=True, kw_only=True)
class Consent:
    """Whose yes counts for a build."""

    notebook: Path | None = None
    """What was approved for it counts, and is remembered for it."""
    shown: Collection[str] | None = ()
    """What the person has just said yes to, in the words of the question; None for all of it."""

    def check(
        self, own: Path, directory: Path, named: Mapping[str, bool], secrets: Collection[str]
    ) -> None:
        """Called before a build reads anything: `named` are its files (False) and folders (True)
        below the resolved `directory`, `own` is the notebook's folder. Raises BuildNotApproved."""
        asked = asks_of_build(secrets, _asked(own, directory, named))
        if self.notebook is not None:
            Approvals().check_build(self.notebook, asked, self.shown)
        elif asked and self.shown is not None:
            Approvals().check_build(own, asked, self.shown)


BY_HAND = Consent(shown=None)
"""The person typed the options."""


def _asked(own: Path, directory: Path, named: Mapping[str, bool]) -> list[tuple[Path, bool]]:
    """The paths to ask about, few enough to be read."""
    here = Path(os.path.realpath(own))
    inside = directory == here or here in directory.parents
    if not named or (inside and not Approvals().why_not_mounted(here)):
        return []
    within = Counter(os.path.dirname(path) for path in named)  # noqa: PTH120 - may be ""
    found = {
        (path, folder)
        if within[above := os.path.dirname(path)] <= _MOST_OF_A_FOLDER  # noqa: PTH120
        else (above, True)
        for path, folder in named.items()
    }
    if len(found) > _MOST:
        found = {("", True)}
    return sorted((directory / path, folder) for path, folder in found)
