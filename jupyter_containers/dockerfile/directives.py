"""The parser directives at the top of a Dockerfile: `# escape=`, `# syntax=`, `# check=`. Pure.

`# syntax=` names a program that reads the Dockerfile in place of the builder's own reader. It is
fetched and run, and what it reads is all that counts: one of before here-documents takes their
bodies for instructions, and a stranger's downloads what it likes. So only Docker's own is taken,
in versions that read as we do, and the line reaches no builder that can do without (`late.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import BadReference, DockerfileError
from ..models import Reference

_DIRECTIVE = re.compile(r"\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=(.*)")
_MAX_DIRECTIVE = 1000
"""Characters; the parsers take time that grows with the square of it."""
_FRONTENDS = ("docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream")
_FRONTEND = re.compile(r"1(\.([4-9]|[1-9][0-9]+)(\.[0-9]+)?)?(-labs)?")
"""Tags of those that know here-documents. https://hub.docker.com/r/docker/dockerfile"""


@dataclass(frozen=True)
class Directives:
    """`# syntax=` (its first word, "" without) with its line, and the escape character."""

    syntax: str = ""
    syntax_line: int = 0
    escape: str = "\\"
    lines: tuple[int, ...] = ()
    """Where they stand, `# check=` among them."""

    @property
    def frontend(self) -> str:
        """What stands for `syntax`, in full: Docker's, by a tag. In place of one from before
        here-documents it is one of today, which reads all that those read. Raises
        DockerfileError for any other."""
        try:
            asked = Reference.parse(self.syntax)
        except BadReference as error:
            raise DockerfileError(self.syntax_line, "# syntax", error.message, error.hint) from None
        if f"{asked.registry}/{asked.path}" not in _FRONTENDS:
            raise DockerfileError(
                self.syntax_line,
                "# syntax",
                f"{self.syntax} would read the Dockerfile in its own way, and nothing that it "
                "reads could be judged.",
                "Leave the line out, or write # syntax=docker/dockerfile:1",
            )
        tag = asked.tag
        if not _FRONTEND.fullmatch(tag):
            tag = "1-labs" if "labs" in tag else "1"
        return f"{_FRONTENDS[0]}:{tag}"


def directives(text: str) -> Directives:
    """The parser directives at the top, read as widely as any version of BuildKit does, which
    goes on behind those that it does not know.

    A `#!` line may stand before them:
    https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/directives.go
    """
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if number == 1 and line.startswith("#!"):
            continue
        match = _DIRECTIVE.match(line)
        if match is None or not match[2]:  # a blank is a value
            break
        if (key := match[1].lower()) not in ("syntax", "escape", "check"):
            continue
        if key in found:
            raise DockerfileError(number, f"# {key}", "a directive can stand only once.")
        found[key] = (match[2].strip(), number)
    syntax, line_number = found.get("syntax", ("", 0))
    return Directives(
        syntax=syntax.split(" ")[0],
        syntax_line=line_number,
        escape=found.get("escape", ("\\", 0))[0],
        lines=tuple(number for _, number in found.values()),
    )


def escape_first(text: str) -> str:
    """The text with `# escape` before `# syntax` and `# check`, so that engines agree on which
    lines are instructions: buildah stops at `# syntax`, BuildKit before 0.14 at `# check`.

    Raises DockerfileError where they would not agree all the same.
    """
    lines = text.split("\n")
    above: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip().startswith("#"):
            break
        match = _DIRECTIVE.match(line)
        if match is None and not (number == 1 and line.startswith("#!")):
            break  # an ordinary comment, after which all engines look for no more of them
        key = match[1].lower() if match is not None else "#!"
        if match is not None and len(line) > _MAX_DIRECTIVE:
            raise DockerfileError(number, f"# {match[1][:20]}", "the line is too long.")
        if key == "escape" and above <= {"syntax", "check"}:
            text = "\n".join([line, *lines[: number - 1], *lines[number:]])
        elif key == "escape":
            raise DockerfileError(
                number,
                "# escape",
                "it counts for some engines and not for others, unless it is the first line.",
                "Put it first.",
            )
        above.add(key)
    return text
