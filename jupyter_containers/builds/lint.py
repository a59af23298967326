"""What a Dockerfile could do better: Hadolint, and BuildKit's own check where it is at hand.

Called by `build --check` and the cell. Fetches nothing: the check sees `scratch` for every image.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from ..dockerfile.contents import Dockerfile
from ..dockerfile.late import external, missing
from ..dockerfile.parser import parse
from ..dockerfile.render import render
from ..engines.common.versions import at_least
from ..engines.registry import open_engine, preferred_engine
from ..errors import BadInput, ContainersError, DockerfileError, EngineError, EngineFailed
from ..host import process
from ..images.convert import builder_for
from ..models import NO_ENV, EngineInfo
from ..notebook.cells import parse_cell
from ..policy.policy import Policy
from ..text import one_line, printable, untrusted_json

Level = Literal["error", "warning", "info", "style"]
_LEVELS = ("error", "warning", "info", "style")
_TIMEOUT = 30.0
_WIKIS = {
    "DL": "https://github.com/hadolint/hadolint/wiki/{}",
    "SC": "https://www.shellcheck.net/wiki/{}",
}
_SAME = {
    "DL3025": "JSONArgsRecommended",
    "DL4000": "MaintainerDeprecated",
    "DL4003": "MultipleInstructionsDisallowed",
    "DL4004": "MultipleInstructionsDisallowed",
    "DL3000": "WorkdirRelativePath",
    "DL3024": "DuplicateStageName",
    "DL3029": "FromPlatformFlagConstDisallowed",
    "DL3063": "ReservedStageName",
}
"""What both say: BuildKit's is kept, since it is the one that builds."""
_NOT_PARSED = "DL1000"
"""Hadolint cannot parse it. What our reader took builds all the same."""
_NOT_BUILT = ("DL3021",)
"""Of Hadolint's errors, what engines refuse: several sources for COPY, and no folder for them."""
NOISE = (
    *("DL3008", "DL3013", "DL3016", "DL3018", "DL3028", "DL3033", "DL3037", "DL3041", "DL3062"),
    *("DL3002", "DL3003", "DL3022", "DL3047", "DL3059", "DL3066", "SC2086"),
)
"""What is not remarked on by default. The first line: pin every package. The second: which USER is
the last, and its name (a kernel has its own), `cd` in a RUN, COPY --from=IMAGE, wget's progress,
RUN after RUN (each is a step that a later build takes from the cache), and quotes around variables
that the author set. The default of `lintIgnored` in the front end's settings is the same list."""
_UNSURE = ("UndefinedVar", "InvalidBaseImagePlatform")
"""Rules that look into the base image, which is not fetched here."""


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One remark. `line` and `column` count from 1 in the Dockerfile; `url` explains `code`."""

    line: int
    column: int
    level: Level
    code: str
    message: str
    url: str = ""


async def lint(
    text: str,
    args: Mapping[str, str] = NO_ENV,
    *,
    directory: Path | None = None,
    buildx: Sequence[str] | None = None,
    engine: str = "",
    builder: EngineInfo | None = None,
    ignored: Collection[str] = (),
) -> tuple[Diagnostic, ...]:
    """All remarks on a Dockerfile, in order of lines. Level `error` is what would not build;
    Hadolint calls much an error that only could be better.

    `directory` is where a `.hadolint.yaml` may lie. `buildx` begins a command line whose
    BuildKit is asked as well (`["docker", "buildx"]`); where that fails, one remark says so.
    Give it for a daemon of Docker 27 or newer: for older ones buildx fetches a frontend.
    `engine` is the one that is to run the image, where that is known: what only it does
    otherwise is remarked on too. `builder` is what would build it here: what that one is too old
    for is a warning, since others build it. `ignored` are codes that are not remarked on, except
    for errors. Raises EngineMissing or EngineFailed where Hadolint
    cannot be run.
    """
    found: list[Diagnostic] = []
    dockerfile = None
    try:
        dockerfile = parse(text, args, {})
    except DockerfileError as error:
        message = f"{error.message} {error.hint}".removeprefix(f"Dockerfile line {error.line}: ")
        found.append(Diagnostic(error.line, 1, "error", "Dockerfile", message.strip()))
    said = await _hadolint(*_spaced(text, dockerfile), directory)
    if dockerfile is None:  # Hadolint's words for the same mistake are less clear.
        said = [one for one in said if one.level != "error"]
    else:
        said = [_softened(one) for one in said if one.code != _NOT_PARSED]
    if dockerfile is not None and buildx is not None:
        checked = await _buildkit(dockerfile, buildx)
        known = {(one.line, one.code) for one in checked}
        said = [one for one in said if (one.line, _SAME.get(one.code)) not in known]
        found += checked
    if dockerfile is not None:
        found += [*_of_engine(dockerfile, engine), *_of_builder(dockerfile, builder)]
        said = [one for one in said if not _is_tagless_here(one, dockerfile)]
    kept = {one for one in (*found, *said) if one.level == "error" or one.code not in ignored}
    return tuple(sorted(kept))


async def lint_cell(
    source: str, directory: Path, policy: Policy, ignored: Collection[str] = NOISE
) -> list[Diagnostic]:
    """The remarks on a `%%dockerfile` cell's source; lines count in the cell. Raises BadInput
    where it is none, and as `lint` does."""
    cell = parse_cell(source)
    if cell is None:
        raise BadInput("This cell builds nothing.", "Let it begin with: %%dockerfile")
    buildx = await buildkit_check(cell.options.engine, policy)
    args, engine = cell.options.build_args, cell.options.engine
    found = await lint(
        cell.text,
        args,
        directory=directory,
        buildx=buildx,
        engine=engine,
        builder=await builder_here(engine, policy),
        ignored=ignored,
    )
    return [replace(one, line=one.line + cell.first_line - 1) for one in found]


def _softened(one: Diagnostic) -> Diagnostic:
    builds = one.level == "error" and one.code not in _NOT_BUILT
    return replace(one, level="warning") if builds else one


def _is_tagless_here(one: Diagnostic, dockerfile: Dockerfile) -> bool:
    """Whether it asks for a tag on an image that was built here, which no registry replaces."""
    if one.code != "DL3006":
        return False
    return any(
        at.name == "FROM" and at.line == one.line and at.words[0].startswith("localhost/")
        for at in dockerfile.instructions
    )


def _of_engine(dockerfile: Dockerfile, engine: str) -> list[Diagnostic]:
    """https://hpc.github.io/charliecloud/ch-image.html#dockerfile-instructions"""
    if engine != "charliecloud":
        return []
    url = "https://hpc.github.io/charliecloud/ch-image.html"
    found = []
    for one in dockerfile.instructions:
        if one.name == "USER":
            text = "Charliecloud ignores USER: builds and containers run as you."
            found.append(Diagnostic(one.line, 1, "warning", "CharliecloudUser", text, url))
        places = {"WORKDIR": one.words[:1], "COPY": one.words[-1:], "ADD": one.words[-1:]}
        if any(word.startswith("/home/") for word in places.get(one.name, ())):
            text = (
                "A container's HOME is an empty directory at your HOME's own path, and sites may "
                "lay their /home over an image's: applications belong below /opt or /usr/local."
            )
            found.append(Diagnostic(one.line, 1, "warning", "CharliecloudHome", text, url))
    return found


