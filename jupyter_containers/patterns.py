"""Paths and patterns as COPY and `.dockerignore` write them; which names are sensitive. Pure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from e2b_dockerfile_utils import PatternMatcher

from .dockerfile.parser import Source
from .errors import DockerfileError

_MAX_PATTERNS = 2_000
_WILDCARD = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
_SENSITIVE = re.compile(
    r"\..+|id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.+\.(pem|key|p12|pfx|ppk|jks|keystore|kdbx)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Word:
    """One part of a path: a plain name, or a pattern."""

    text: str
    pattern: bool = False

    def among(self, names: Sequence[str]) -> list[str]:
        """The names of a folder that are meant. Patterns are Go's filepath.Match's."""
        matcher = matcher_of([f"./{self.text}"])  # ./ lets no ! or # be special
        return [name for name in names if matcher.matches(name)]

    @property
    def bold(self) -> bool:
        """Whether it says itself that hidden files or keys are meant: `.env*`, `*.pem`."""
        text = re.sub(r"\[.*?\]|[*?]+", "x", self.text) if self.pattern else self.text
        return is_sensitive(text)


def matcher_of(patterns: Sequence[str]) -> PatternMatcher:
    """Moby's patterns, of which Python's `re` need not warn. Raises ValueError, also for those
    that would take `re` very long: a stranger may have written them.
    """
    patterns = [re.sub(r"(\*\*/)+", "**/", pattern) for pattern in patterns]
    if len(patterns) > _MAX_PATTERNS:
        raise ValueError(f"over {_MAX_PATTERNS:,} patterns")
    for pattern in patterns:
        stars = max(len(re.findall(r"\*+", part)) for part in pattern.split("/"))
        if stars > 4 or pattern.count("**") > 3:
            raise ValueError(f"too many * in {pattern[:100]!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return PatternMatcher(patterns)


def is_sensitive(name: str) -> bool:
    """Whether a file or folder of this name goes along only when it is named."""
    return _SENSITIVE.fullmatch(name) is not None


def words(source: Source) -> list[Word]:
    """The parts of a source's path, `.` and `..` resolved as text. Raises DockerfileError."""
    found: list[str] = []
    for part in source.path.split("/"):
        if part == ".." and not found:
            raise error_at(
                source,
                f"{source.path!r} is outside the build's folder.",
                "Copy the file beside the notebook, or choose a folder above with --context.",
            )
        if part == "..":
            found.pop()
        elif part not in ("", "."):
            found.append(part)
    wild = source.wildcards
    return [
        Word(part, pattern=True)
        if wild and _WILDCARD.search(part)
        else Word(re.sub(r"\\(.)", r"\1", part) if wild else part)
        for part in found
    ]


def error_at(source: Source, why: str, hint: str = "") -> DockerfileError:
    """A mistake in what one source names."""
    return DockerfileError(source.line, source.instruction, why, hint)
