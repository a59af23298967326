"""The Dockerfile that `ch-image` gets: what it cannot read written so that it can, and what it
ignores told or kept by us. Pure. It was checked before, and has no here-documents.

https://hpc.github.io/charliecloud/ch-image.html#dockerfile-instructions
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...dockerfile.lexer import read
from ...errors import DockerfileError
from ...models import NO_ENV, BuildSpec, BuildStep
from ...text import one_line

SECRETS = "/run/secrets"
_BASE = "JUPYTER_CONTAINERS_BASE"
_APART = "JUPYTER_CONTAINERS_ENV_"
_HOSTS = re.compile(
    r"(?:LD|MALLOC|GLIBC|CH)_\w*|GCONV_PATH|GETCONF_DIR|HOSTALIASES|LOCALDOMAIN|LOCPATH|NIS_PATH|"
    r"NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TMPDIR|TZDIR",
    re.ASCII,
)
"""What a program of the host obeys: the loader's own list of what it keeps from programs with more
rights than their caller (glibc's unsecvars.h), and `ch-run`'s. It mounts TMPDIR on /tmp."""
_NAME = re.compile(r"[\w.-]+", re.ASCII)
_QUOTED = re.compile(r"""\"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)""")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_ARCHIVE = re.compile(r"\.(tar|tgz|tbz2|txz|tar\.\w+)$|^\w+://|^git@", re.IGNORECASE)
_IGNORED = {
    "USER": "everything runs as you, in builds and containers",
    "VOLUME": "mounts are the notebook's settings",
    "EXPOSE": "containers share this machine's network",
    "HEALTHCHECK": "nothing would ask for it",
    "ONBUILD": "put it into the Dockerfiles that begin with this image",
    "STOPSIGNAL": "a container is killed as a whole",
    "MAINTAINER": "use LABEL",
}


@dataclass
class Stage:
    """One stage: its lines, and what an image of it has that `ch-image` does not keep."""

    base: str = ""
    """The image that it begins with, by way of other stages or not."""
    lines: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] | None = None
    apart: set[str] = field(default_factory=set)
    """The variables that `ch-image` has under other names (`renamed`)."""


@dataclass
class Translated:
    """`steps[n - 1]` is the instruction that line n of `text` is of."""

    text: str = ""
    steps: list[BuildStep | None] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    stage: Stage = field(default_factory=Stage)
    """The last one."""
    stages: list[Stage] = field(default_factory=list)

    def add(self, line: str, step: BuildStep | None) -> None:
        """One more line. Raises DockerfileError where `ch-image` would read on: a backslash at the
        end continues a line for it, whatever the escape character is."""
        if line.endswith("\\") or "\n" in line:
            name, number = line.partition(" ")[0], step.line if step is not None else 0
            why = "charliecloud would read what follows as a part of it."
            raise DockerfileError(number, name, why, "Do not let it end with a backslash.")
        self.text += f"{line}\n"
        self.steps.append(step)
        self.stage.lines.append(line)

    def notice(self, text: str) -> None:
        """Said once, however often it is so."""
        if text not in self.notices:
            self.notices.append(text)


@dataclass(frozen=True)
class _Instruction:
    name: str
    flags: tuple[str, ...]
    words: tuple[str, ...]
    json: bool
    step: BuildStep | None

    @property
    def rest(self) -> str:
        """What follows its flags, on one line."""
        return _json(self.words) if self.json else " ".join(self.words)

    def fail(self, why: str, hint: str) -> DockerfileError:
        line = self.step.line if self.step is not None else 0
        return DockerfileError(line, self.name, why, hint)


@dataclass
class _Plan:
    """What one FROM begins: `base` is the image, or the number of an earlier stage."""

    base: str | int
    name: str
    uses: set[int] = field(default_factory=set)
    """The stages that it takes files from."""


def _plans(spec: BuildSpec) -> list[_Plan]:
    """The stages. Which of them a name means is decided here, by the reader's rule and no other:
    `ch-image` gets numbers. Raises DockerfileError."""
    found: list[_Plan] = []
    for one in _instructions(spec):
        if one.name == "FROM":
            earlier = _stage(found, one.words[0])
            base = one.words[0] if earlier is None else earlier
            found.append(_Plan(base, _stage_name(one.words)))
        elif found and (origin := _origin(one, found)) is not None:
            found[-1].uses.add(origin)
    return found


def _stage(plans: Sequence[_Plan], name: str) -> int | None:
    return next((n for n, one in enumerate(plans) if one.name == name.lower()), None)


def _origin(one: _Instruction, plans: Sequence[_Plan]) -> int | None:
    """The stage that COPY takes files from; None where it takes the context's."""
    given = [flag.partition("=")[2] for flag in one.flags if flag.startswith("--from=")]
    if one.name != "COPY" or not given:
        return None
    number = int(given[0]) if given[0].isdecimal() else _stage(plans[:-1], given[0])
    if number is None or number >= len(plans) - 1:
        why = f"charliecloud copies from stages only, and {one_line(given[0], 100)} is none."
        raise one.fail(why, f"Begin one with it: FROM {one_line(given[0], 100)} AS other")
    return number


