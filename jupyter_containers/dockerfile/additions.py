"""Writes what was installed in a container into its Dockerfile. Pure.

The person's lines stay as they are: a package that the Dockerfile names gets its version changed
where it stands, others go to the last command that installs with the same tool if that is cheap to
repeat, else into a RUN of their own. Downloads are kept in a cache mount, not in the image, so that
a build with one package more takes seconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .directives import directives
from .installs import APT, CONDA, PIP, UV, Install, Package, installs_of
from .instructions import Instruction
from .lexer import clean, read

_CACHES = {
    PIP: ("/root/.cache/pip",),
    UV: ("/root/.cache/uv",),
    CONDA: ("/opt/conda/pkgs",),
    APT: ("/var/cache/apt,sharing=locked", "/var/lib/apt,sharing=locked"),
}
_PYTHONS = (PIP, UV)
_LAST = ("CMD", "ENTRYPOINT", "HEALTHCHECK", "STOPSIGNAL", "EXPOSE", "VOLUME", "USER")
"""Before these, where they end a Dockerfile, a new line stands."""
_WORD = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|\\`]+")
_FULL = 100
"""Characters after which a line is continued in the next one."""


@dataclass(frozen=True)
class Added:
    """The Dockerfile with the packages, and the lines of it that are new or changed."""

    text: str
    lines: tuple[str, ...]


def lacking(text: str, install: Install) -> Install:
    """The install without what a Dockerfile has already, at the same version. Raises
    DockerfileError."""
    found = _installs(read(clean(text)))
    there = {
        (_family(one.tool), package.key, package.wanted)
        for _, one in found
        for package in one.packages
    }
    ran = " ".join(word for run, _ in found for word in (*run.words, *run.heredocs))
    return replace(
        install,
        packages=tuple(
            package
            for package in install.packages
            if (_family(package.tool), package.key, _exactly(package)) not in there
        ),
        files=tuple(
            one
            for one in install.files
            if not re.search(rf"-r[\s=]*(\S*/)?{re.escape(_base(one))}(\s|$)", ran)
        ),
        addresses=tuple(one for one in install.addresses if one not in ran),
    )


def named(text: str) -> frozenset[tuple[str, str]]:
    """What a Dockerfile installs, at whatever version: `key_of` each package. Raises
    DockerfileError."""
    return frozenset(
        key_of(package) for _, one in _installs(read(clean(text))) for package in one.packages
    )


def key_of(package: Package) -> tuple[str, str]:
    """By what `named` knows a package: pip's and uv's are the same."""
    return _family(package.tool), package.key


def add(text: str, install: Install, target: str = "") -> Added:
    """Write an install into the stage that is built: the last one, or `target`. Raises
    DockerfileError."""
    before = clean(text)
    editor = _Editor(before, install, target)
    editor.write()
    after = "\n".join(editor.lines)
    read(after)
    old = set(before.split("\n"))
    return Added(after, tuple(line for line in editor.lines if line not in old))


def _installs(instructions: Sequence[Instruction]) -> list[tuple[Instruction, Install]]:
    """What each RUN installs."""
    found = []
    for one in instructions:
        if one.name == "RUN" and not one.json:
            texts = [
                " ".join(one.words),
                *(line for doc in one.heredocs for line in doc.split("\n")),
            ]
            found += [(one, install) for text in texts for install in installs_of(text)]
    return found


def _family(tool: str) -> str:
    return PIP if tool in _PYTHONS else tool


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _exactly(package: Package) -> str:
    """How a Dockerfile asks for that version alone."""
    pinned = package.pinned
    return pinned[pinned.index("=") :] if "=" in pinned else ""


class _Editor:
    def __init__(self, text: str, install: Install, target: str) -> None:
        self.lines = text.split("\n")
        self.install = install
        self.escape = directives(text).escape
        self.instructions = read(text)
        self.installs = _installs(self.instructions)
        starts = [n for n, one in enumerate(self.instructions) if one.name == "FROM"]
        if not starts:
            self.instructions[-1].fail("no FROM follows.", "Begin with FROM, then an image.")
        stages = [
            self.instructions[begin:end]
            for begin, end in zip(starts, [*starts[1:], len(self.instructions)], strict=True)
        ]
        named = [one for one in stages if target and one[0].words[-1].lower() == target.lower()]
        self.stage = [*stages, *named][-1]

    def write(self) -> None:
        runs: dict[tuple[str, str], list[Instruction]] = {}
        for run, one in self.installs:
            for package in one.packages:
                runs.setdefault(key_of(package), []).append(run)
        left = [
            package
            for package in self.install.packages
            if not self.changed(package, runs.get(key_of(package), ()))
        ]
        install = replace(self.install, packages=tuple(left))
        words = [_quoted(word) for word in _words(install)]
        if not words:
            return
        last = self.extended(install)
        if last is not None:
            self.extend(last, words)
        else:
            self.insert(install, words)

    def changed(self, package: Package, runs: Sequence[Instruction]) -> bool:
        """Whether the version was changed where one of these RUNs names the package."""
        for run in runs:
            behind = False
            for at in range(run.line - 1, run.end):
                for word in _WORD.finditer(self.lines[at]):
                    if behind and _names(word[0], package):
                        line, new = self.lines[at], _quoted(package.pinned)
                        self.lines[at] = line[: word.start()] + new + line[word.end() :]
                        return True
                    behind = behind or word[0] == "install"
        return False

    def extended(self, install: Install) -> Instruction | None:
        """The last RUN of the stage, if it installs with the same tool and options, keeps its
        downloads, and does nothing else."""
        runs = [one for one in self.stage if one.name == "RUN"]
        if install.files or not runs:
            return None
        run = runs[-1]
        found = [one for at, one in _installs([run]) if at is run]
        if len(found) != 1 or found[0].tool != install.tool or run.heredocs:
            return None
        caches = any("type=cache" in value for value in run.values("mount"))
        alone = install.tool == APT or not re.search(r"[;&|#<>]", " ".join(run.words))
        same = set(found[0].options) == set(install.options)
        return run if caches and alone and same and _ends_with(run, found[0]) else None

    def extend(self, run: Instruction, words: Sequence[str]) -> None:
        at = run.end - 1
        line = self.lines[at].rstrip()
        one_a_line = run.end > run.line and len(line.split()) == 1
        if not one_a_line and len(line) + len(" ".join(words)) < _FULL:
            self.lines[at] = " ".join([line, *words])
            return
        margin = line[: len(line) - len(line.lstrip())]
        indent = margin if run.end > run.line else "    "
        more = [indent + word for word in words]
        self.lines[at : at + 1] = [
            *(f"{one} {self.escape}" for one in [line, *more[:-1]]),
            more[-1],
        ]

    def insert(self, install: Install, words: Sequence[str]) -> None:
        mounts = [
            *(f"--mount=type=cache,target={place}" for place in _CACHES[install.tool]),
            *(f"--mount=type=bind,source={one},target=/tmp/{_base(one)}" for one in install.files),
        ]
        head = " ".join(["RUN", *mounts])
        command = " ".join([self.command(install), *map(_quoted, install.options), *words])
        line = f"{head} {command}"
        if len(command) > _FULL and len(words) > 1:
            start = " ".join([self.command(install), *map(_quoted, install.options)])
            rows = [head, f"    {start}", *(f"        {word}" for word in words)]
            new = [*(f"{row} {self.escape}" for row in rows[:-1]), rows[-1]]
        elif len(line) > _FULL:
            new = [f"{head} {self.escape}", f"    {command}"]
        else:
            new = [line]
        at = self.place()
        self.lines[at:at] = new

    def command(self, install: Install) -> str:
        """As the Dockerfile calls the tool already, else as most do."""
        if install.tool == APT:
            return "apt-get update && apt-get install -y --no-install-recommends"
        calls = [one.program for _, one in _installs(self.stage) if one.tool == install.tool]
        usual = "pip" if install.tool == PIP else install.program
        yes = " -y" if install.tool == CONDA else ""
        return f"{[usual, *calls][-1]} install{yes}"

    def place(self) -> int:
        """The number of lines before a new one: at the end of the stage, before what ends a
        Dockerfile, and where the user is root, who alone may install for all."""
        root, at = True, self.stage[0].end
        for one in self.stage:
            if one.name == "USER":
                root = one.words[0].partition(":")[0] in ("root", "0")
                at = one.end if root else at
            elif root and one.name not in _LAST:
                at = one.end
        return at


def _words(install: Install) -> list[str]:
    """What a command installs, as its words."""
    return [
        *(package.pinned for package in install.packages),
        *install.addresses,
        *(word for one in install.files for word in ("-r", f"/tmp/{_base(one)}")),
    ]


def _quoted(word: str) -> str:
    """No word has more in it that a shell reads than these: `installs` refuses it."""
    return f'"{word}"' if re.search(r"[\[\]<>!~ ]", word) else word


def _names(word: str, package: Package) -> bool:
    """Whether a word of a RUN asks for the package."""
    word = word.strip("\"'")
    if package.tool in _PYTHONS:
        try:
            return canonicalize_name(Requirement(word).name) == package.key
        except InvalidRequirement:
            return False
    return re.split(r"[=<>!~]", word)[0] == package.name


def _ends_with(run: Instruction, install: Install) -> bool:
    """Whether a word that is put behind a RUN is one of what it installs."""
    last = _WORD.findall(" ".join(run.words))[-1]
    named = any(_names(last, package) for package in install.packages)
    return named or last.strip("\"'") in (*install.addresses, *install.files)
