"""What programs said that few machines have, kept so that their engines are tested everywhere.

A recording is a list of calls of one test: arguments, the ENROOT_* variables, the scripts that it
was given, and what it printed, made and ended with. `record.py` wraps the real program and writes
it (`JC_RECORD=1 pytest tests/engines/test_enroot.py`, with the program on PATH); `replay.py`
stands in for the program, and refuses every call that was not recorded.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import which
from typing import Any

ROOT = Path(__file__).parents[2]
_RANDOM = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "ID"),
    (re.compile(r"/new-\w+"), "/new-X"),
    (re.compile(r"/enroot\.\w{10}"), "/enroot.X"),
    (re.compile(r"/tmp[a-z0-9_]{8}\b"), "/tmp.X"),
)


@dataclass
class Call:
    """One call; `code` is None where it went on until it was killed."""

    argv: list[str]
    env: dict[str, str]
    scripts: dict[str, str]
    code: int | None = None
    stdout: str = ""
    stderr: str = ""
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path below what the call was told to make: a file's size and text, or a link's target."""


@dataclass(frozen=True)
class Setup:
    """What a wrapper is told: it runs with an environment that is not the test's."""

    file: str
    program: str
    words: dict[str, str]
    """Path or address → the word it has in recordings."""

    def normal(self, text: str) -> str:
        """What is the same on every machine and at every time."""
        for mine, word in sorted(self.words.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(mine, word)
        for pattern, word in _RANDOM:
            text = pattern.sub(word, text)
        return text

    def mine(self, text: str) -> str:
        """A recorded text with this machine's paths."""
        for mine, word in self.words.items():
            text = text.replace(word, mine)
        return text

    def asked(self) -> Call:
        """This process's own call, as far as it is known before it ends."""
        argv = [Path(sys.argv[0]).name, *sys.argv[1:]]
        scripts = {}
        for word in argv:
            option, _, path = word.partition("=")
            if option in ("--conf", "--rc"):
                scripts[option] = self.normal(Path(path).read_text())
        env = {k: self.normal(v) for k, v in sorted(os.environ.items()) if k.startswith("ENROOT_")}
        return Call([self.normal(word) for word in argv], env, scripts)

    def makes(self) -> Path | None:
        """What this process's call is told to make."""
        argv = sys.argv[1:]
        if "--output" in argv:
            return Path(argv[argv.index("--output") + 1])
        if argv[:1] == ["create"]:
            return Path(os.environ["ENROOT_DATA_PATH"], argv[argv.index("--name") + 1])
        return None


def read(path: Path) -> list[Call]:
    """The calls of a recording, in their order."""
    return [Call(**call) for call in json.loads(path.read_text())]


def write(path: Path, calls: Sequence[Call]) -> None:
    """Written as people read it in a review."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([asdict(call) for call in calls], indent=1) + "\n")


@contextmanager
def programs(
    names: Sequence[str], recording: Path, place: Path, words: Mapping[str, str]
) -> Iterator[bool]:
    """`names` on PATH, the first of them the one in question: the real ones where that is
    installed, else such as replay. Yields whether they are real."""
    real = which(names[0]) is not None
    recording_now = real and os.environ.get("JC_RECORD") == "1"
    before = os.environ["PATH"]
    if not real or recording_now:
        bin, calls = place / "bin", place / "calls"
        bin.mkdir()
        calls.mkdir()
        for name in names:
            wrap(bin / name, "record" if recording_now else "replay", name, words, recording)
        os.environ["PATH"] = f"{bin}{os.pathsep}{before}"
    try:
        yield real
        if recording_now:
            made = sorted((place / "calls").iterdir())
            write(recording, [Call(**json.loads(one.read_text())) for one in made])
    finally:
        os.environ["PATH"] = before


def wrap(path: Path, module: str, name: str, words: Mapping[str, str], recording: Path) -> None:
    """An executable that calls `main` of a module here."""
    setup = Setup(str(recording), which(name) or "", dict(words))
    path.write_text(
        f"#!{sys.executable} -I\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.recordings import Setup\nfrom tests.recordings.{module} import main\n"
        f"main({setup!r})\n"
    )
    path.chmod(0o755)
