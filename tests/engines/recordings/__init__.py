"""What programs said that few machines have, kept so that their engines are tested everywhere.

A recording is a list of calls of one test: arguments, the program's own variables, the scripts and
the input that it was given, and what it printed, made and ended with. `record.py` wraps the real
program and writes it (`JC_RECORD=1 pytest tests/engines/enroot`, with the program on PATH);
`replay.py` stands in for the program, and refuses every call that was not recorded.
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

from jupyter_containers.layout import INSIDE
from tests.helpers import ROOT

_RANDOM = {
    r"/new-\w+": "/new-X",
    r"/enroot\.\w{10}": "/enroot.X",
    r"/tmp[a-z0-9_]{8}\b": "/tmp.X",
    r"(/jupyter-containers-\w+-)\w{8}": r"\1X",
}
_INPUT = ("--env-file=/dev/stdin", "--file=-")
"""Arguments of programs that read their standard input."""


@dataclass(frozen=True)
class Kind:
    """What is particular to a program: its variables, and what differs from run to run."""

    variables: str
    random: Mapping[str, str] = field(default_factory=dict)


ENROOT = Kind(r"ENROOT_\w+", {r"\b[0-9a-f]{64}\b": "ID"})
PODMAN_HPC = Kind(r"PODMANHPC_(GRAPH_ROOT|RUN_ROOT|CONFIG_FILE)|SQUASH_DIR")
"""It makes the ids itself: those that it is asked about are those that it said."""
SHIFTER = Kind(
    r"(SLURM_SPANK_)?SHIFTER.*",
    {
        r"\b[0-9a-f]{64}\b": "ID",
        r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\b": "TIME",
        r'"last_pull":[\d.]+': '"last_pull":0',
    },
)


@dataclass
class Call:
    """One call; `code` is None where it went on until it was killed."""

    argv: list[str]
    env: dict[str, str]
    scripts: dict[str, str]
    input: str = ""
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
    kind: Kind

    def normal(self, text: str) -> str:
        """What is the same on every machine and at every time."""
        for mine, word in sorted(self.words.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(mine, word)
        for pattern, word in (_RANDOM | dict(self.kind.random)).items():
            text = re.sub(pattern, word, text)
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
            if option == "--volume" and f":{INSIDE}:" in path:
                directory = Path(path.partition(":")[0])
                there = (directory / name for name in ("env", "start"))
                scripts |= {one.name: self.normal(one.read_text()) for one in there if one.exists()}
        env = {
            name: self.normal(value)
            for name, value in sorted(os.environ.items())
            if re.fullmatch(self.kind.variables, name)
        }
        input = self.normal(sys.stdin.read()) if set(_INPUT) & set(argv) else ""
        return Call([self.normal(word) for word in argv], env, scripts, input)

    def makes(self) -> Path | None:
        """What this process's call is told to make."""
        argv = sys.argv[1:]
        for option, _, path in (word.partition("=") for word in argv):
            if option == "--iidfile":
                return Path(path)
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
    names: Sequence[str],
    recording: Path,
    place: Path,
    words: Mapping[str, str],
    kind: Kind,
    text: str = "",
) -> Iterator[bool]:
    """`names` on PATH, the first of them the one in question: the real ones where that is
    installed, else such as replay. Yields whether they are real. `text` is to be found in what
    stands in for a program, as in itself."""
    real = which(names[0]) is not None
    recording_now = real and os.environ.get("JC_RECORD") == "1"
    before = os.environ["PATH"]
    if not real or recording_now:
        bin, calls = place / "bin", place / "calls"
        bin.mkdir()
        calls.mkdir()
        for name in names:
            setup = Setup(str(recording), which(name) or "", dict(words), kind)
            wrap(bin / name, "record" if recording_now else "replay", setup, text)
        os.environ["PATH"] = f"{bin}{os.pathsep}{before}"
    try:
        yield real
        if recording_now:
            made = sorted((place / "calls").iterdir())
            write(recording, [Call(**json.loads(one.read_text())) for one in made])
    finally:
        os.environ["PATH"] = before


def wrap(path: Path, module: str, setup: Setup, text: str = "") -> None:
    """An executable that calls `main` of a module here."""
    path.write_text(
        f"#!{sys.executable} -I\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.engines.recordings import Kind, Setup\n"
        f"from tests.engines.recordings.{module} import main\n"
        f"main({setup!r})\n# {text}\n"
    )
    path.chmod(0o755)
