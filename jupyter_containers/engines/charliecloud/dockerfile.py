"""The Dockerfile that `ch-image` gets: what it cannot read written so that it can, and what it
ignores told or kept by us. Pure. It was checked before, and has no here-documents.

https://hpc.github.io/charliecloud/ch-image.html#dockerfile-instructions
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import DockerfileError
from ...models import BuildSpec, BuildStep
from ...text import one_line, untrusted_json

SECRETS = "/run/secrets"
_BASE = "JUPYTER_CONTAINERS_BASE"
_FLAGS = re.compile(r"(?:\s*--[a-zA-Z-]+(?:=\S+)?)*")
_PAIR = re.compile(r"""\s*([^\s=]+)(?:=("(?:[^"\\]|\\.)*"|'[^']*'|(?:\\.|[^\s\\])*))?""")
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
        """One more line."""
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
    rest: str
    step: BuildStep | None

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
            words = one.rest.split()
            earlier = _stage(found, words[0])
            base = words[0] if earlier is None else earlier
            found.append(_Plan(base, words[2].lower() if len(words) > 2 else ""))
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


def translate(spec: BuildSpec, names: Mapping[str, str]) -> Translated:
    """`names` says what `ch-image` calls the images of `bases`. Raises DockerfileError."""
    out, plans = Translated(), _plans(spec)
    reached = _reached(plans)
    for one in _instructions(spec):
        if one.name == "FROM":
            number = len(out.stages)
            plan = plans[number] if number in reached else _Plan("scratch", "")
            _from(one, plan, names, out)
        elif out.stages and len(out.stages) - 1 not in reached:
            continue
        elif one.name in ("ARG", "ENV"):
            _assign(one, spec.args, out)
        elif one.name == "RUN":
            _run(one, out)
        elif one.name in ("COPY", "ADD"):
            _copy(one, _origin(one, plans[: len(out.stages)]), out)
        elif one.name == "LABEL":
            out.stage.labels |= {name: _plain(value or "") for name, value in _pairs(one.rest)}
        elif one.name == "ENTRYPOINT":
            out.stage.entrypoint = _argv(one.rest)
        elif one.name in _IGNORED:
            out.notice(f"Charliecloud ignores {one.name}: {_IGNORED[one.name]}.")
        elif one.name != "CMD":
            out.add(" ".join([one.name, *one.flags, one.rest]), one.step)
    return out


def _from(one: _Instruction, plan: _Plan, names: Mapping[str, str], out: Translated) -> None:
    """Begin a stage. `ch-image` begins none with an earlier one (0.31): that one's lines stand
    there again, and its cache knows them. That cache takes all imported images for the same
    (`import_id` in its build_cache.py), so an argument tells them apart."""
    if one.flags:
        raise one.fail(f"charliecloud knows no {one.flags[0]}.", "Leave it out.")
    if isinstance(plan.base, int):
        earlier = out.stages[plan.base]
        out.stage = Stage(earlier.base, [], dict(earlier.labels), earlier.entrypoint)
        lines = list(earlier.lines)
    else:
        out.stage = Stage(plan.base)
        name = names.get(plan.base, plan.base)
        lines = [f"FROM {name}", f'ARG {_BASE}="{name}"']
    out.stages.append(out.stage)
    for line in lines:
        out.add(line, one.step)


def _instructions(spec: BuildSpec) -> Iterator[_Instruction]:
    """To the end of the stage that is wanted. Each that comes after the first FROM has its step."""
    steps = iter(spec.steps)
    stage = -1
    ends = False
    for text in _joined(spec.dockerfile):
        name, _, rest = text.partition(" ")
        name = name.upper()
        if name == "FROM":
            if ends:
                return
            stage += 1
            named = re.search(r"\sas\s+(\S+)\s*$", rest, re.IGNORECASE)
            wanted = (str(stage), named[1].lower() if named else "")
            ends = bool(spec.target) and spec.target.lower() in wanted
        step = next(steps, None) if stage >= 0 else None
        flags = _FLAGS.match(rest) if name in ("FROM", "RUN", "COPY", "ADD") else None
        given = flags[0] if flags else ""
        yield _Instruction(name, tuple(given.split()), rest[len(given) :].strip(), step)