def _of_builder(dockerfile: Dockerfile, builder: EngineInfo | None) -> Iterator[Diagnostic]:
    if builder is None:
        return
    for one in missing(dockerfile, builder):
        text = f"{one.at.name}: {one.why(builder)} {one.hint}"
        yield Diagnostic(one.at.line, 1, "warning", "Builder", text)
    found = dockerfile.heredoc
    known = "heredocs" in builder.features or external(dockerfile, builder)
    if found is not None and not known:
        text = f"This version of {builder.name} ({builder.version}) knows no here-documents (<<)."
        yield Diagnostic(found.line, 1, "warning", "Builder", text)


async def builder_here(engine: str, policy: Policy) -> EngineInfo | None:
    """What `lint` takes as `builder`: the one that would build for an engine, or for the first that
    works; None where none does."""
    try:
        return await (await builder_for(await preferred_engine(engine, policy))).info()
    except ContainersError:
        return None


async def buildkit_check(engine: str, policy: Policy) -> list[str] | None:
    """What `lint` takes as `buildx`: BuildKit's own check, where a daemon is at hand that has it
    without fetching anything. `engine` is the one that builds; empty: any may."""
    if engine not in ("", "docker"):
        return None
    try:
        info = await open_engine("docker", policy).info()
    except ContainersError:
        return None
    return ["docker", "buildx"] if info.usable and at_least(info.version, 27, 0) else None