def _reached(plans: Sequence[_Plan]) -> set[int]:
    """The stages that the last one needs, itself among them. The others are not built."""
    reached: set[int] = set()
    pending = [len(plans) - 1]
    while pending:
        number = pending.pop()
        if number >= 0 and number not in reached:
            reached.add(number)
            base = plans[number].base
            pending += [*plans[number].uses, *([base] if isinstance(base, int) else [])]
    return reached


def bases(spec: BuildSpec) -> list[str]:
    """The images that its stages begin with, `scratch` among them: also where a stage is not
    needed, which then stands there empty, for its number."""
    plans = _plans(spec)
    reached = _reached(plans)
    found = (one.base if n in reached else "scratch" for n, one in enumerate(plans))
    return list(dict.fromkeys(base for base in found if isinstance(base, str)))


def renamed(name: str) -> str:
    """What `ch-image` has a variable under: it runs `ch-run`, a program of the host, with all those
    that an image or a Dockerfile sets."""
    return f"{_APART}{name}" if _HOSTS.fullmatch(name) else name


def own_name(name: str) -> str:
    """The name that `renamed` was given."""
    return name.removeprefix(_APART)


def translate(
    spec: BuildSpec, names: Mapping[str, str], env: Mapping[str, Collection[str]] = NO_ENV
) -> Translated:
    """`names` says what `ch-image` calls the images of `bases`, `env` which variables they have.
    Raises DockerfileError."""
    out, plans = Translated(), _plans(spec)
    reached = _reached(plans)
    for one in _instructions(spec):
        if one.name == "FROM":
            number = len(out.stages)
            plan = plans[number] if number in reached else _Plan("scratch", "")
            _from(one, plan, names, env, out)
        elif out.stages and len(out.stages) - 1 not in reached:
            continue
        elif one.name in ("ARG", "ENV"):
            _assign(one, spec.args, out)
        elif one.name == "RUN":
            _run(one, out)
        elif one.name in ("COPY", "ADD"):
            _copy(one, _origin(one, plans[: len(out.stages)]), out)
        elif one.name == "LABEL":
            out.stage.labels |= {name: _plain(value) for name, value in _pairs(one)}
        elif one.name == "ENTRYPOINT":
            out.stage.entrypoint = one.words if one.json else ("/bin/sh", "-c", one.rest)
        elif one.name in _IGNORED:
            out.notice(f"Charliecloud ignores {one.name}: {_IGNORED[one.name]}.")
        elif one.name != "CMD":
            out.add(f"{one.name} {_referring(one.rest, out.stage)}", one.step)
    return out


def _from(
    one: _Instruction,
    plan: _Plan,
    names: Mapping[str, str],
    env: Mapping[str, Collection[str]],
    out: Translated,
) -> None:
    """Begin a stage. `ch-image` begins none with an earlier one (0.31): that one's lines stand
    there again, and its cache knows them. That cache takes all imported images for the same
    (`import_id` in its build_cache.py), so an argument tells them apart."""
    if one.flags:
        raise one.fail(f"charliecloud knows no {one.flags[0]}.", "Leave it out.")
    if isinstance(plan.base, int):
        earlier = out.stages[plan.base]
        out.stage = replace(
            earlier, lines=[], labels=dict(earlier.labels), apart=set(earlier.apart)
        )
        lines = list(earlier.lines)
    else:
        out.stage = Stage(plan.base)
        out.stage.apart |= {name for name in env.get(plan.base, ()) if _HOSTS.fullmatch(name)}
        name = names.get(plan.base, plan.base)
        lines = [f"FROM {name}", f'ARG {_BASE}="{name}"']
    out.stages.append(out.stage)
    for line in lines:
        out.add(line, one.step)


def _instructions(spec: BuildSpec) -> Iterator[_Instruction]:
    """To the end of the stage that is wanted, as they were read when the build was judged. Each
    that comes after the first FROM has its step."""
    steps = iter(spec.steps)
    stage = -1
    ends = False
    for one in read(spec.dockerfile):
        if one.name == "FROM":
            if ends:
                return
            stage += 1
            ends = bool(spec.target) and spec.target.lower() in (str(stage), _stage_name(one.words))
        step = next(steps, None) if stage >= 0 else None
        yield _Instruction(one.name, one.flags, one.words, one.json, step)


def _stage_name(words: Sequence[str]) -> str:
    return words[2].lower() if len(words) > 2 else ""


def _pairs(one: _Instruction) -> Iterator[tuple[str, str]]:
    """The names of ENV or LABEL with their values as written."""
    return zip(one.words[::2], one.words[1::2], strict=True)


