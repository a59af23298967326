"""From a `%%dockerfile` cell to a build: bases, files, fingerprint, and the engine's `BuildSpec`.

    cell ─ parse ─ policy ─ bases (pinned) ─ context ─ fingerprint ─ image's name
                                                                        │ is it here?
                                                  stage, render ─ spec ─┘ no: build

The fingerprint is part of the image's name and label, so one question to the engine tells
whether there is anything to build.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from ..dockerfile.contents import Dockerfile, Fetch, demands
from ..dockerfile.context import Context, collect
from ..dockerfile.late import external
from ..dockerfile.lexer import read
from ..dockerfile.parser import parse
from ..dockerfile.render import CA_ARGS, CA_SECRET, Rendered, render
from ..engines.guarded import Guarded
from ..errors import BadInput, EngineError
from ..host.cache import personal_word
from ..layout import BUILD_LABEL
from ..models import (
    NO_ENV,
    BuildSecret,
    BuildSpec,
    BuildStep,
    EngineInfo,
    Image,
    Progress,
    Reference,
)
from ..notebook.cells import DockerfileCell
from ..settings.schema import Build as BuiltFrom
from .bases import Base, OnEvent, Resolver, as_remembered, needed, reached_stages, recall_bases
from .consent import Consent, of_this_machine

NAMESPACE = "localhost/jupyter-containers"

_MOST = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Built:
    """The image of a cell. `reference` is what settings name: the cell's tag, else our own
    name; `source` goes into the settings beside it."""

    image: Image
    reference: str
    name: str
    fingerprint: str
    source: BuiltFrom
    reused: bool


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """One cell to build. Equal requests are one build."""

    cell: DockerfileCell
    directory: Path
    """The notebook's (or Dockerfile's), resolved: `--context` is relative to it."""
    engine: Guarded
    """The engine that is to run the image."""
    builder: Guarded
    """The engine that builds it: the same, or one from which the image is converted."""
    notebook: str = ""
    """The notebook's file name: the image is named after it."""
    earlier: Mapping[str, Built] = field(default_factory=lambda: NO_BUILT)
    """What earlier cells of the notebook were built to, by the full reference of their tag."""
    bases: Mapping[str, str] = field(default_factory=lambda: NO_ENV)
    """Base image → digest that the notebook was last built with (`build.bases`)."""
    update_bases: bool = False
    notice: str = ""
    """What the person should know before anything else."""
    language: str = ""
    """The notebook's, where it is to move into the image, and no kernel is named."""
    file: Path | None = None
    """The Dockerfile, where it is a file and no cell."""
    consent: Consent = field(default_factory=Consent)
    """To what the build reads beside the notebook's own folder."""
    may_retag: bool = False
    """The person typed the tag by hand, so it may take a name from any other image."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two requests the same."""
        earlier = tuple(sorted((name, one.fingerprint) for name, one in self.earlier.items()))
        options = (repr(self.cell.options), self.cell.text, self.update_bases)
        where = (str(self.directory), str(self.file), self.notebook, self.language)
        return (self.engine.name, *where, *options, earlier)

    def of(self, notebook: Path) -> BuildRequest:
        """The same once its notebook lies there."""
        consent = replace(self.consent, notebook=notebook)
        directory, name = notebook.parent, notebook.name
        return replace(self, directory=directory, notebook=name, consent=consent)


NO_BUILT: Mapping[str, Built] = MappingProxyType({})


