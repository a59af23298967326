"""Whether a build's image can come to have a kernel of the notebook's language.

For certain only the image itself tells, minutes later. Before anything is run, its base is looked
into, and the Dockerfile is read for what installs one: only where both have nothing, and nothing
comes in unseen, is a build refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..dockerfile.contents import Dockerfile, Stage
from ..dockerfile.instructions import Instruction, is_heredoc
from ..errors import OtherLanguage
from ..images.prepare import languages_of, look_into, plain_language, unasked_kernel
from ..text import one_line
from .bases import target_stage
from .plan import Plan

_NAMED = (
    r"\bi{0}(kernel)?\b|(?<![a-z]){0}[-_ ]?(kernel|jupyter)|(xeus|jupyter)[-_ ]{0}(?![a-z])"
    r"|kernel[-_]?spec|\bkernels\b|kernel\.json|share/jupyter|jupyter_(path|data_dir)"
)
"""How a kernel for a language is called as a rule (IRkernel, IJulia, bash_kernel, kotlin-jupyter,
xeus-lua), and what installs any."""
_DOTNET = "dotnet[-_. ]interactive"
_BESIDES = {
    "bash": "",
    "c": "cling|clang-repl|xeus-cpp",
    "c#": _DOTNET,
    "c++": "cling|clang-repl|xeus-cpp",
    "clojure": "clojupyter",
    "deno": "",
    "f#": _DOTNET,
    "go": "gonb|gophernotes",
    "haskell": "",
    "ir": "r-essentials",
    "java": "jjava|rapaio",
    "javascript": "deno|tslab|jp-kernel",
    "julia": "",
    "kotlin": "",
    "octave": "",
    "powershell": _DOTNET,
    "r": r"r-essentials|\bark\b",
    "ruby": "",
    "rust": "evcxr",
    "scala": "almond|toree|spylon",
    "typescript": "deno|tslab|jp-kernel",
}
"""By languages, and kernels that notebooks name instead: what is called otherwise."""
_ANY = r"(?<!\w){0}(?!\w)|(?<!ipy)kernel|jupyter"
"""Of what is not among them, whatever may be meant."""
_UNSEEN = re.compile(
    r"://|--mount=(?!type=(cache|tmpfs|secret|ssh)\b)"
    r"|\.(sh|bash|py|r|jl|js|txt|ya?ml|toml|lock|deb|whl)\b|\bmake\b",
    re.IGNORECASE,
)
"""In a RUN: what it gets or reads from elsewhere."""
_DATA = re.compile(
    r".*\.(csv|tsv|parquet|feather|arrow|rds|rda|rdata|nc|h5|hdf5|npy|npz|geojson|xlsx?"
    r"|png|jpe?g|gif|svg|pdf|md|ipynb)",
    re.IGNORECASE,
)
"""The only files that bring no kernel for certain."""
_CELL = "%%dockerfile --kernel"


async def check_language(plan: Plan) -> None:
    """Raise OtherLanguage where the notebook is to move into the image that is built, is written in
    another language than Python, and no kernel for that can be in it. Called before a build."""
    language, dockerfile = plan.request.language, plan.dockerfile
    if plain_language(language) in ("", "python"):
        return
    stages = _stages(dockerfile, plan.request.cell.options.target)
    if may_install(dockerfile, stages, language):
        return
    reference = stages[-1].reference
    base = next((one for one in plan.bases if one.reference == reference), None)
    facts = await look_into(plan.request.builder, base.name) if base is not None else None
    if facts is None:
        return
    there, name = languages_of(facts), unasked_kernel(facts)
    plain = map(plain_language, there)
    if plain_language(language) in plain or any(one.name == language for one in facts.kernels):
        return
    has = f"one for {', '.join(there)} only" if there else "none at all"
    wrong = f" If the notebook is wrong about its language: {_CELL} {name}" if name else ""
    raise OtherLanguage(
        f"The notebook is written in {one_line(language, 40)}, and its image would have no kernel "
        f"for that: {one_line(stages[-1].base, 100)} has {has}, and nothing in the Dockerfile "
        "looks like installing another. Nothing was built.",
        "Install a kernel for that language in the Dockerfile, or begin with an image that has it. "
        f"If it comes in another way, name it: {_CELL} NAME.{wrong}",
    )


def _stages(dockerfile: Dockerfile, target: str) -> list[Stage]:
    """The one that is built, the earlier one that it begins with, and so on."""
    found = [dockerfile.stages[target_stage(dockerfile, target)]]
    while (parent := found[-1].parent) is not None:
        found.append(dockerfile.stages[parent])
    return found


def may_install(dockerfile: Dockerfile, stages: Sequence[Stage], language: str) -> bool:
    """Whether something in these stages looks like installing a kernel for a language, or brings
    what is not seen here. Pure."""
    name = plain_language(language)
    patterns = filter(None, (_NAMED, _BESIDES.get(name, _ANY)))
    words = re.compile("|".join(patterns).format(re.escape(name)), re.IGNORECASE)
    found = [*_instructions(dockerfile, stages)]
    told = (*dockerfile.args.values(), *(text for one in found for text in _texts(one)))
    return any(map(words.search, told)) or any(map(_is_unseen, found))


def _instructions(dockerfile: Dockerfile, stages: Sequence[Stage]) -> Iterator[Instruction]:
    """What these stages run, of their bases' ONBUILD too, and what stands above all stages."""
    begun = [stage.line for stage in dockerfile.stages]
    wanted = {-1, *(stage.index for stage in stages)}
    for one in (*dockerfile.instructions, *dockerfile.ran):
        within = sum(line <= one.line for line in begun) - 1
        if within in wanted and one.name in ("ARG", "ENV", "RUN", "COPY", "ADD"):
            yield one


def _texts(one: Instruction) -> tuple[str, ...]:
    return (one.header, *one.heredocs)


def _is_unseen(one: Instruction) -> bool:
    if one.name == "RUN":
        return any(map(_UNSEEN.search, _texts(one)))
    if one.name not in ("COPY", "ADD"):
        return False
    plain = all(_DATA.fullmatch(word) or is_heredoc(word) for word in one.words[:-1])
    return bool(one.values("from")) or not plain
