"""The variables of a Dockerfile: ARG and ENV as one stage sees them. Pure."""

from __future__ import annotations

import platform
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

from e2b_dockerfile_utils import ShellLex

from .instructions import Instruction

_MAX_VALUE = 64 * 1024
_PATTERN = re.compile(r"\$\{\w+[/#%]")
_MUST = re.compile(r"(\$\{\w+):?\?")
_NAME = re.compile(r"\w+")
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True)
class Scope:
    """The variables that one stage, or the part before the first FROM, can use."""

    escape: str
    args: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    """Names of ARG that got no value: they are empty, as their writer meant them."""
    foreign: set[str] = field(default_factory=set)
    """Build arguments that no ARG asked for, and what was made of them: their values are empty
    here, and to buildah those of HTTP_PROXY and its like are not."""
    whole: bool = True
    """Whether the variables of the image that the stage begins with are among them."""

    def copy(self) -> Scope:
        """What a stage begins with that begins with this one."""
        return replace(
            self,
            args={**self.args},
            env={**self.env},
            declared={*self.declared},
            foreign={*self.foreign},
        )

    def define(self, values: dict[str, str], name: str, value: str, foreign: bool) -> None:
        """One more in `env`, or in `args`, before which `env` counts."""
        values[name] = value
        if foreign:
            self.foreign.add(name)
        elif values is self.env or name not in self.env:
            self.foreign.discard(name)

    def expand(self, word: str, at: Instruction, *, strict: bool = False) -> str:
        """`word` as BuildKit expands it; `strict` refuses a variable that nobody declared."""
        values = {**self.args, **self.env}
        _refuse_bombs(word, values, at)
        try:
            result = self._lex(word, values)
            if strict:
                self.refuse_unset(word, at, unless=self.declared)
        except ValueError as error:
            at.fail(f"{str(error)[:300]}.")
        return result

    def _lex(self, word: str, values: dict[str, str]) -> str:
        if not self.whole:  # What must have a value may get it from the base.
            word = _MUST.sub(r"\1:-", word)
        return ShellLex(self.escape, env=values, skip_unset_env=False).process_word(word)

    def awaits(self, word: str, at: Instruction) -> bool:
        """Whether `word` may change with what the base defines, which is not known yet."""
        return not self.whole and "$" in word and bool(self.unset(word, at))

    def unset(self, word: str, at: Instruction) -> list[str]:
        """The variables in `word` that have no value."""
        return self._asked(word, at).missing

    def foreign_in(self, word: str, at: Instruction) -> set[str]:
        """The variables in `word` that another engine may see with another value."""
        return self.foreign & self._asked(word, at).names if "$" in word else set()

    def _asked(self, word: str, at: Instruction) -> _Asked:
        asked = _Asked({**self.args, **self.env})
        _refuse_bombs(word, asked, at)
        try:
            self._lex(word, asked)
        except ValueError as error:
            at.fail(f"{str(error)[:300]}.")
        return asked

    def refuse_unset(self, word: str, at: Instruction, unless: Container[str] = ()) -> None:
        """Fail at a variable in `word` that has no value, and no default there."""
        for name in self.unset(word, at):
            if name in unless:
                continue
            if re.search(r"\$\{" + re.escape(name) + r":?[-+]", word) is None:
                at.fail(
                    f"${name} has no value in {word!r}.",
                    f"Give it one with ARG {name}=… before the first FROM, or build with "
                    f"--build-arg {name}=…"
                    if at.name == "FROM"
                    else f"Give it one with ARG {name}=… or ENV in this stage.",
                )


def _refuse_bombs(word: str, values: Mapping[str, str], at: Instruction) -> None:
    """Values that grow from line to line, and patterns that take for ever to match. Those of other
    variables do not count: NVIDIA's images have one of thousands of characters."""
    named = _NAME.findall(word)
    longest = max((len(values[name]) for name in named if name in values), default=0)
    if longest > _MAX_VALUE or word.count("$") * longest > 64 * _MAX_VALUE:
        at.fail("its variables grow too long.")
    if _PATTERN.search(word) and (word.count("*") > 2 or longest > 4000):
        at.fail("a pattern in it is too costly to match.", "Use at most two * in ${NAME/…}.")


class _Asked(dict[str, str]):
    """Remembers which names were looked up, and which of them in vain."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.missing: list[str] = []
        self.names: set[str] = set()

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.names.add(key)
        if key not in self:
            self.missing.append(key)
        return super().get(key, default)


def platform_args() -> dict[str, str]:
    """What BuildKit predefines for FROM, for a build on this host's own platform.

    https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
    """
    machine = platform.machine()
    arch = _MACHINES.get(machine, machine)
    variant = "v7" if arch == "arm" else ""
    whole = f"linux/{arch}" + (f"/{variant}" if variant else "")
    found: dict[str, str] = {}
    for side in ("TARGET", "BUILD"):
        found |= {f"{side}PLATFORM": whole, f"{side}OS": "linux"}
        found |= {f"{side}ARCH": arch, f"{side}VARIANT": variant}
    return found