def earlier_images(cells: Iterable[tuple[DockerfileCell, Built]]) -> Mapping[str, Built]:
    """For `BuildRequest.earlier`: the tagged ones among a notebook's cells built so far."""
    return {
        str(Reference.parse(cell.options.tag)): built for cell, built in cells if cell.options.tag
    }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A request with all that was found out about it."""

    request: BuildRequest
    dockerfile: Dockerfile
    bases: tuple[Base, ...]
    context: Context

    @property
    def fingerprint(self) -> str:
        """sha256, in hex, of cell, arguments, files and base images."""
        bases = {base.reference: base.pin for base in self.bases}
        return _fingerprint(self.request.cell.fingerprint, self.context.fingerprint, bases)

    @property
    def name(self) -> str:
        """The image's own name, which no other build has."""
        stem = self.request.notebook.removesuffix(".ipynb").lower()
        slug = re.sub(r"[^a-z0-9]+", "-", stem)[:40].strip("-") or "notebook"
        return f"{NAMESPACE}/{slug}{self._mark}"

    @property
    def _mark(self) -> str:
        return f":{self.fingerprint[:12]}"

    def _names(self, image: Image) -> list[str]:
        """Names that this build has given an image, for a notebook of whatever name."""
        ours = (name for name in image.references if name.startswith(f"{NAMESPACE}/"))
        return [name for name in ours if name.endswith(self._mark)]

    @property
    def tag(self) -> str:
        """The full reference of `-t TAG`; empty where there is none."""
        given = self.request.cell.options.tag
        return str(Reference.parse(given)) if given else ""

    @property
    def lineage(self) -> str:
        """Which cell it is, however it changes: superseded images of it share this."""
        request = self.request
        which = request.cell.id or str(request.cell.index)
        return _short([str(request.directory), request.notebook, which])

    @property
    def origin(self) -> str:
        """Which notebook (or folder, for a Dockerfile) it belongs to."""
        return origin_of(self.request.directory / self.request.notebook)

    @property
    def label(self) -> str:
        """The value of `BUILD_LABEL`."""
        return f"{self.fingerprint} {self.lineage} {self.origin}"

    def is_made(self, image: Image | None) -> bool:
        """Whether an image of our name is what this plan would build, under all its names."""
        if image is None or not image.labels.get(BUILD_LABEL, "").startswith(self.fingerprint):
            return False
        names = {str(Reference.parse(name)) for name in image.references if _is_reference(name)}
        return not self.tag or self.tag in names

    async def made(self, engine: Guarded, image: Image | None) -> Image | None:
        """What this plan would build, where it is on an engine already; `image` is what has our
        name there. It may have that of a notebook which was renamed or copied since then."""
        if self.request.cell.options.no_cache:
            return None
        if self.is_made(image):
            return image
        with suppress(EngineError):
            for one in await engine.images():
                if self._names(one) and self.is_made(one):
                    return one
        return None

    def built(self, image: Image, *, reused: bool) -> Built:
        """The outcome."""
        names = self._names(image)
        name = self.name if self.name in names or not names else names[0]
        source = BuiltFrom(
            cell=self.request.cell.fingerprint,
            context=self.context.fingerprint,
            bases={base.reference: base.pin for base in self.bases if not base.earlier},
        )
        return Built(
            image=image,
            reference=self.tag or name,
            name=name,
            fingerprint=self.fingerprint,
            source=source,
            reused=reused,
        )


def is_of(image: Image, build: BuiltFrom) -> bool:
    """Whether an image that is here was built from what a notebook records. A base that is the
    image of an earlier cell is not recorded: such an image is told only by its own name."""
    fingerprint = image.labels.get(BUILD_LABEL, "").partition(" ")[0]
    return fingerprint == _fingerprint(build.cell, build.context, build.bases)


def _fingerprint(cell: str, context: str, bases: Mapping[str, str]) -> str:
    made_of = [1, cell, context, sorted(bases.items())]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def origin_of(notebook: Path) -> str:
    """What says in a label which notebook an image was built for."""
    return _short([str(notebook.parent), notebook.name])