def _spaced(text: str, dockerfile: Dockerfile | None) -> tuple[str, list[int]]:
    """The text with an empty line after each heredoc, and which line each was.

    Hadolint 2.15 takes an instruction right behind a heredoc for a mistake (DL1000).
    """
    lines = (dockerfile.text if dockerfile else text).split("\n")
    numbers = list(range(1, len(lines) + 1))
    for one in reversed(dockerfile.instructions if dockerfile else ()):
        if one.heredocs:
            lines.insert(one.end, "")
            numbers.insert(one.end, one.end)
    return "\n".join(lines), numbers


async def _hadolint(text: str, numbers: list[int], directory: Path | None) -> list[Diagnostic]:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.is_file() else shutil.which("hadolint") or "hadolint"
    argv = [program, "--no-fail", "--format", "json", "-"]
    done = await process.run(
        argv,
        input=text.encode(errors="replace"),
        timeout=_TIMEOUT,
        cwd=str(directory) if directory else None,
    )
    try:
        found = [_remark(remark, numbers) for remark in untrusted_json(done.stdout)]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise EngineFailed(argv, done.code, done.stderr or done.stdout) from error
    if done.stderr.strip():  # such as a .hadolint.yaml that it cannot read
        found.append(Diagnostic(1, 1, "info", "hadolint", one_line(done.stderr, 500)))
    return found


def _remark(remark: Mapping[str, Any], numbers: Sequence[int]) -> Diagnostic:
    code = one_line(str(remark["code"]), 40)
    level = cast(Level, remark["level"]) if remark["level"] in _LEVELS else "warning"
    message = printable(str(remark["message"]), 1000)
    url = _WIKIS.get(code[:2], "").format(code)
    line = numbers[min(max(int(remark["line"]), 1), len(numbers)) - 1]
    return Diagnostic(line, int(remark["column"]), level, code, message, url)


async def _buildkit(dockerfile: Dockerfile, buildx: Sequence[str]) -> list[Diagnostic]:
    """https://docs.docker.com/reference/cli/docker/buildx/build/#call, from BuildKit 0.15 on."""
    pins = {fetch.reference: "scratch" for fetch in dockerfile.fetches}
    try:
        blank = render(dockerfile, pins)
    except DockerfileError as error:
        return [Diagnostic(error.line, 1, "error", "Dockerfile", error.message)]
    argv = [*buildx, "build", "--call=check,format=json", "-"]
    for name, value in dockerfile.args.items():
        argv[-1:-1] = ["--build-arg", f"{name}={value}"]
    try:
        done = await process.run(argv, input=blank.text.encode(), timeout=_TIMEOUT)
        report = untrusted_json(done.stdout)
        return [
            Diagnostic(
                blank.original(int(warning["location"]["ranges"][0]["start"]["line"])),
                1,
                "warning",
                one_line(str(warning["ruleName"]), 60),
                printable(str(warning["detail"]), 1000),
                one_line(str(warning["url"]), 300),
            )
            for warning in report["warnings"] or ()
            if warning["ruleName"] not in _UNSURE
        ]
    except EngineError as error:
        why = error.message
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        why = one_line(done.stderr or done.stdout, 300) or "it gave no report."
    return [Diagnostic(1, 1, "info", "check", f"BuildKit's own check was not made: {why}")]