def _joined(text: str) -> Iterator[str]:
    """Instructions on one line each. Empty lines and comments within one are left out, as
    BuildKit does."""
    escape = re.search(r"\A(?:#.*\n)*?#\s*escape\s*=\s*(\S)", text, re.IGNORECASE)
    mark = re.escape(escape[1] if escape else "\\")
    whole = ""
    for line in text.split("\n"):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        ended = re.sub(rf"{mark}[ \t]*$", "", line)
        whole += ended if whole else ended.lstrip()
        if ended == line:
            yield whole
            whole = ""
    if whole:
        yield whole


def _pairs(text: str) -> list[tuple[str, str | None]]:
    """NAME=value …, or ENV's old NAME value; values as written."""
    first = text.split(None, 1)
    if len(first) == 2 and "=" not in first[0]:
        return [(first[0], '"' + re.sub(r'(?<!\\)"', r"\"", first[1].strip()) + '"')]
    return [(found[1], found[2]) for found in _PAIR.finditer(text)]


def _assign(one: _Instruction, args: Mapping[str, str], out: Translated) -> None:
    """One line for each name: `ch-image` takes one, gives an argument to the first ARG of its name
    only, and reads no `=` in a value without quotes."""
    if one.name == "ARG":
        for found in _PAIR.finditer(one.rest):
            name, value, given = found[1], found[2], args.get(found[1])
            quoted = _quoted(given) if given is not None else value and _requoted(value)
            out.add(f"ARG {name}={_bare(quoted)}" if quoted else f"ARG {name}", one.step)
        return
    for name, value in _pairs(one.rest):
        out.add(f"ENV {name}={_requoted(value or '')}", one.step)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _requoted(value: str) -> str:
    """In double quotes, with what was escaped still so."""
    if value.startswith('"'):
        return value
    if value.startswith("'"):
        return _quoted(value[1:-1])
    return '"' + re.sub(r'(?<!\\)"', r"\"", re.sub(r"\\([ '])", r"\1", value)) + '"'


def _bare(quoted: str) -> str:
    """Without its quotes where nothing needs them: `ch-image` 0.31 takes those of one word for a
    part of an argument, and not those of a variable."""
    word = quoted[1:-1]
    return word if re.fullmatch(r"""[^\s"'=\\]+""", word) else quoted


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1] if value[:1] in ("'", '"') else value)


def _argv(text: str) -> tuple[str, ...]:
    try:
        found = untrusted_json(text)
        return tuple(str(word) for word in found)
    except (ValueError, TypeError):
        return ("/bin/sh", "-c", text)


def _run(one: _Instruction, out: Translated) -> None:
    """Secrets lie in one directory of every RUN; caches and memory are the image's own then."""
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
    out.add(f"RUN {one.rest}", one.step)


def _copy(one: _Instruction, origin: int | None, out: Translated) -> None:
    flags = [f"--from={origin}"] if origin is not None else []
    for flag in one.flags:
        name = flag.partition("=")[0]
        if name == "--chown":
            out.notice("Charliecloud ignores --chown: every file is yours, in containers too.")
        elif name not in ("--from", "--link"):
            raise one.fail(f"charliecloud knows no {name}.", "Leave it out.")
    if one.name == "ADD":
        sources = one.rest.strip("[]").replace('"', " ").replace(",", " ").split()[:-1]
        if odd := [source for source in sources if _ARCHIVE.search(source)]:
            why = f"charliecloud neither fetches nor unpacks: {one_line(odd[0], 100)}."
            raise one.fail(why, "Use COPY, and RUN with curl or tar.")
    out.add(" ".join(["COPY", *flags, one.rest]), one.step)