def _short(made_of: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


def _is_reference(name: str) -> bool:
    return bool(name) and "<none>" not in name


async def find(request: BuildRequest, on_event: OnEvent) -> tuple[Plan, Image | None]:
    """The plan of a request, and the image where it is built already.

    What the last build of the cell remembers of its bases is believed first: then one question
    to the engine decides.
    Raises BadInput, PolicyRefused, BaseUnknown, NetworkFailed.
    """
    options, engine = request.cell.options, request.builder
    dockerfile = await asyncio.to_thread(parse, request.cell.text, options.build_args, {})
    dockerfile.check_target(options.target)
    _check_tag(options.tag)
    engine.policy.check_build(demands(dockerfile), 0)
    secrets(request)
    if not request.update_bases:

        async def remembered(fetches: Sequence[Fetch]) -> list[Base] | None:
            names = [fetch.reference for fetch in fetches]
            return recall_bases(engine.name, request.cell.fingerprint, names)

        known = await _with_bases(request, dockerfile, remembered)
        bases = [] if known is None else [base for base in known[1] if not base.earlier]
        if known is not None and _agree(bases, request.bases):
            plan = await _plan(request, *known)
            image, same = await as_remembered(engine, plan.name, bases)
            if same and (plan.is_made(image) or image is None):
                return plan, await plan.made(engine, image)
    resolver = Resolver(engine, request.bases, on_event, update=request.update_bases)
    found = await _with_bases(request, dockerfile, resolver.all)
    assert found is not None
    plan = await _plan(request, *found)
    return plan, await plan.made(engine, await engine.image(plan.name))


async def _with_bases(
    request: BuildRequest,
    dockerfile: Dockerfile,
    find_all: Callable[[Sequence[Fetch]], Awaitable[list[Base] | None]],
) -> tuple[Dockerfile, tuple[Base, ...]] | None:
    """The Dockerfile as it is with its bases: what they define counts in it, and their ONBUILD
    may take from stages that nothing else reaches, whose bases are found next."""
    known: dict[str, Base] = {}
    while new := [
        fetch
        for fetch in needed(dockerfile, request.cell.options.target)
        if fetch.reference not in known
    ]:
        known |= {
            name: Base(
                reference=name,
                pin=built.fingerprint,
                name=built.name,
                onbuild=built.image.onbuild,
                workdir=built.image.workdir,
                env=built.image.env,
                earlier=True,
            )
            for name, built in request.earlier.items()
            if any(fetch.reference == name for fetch in new)
        }
        found = await find_all([fetch for fetch in new if fetch.reference not in known])
        if found is None:
            return None
        known |= {base.reference: base for base in found}
        if "$" in dockerfile.text or any(one.onbuild or one.workdir for one in known.values()):
            dockerfile = await asyncio.to_thread(parse, dockerfile.text, dockerfile.args, known)
    return dockerfile, tuple(known.values())


def _check_tag(tag: str) -> None:
    """Under one of our own names, an image could pass for another notebook's."""
    if tag and str(Reference.parse(tag)).startswith(f"{NAMESPACE}/"):
        raise BadInput(
            f"%%dockerfile: --tag: names below {NAMESPACE}/ are given by jupyter-containers.",
            f"Choose another, such as localhost/{tag.rpartition('/')[2]}",
        )


def _agree(known: Iterable[Base], pins: Mapping[str, str]) -> bool:
    return all(pins.get(base.reference, base.pin) == base.pin for base in known if not base.local)


async def _plan(request: BuildRequest, dockerfile: Dockerfile, bases: tuple[Base, ...]) -> Plan:
    policy = request.builder.policy
    most = _MOST if policy.max_context is None else policy.max_context
    secrets, own = request.cell.options.secrets, request.directory
    urls = await of_this_machine(demands(dockerfile).urls)

    def allow(directory: Path, named: Mapping[str, bool]) -> None:
        policy.check_context(directory, named)  # nobody is asked for what may not be
        request.consent.check(own, directory, named, secrets, urls)

    context = await asyncio.to_thread(
        collect,
        dockerfile,
        own,
        request.cell.options.context,
        max_bytes=most,
        file=request.file,
        allow=allow,
    )
    policy.check_build(demands(dockerfile), context.total)
    policy.check_context(context.directory, [file.path for file in context.files])
    return Plan(request=request, dockerfile=dockerfile, bases=bases, context=context)


def secrets(request: BuildRequest) -> tuple[BuildSecret, ...]:
    """The secrets a cell asks for, as files. Raises PolicyRefused, and BadInput for a file that
    is not there."""
    found = []
    for name in request.cell.options.secrets:
        source = request.engine.policy.secret_source(name)
        if not source.is_file():
            raise BadInput(
                f"The secret {name!r} is to be read from a file that is not there.",
                "Whoever set Policy.build_secrets can put it in its place.",
            )
        found.append(BuildSecret(id=name, source=str(source)))
    return tuple(found)


def spec_of(plan: Plan, context: Path | None, work: Path, builder: EngineInfo) -> BuildSpec:
    """What the engine gets. `context` is where the files were staged; `work` is a directory of
    ours, where each secret gets a link with a plain name: engines split the option at commas.
    `builder` says what it does not know."""
    options, policy = plan.request.cell.options, plan.request.engine.policy
    runs = any(one.name == "RUN" for one in plan.dockerfile.instructions)
    ca = policy.ca_bundle() if runs else None
    pins = {base.reference: base.name for base in plan.bases}
    stages = sorted(reached_stages(plan.dockerfile, options.target))
    rendered = render(
        plan.dockerfile,
        pins,
        ca=ca is not None,
        caches=personal_word(),
        lacks=builder.lacks,
        external=external(plan.dockerfile, builder),
        stages=stages,
    )
    own = policy.proxies() if runs else {}
    proxies = {k: v for k, v in own.items() if options.build_args.get(k, v) == v}
    trusted = (BuildSecret(id=CA_SECRET, source=str(ca)),) if ca is not None else ()
    return BuildSpec(
        dockerfile=rendered.text,
        tag=plan.name,
        also=(plan.tag,) if plan.tag else (),
        steps=_steps(plan, stages, rendered),
        context=str(context) if context is not None else None,
        args={
            **(CA_ARGS if ca is not None else {}),
            **{name: value for name, value in options.build_args.items() if name not in proxies},
        },
        proxies=proxies,
        target=plan.dockerfile.stages[stages[-1]].name if options.target else "",
        secrets=tuple(_linked(secret, work) for secret in (*secrets(plan.request), *trusted)),
        labels={BUILD_LABEL: plan.label},
        no_cache=options.no_cache,
    )


def _linked(secret: BuildSecret, work: Path) -> BuildSecret:
    link = work / f"secret-{secret.id}"
    link.symlink_to(Path(secret.source).absolute())
    return BuildSecret(id=secret.id, source=str(link))


def _steps(plan: Plan, stages: Sequence[int], rendered: Rendered) -> tuple[BuildStep, ...]:
    """The instructions of the rendered text, shown as the person wrote them. What rendering
    puts in stands at the line of another instruction, which came first."""
    written = {one.line: one for one in plan.dockerfile.instructions}
    found: list[BuildStep] = []
    stage = -1
    for one in read(rendered.text):
        stage += one.name == "FROM"
        line = rendered.original(one.line)
        ours = any(step.line == line for step in found)
        if stage >= 0:
            found.append(
                BuildStep(
                    stage=stage,
                    line=line,
                    text=one.header if ours else written[line].header,
                    stage_name=plan.dockerfile.stages[stages[stage]].name,
                    ours=ours,
                )
            )
    return tuple(found)


def notices(plan: Plan) -> Iterable[Progress]:
    """What the person should know before the build starts."""
    if left := plan.context.left_out:
        shown = ", ".join(left[:5]) + ("…" if len(left) > 5 else "")
        yield Progress(kind="notice", text=f"Not copied, unless you name them: {shown}")
    for base in plan.bases:
        if base.local and not base.reference.startswith("localhost/"):
            text = f"{base.reference} is only on this machine: others cannot rebuild this."
            yield Progress(kind="notice", text=text)