def _assign(one: _Instruction, args: Mapping[str, str], out: Translated) -> None:
    """One line for each name: `ch-image` takes one, gives an argument to the first ARG of its name
    only, and reads no `=` in a value without quotes."""
    if one.name == "ENV":
        given = list(_pairs(one))
    else:
        given = [(word.partition("=")[0], word.partition("=")[2]) for word in one.words]
    for name, value in given:
        quoted = _requoted(value) if value or one.name == "ENV" else ""
        if any(re.search(r"\$[\w{]", found[2] or "") for found in _QUOTED.finditer(value)):
            out.notice(f"Charliecloud puts variables into {name}, single quotes or not.")
        if one.name == "ARG" and name in args:
            quoted = _json(args[name])
        quoted = _referring(quoted, out.stage)
        if not _NAME.fullmatch(name) or (quoted and not _STRING.fullmatch(quoted)):
            why = f"charliecloud cannot read the value of {one_line(name, 100)}."
            raise one.fail(why, f'Write it in one pair of quotes: {one.name} NAME="value"')
        if _HOSTS.fullmatch(name):
            out.stage.apart.add(name)
        text = f"={_bare(quoted) if one.name == 'ARG' else quoted}" if quoted else ""
        out.add(f"{one.name} {renamed(name)}{text}", one.step)


def _referring(text: str, stage: Stage) -> str:
    """With the names that `ch-image` has for what `text` refers to."""
    for name in stage.apart:
        text = re.sub(rf"(?<!\\)(\$\{{?){re.escape(name)}(?!\w)", rf"\1{renamed(name)}", text)
    return text


def _json(value: str | Sequence[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _requoted(value: str) -> str:
    """In one pair of double quotes, with what was escaped still so."""
    return f'"{_QUOTED.sub(_unquoted, value)}"'


def _unquoted(found: re.Match[str]) -> str:
    if found[1] is not None:
        return found[1]
    if found[2] is not None:
        return _json(found[2])[1:-1]
    return found[3] if found[3] in (" ", "'") else found[0]


def _bare(quoted: str) -> str:
    """Without its quotes where nothing needs them: `ch-image` 0.31 takes those of one word for a
    part of an argument, and not those of a variable."""
    word = quoted[1:-1]
    return word if re.fullmatch(r"""[^\s"'=\\]+""", word) else quoted


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1] if value[:1] in ("'", '"') else value)


def _run(one: _Instruction, out: Translated) -> None:
    """Secrets lie in one directory of every RUN; caches and memory are the image's own then.

    Variables get their names back in the image's own shell, after what fakeroot has in LD_PRELOAD
    and LD_LIBRARY_PATH: `ch-image --force` runs package managers in it."""
    for flag in one.flags:
        name, _, value = flag.partition("=")
        fields = dict(part.partition("=")[::2] for part in value.split(","))
        kind = fields.get("type", "bind")
        if "from" in fields:
            raise one.fail("charliecloud mounts nothing of other stages.", "Use COPY --from.")
        if name != "--mount":
            raise one.fail(f"charliecloud knows no {name}.", "Leave it out.")
        if kind == "secret":
            id = fields.get("id", "")
            target = fields.get("target") or fields.get("dst") or f"{SECRETS}/{id}"
            if target != f"{SECRETS}/{id}" or "env" in fields:
                why = f"charliecloud gives secrets as files in {SECRETS} only."
                raise one.fail(why, f"Read it from {SECRETS}/{id}.")
        elif kind not in ("cache", "tmpfs"):
            hint = "Use COPY, with --from for another stage's files."
            raise one.fail(f"charliecloud knows no mounts of the type {kind}.", hint)
        elif kind == "cache":
            out.notice("Charliecloud keeps no caches (RUN --mount=type=cache) between builds.")
    if not out.stage.apart:
        out.add(f"RUN {one.rest}", one.step)
        return
    exports = (
        f'${{{renamed(name)}+export {name}="${{{name}:+${name}:}}${renamed(name)}"}}; '
        for name in sorted(out.stage.apart)
    )
    command = f"exec {shlex.join(one.words)}" if one.json else one.rest
    out.add(f"RUN {''.join(exports)}{command}", one.step)


def _copy(one: _Instruction, origin: int | None, out: Translated) -> None:
    flags = [f"--from={origin}"] if origin is not None else []
    for flag in one.flags:
        name = flag.partition("=")[0]
        if name == "--chown":
            out.notice("Charliecloud ignores --chown: every file is yours, in containers too.")
        elif name not in ("--from", "--link"):
            raise one.fail(f"charliecloud knows no {name}.", "Leave it out.")
    odd = [source for source in one.words[:-1] if _ARCHIVE.search(source)]
    if one.name == "ADD" and odd:
        why = f"charliecloud neither fetches nor unpacks: {one_line(odd[0], 100)}."
        raise one.fail(why, "Use COPY, and RUN with curl or tar.")
    out.add(" ".join(["COPY", *flags, _referring(one.rest, out.stage)]), one.step)
