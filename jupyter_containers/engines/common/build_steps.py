"""Where in the Dockerfile an engine is: its own numbering, as our steps and lines.

BuildKit numbers per stage only what makes a layer, buildah every instruction, and both put what
ONBUILD of the base adds in front. So a number is counted from the end of its stage.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from ...models import BuildStep, Progress
from ...text import one_line, printable

_NUMBERED = re.compile(
    r"\[(?:[\w.-]+/[\w./-]+ +)?(?:(?P<stage>[^\s\]/]+) +)?"
    r"(?P<n>\d{1,6})/(?P<m>\d{1,6})\] (?P<text>.*)",
    re.DOTALL,
)
_LAYERS = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})
"""https://github.com/moby/buildkit/blob/master/frontend/dockerfile/dockerfile2llb/convert.go
(`cmdTotal`)"""

_LINE = 2000
"""Characters of one line of output that are kept."""
_TAIL = 40
"""Lines of output that an error carries."""


class Steps:
    """The instructions of one Dockerfile, and the events about them."""

    def __init__(self, steps: Sequence[BuildStep]) -> None:
        self._steps = tuple(steps)
        self._shown = [step for step in steps if not step.ours]
        lines = enumerate((step.line for step in self._shown), 1)
        self._numbers = {line: number for number, line in reversed(list(lines))}
        self._tails: dict[BuildStep | None, deque[str]] = {}

    def of_buildkit(self, name: str) -> tuple[BuildStep | None, str]:
        """The instruction a BuildKit vertex stands for, and its text; ("", None) for others.

        Vertex names are `[stage 2/4] RUN …`, without the stage where there is only one.
        """
        found = _NUMBERED.fullmatch(name)
        if found is None:
            return None, ""
        text = one_line(found["text"], 400)
        keyword = text.split(" ", 1)[0].upper()
        stage = self._stage(found["stage"] or "")
        if keyword == "FROM":
            return next((s for s in stage if s.keyword == "FROM"), None), text
        if keyword == "ONBUILD" and stage:
            return replace(stage[0], text=text), text
        layers = [step for step in stage if step.keyword in _LAYERS]
        from_end = int(found["m"]) - int(found["n"])
        step = layers[-1 - from_end] if 0 <= from_end < len(layers) else None
        return (step if step is not None and step.keyword == keyword else None), text

    def _stage(self, name: str) -> list[BuildStep]:
        numbered = re.fullmatch(r"stage-(\d{1,6})", name)
        wanted = int(numbered[1]) if numbered else 0
        if name and not numbered:
            named = (s.stage for s in self._steps if s.stage_name.lower() == name.lower())
            wanted = next(named, -1)
        return [step for step in self._steps if step.stage == wanted]

    def of_buildah(self, stage: int, n: int, m: int, labels: int, text: str) -> BuildStep | None:
        """The instruction of buildah's `[stage/…] STEP n/m: text`. `labels` of our own are
        appended to the last stage as further steps."""
        own = [step for step in self._steps if step.stage == stage - 1]
        added = labels if self._steps and stage - 1 == self._steps[-1].stage else 0
        added = min(added, max(0, m - len(own)))  # no such step where --target is not the last
        if n == 1:
            return own[0] if own else None
        from_end = m - added - n
        if not own or from_end < 0:
            return None
        if from_end >= len(own) - 1:  # between FROM and what follows it
            return replace(own[0], text=one_line(f"ONBUILD {text}", 400))
        return own[-1 - from_end]

    def at(self, line: int) -> BuildStep | None:
        """The instruction that stands at a line, or reaches over it."""
        before = [step for step in self._steps if 0 < step.line <= line]
        return before[-1] if before else None

    def naming(self, reference: str, line: int) -> BuildStep | None:
        """The instruction that fetches an image: the one at `line`, or the first with its name.
        Engines write the reference in full, Dockerfiles short."""
        short = reference.removeprefix("docker.io/").removeprefix("library/")
        names = (short, short.removesuffix(":latest"))
        fetching = (s for s in self._steps if s.keyword == "FROM" or "from=" in s.text)
        named = (s for s in fetching if any(name in s.text for name in names))
        return self.at(line) or next(named, None)

    def events(
        self,
        kind: Literal["step", "log", "bytes", "cached", "notice"],
        step: BuildStep | None,
        text: str = "",
        done: int = 0,
        total: int = 0,
    ) -> Iterator[Progress]:
        """The event about a step, none for a step of ours. The text comes from outside and is
        made printable."""
        if kind == "log":
            text = printable(text, _LINE)
            self._tails.setdefault(step, deque(maxlen=_TAIL)).append(text)
        if step is not None and step.ours:
            return
        yield Progress(
            kind=kind,
            text=text if kind == "log" else one_line(text, 400),
            step=self._number(step),
            steps=len(self._shown),
            line=step.line if step is not None else 0,
            stage=step.stage_name or str(step.stage) if step is not None else "",
            done=done,
            total=total,
        )

    def _number(self, step: BuildStep | None) -> int:
        return self._numbers[step.line] if step is not None else 0

    def tail(self, step: BuildStep | None) -> str:
        """The last lines a step printed."""
        return "\n".join(self._tails.get(step, ()))
