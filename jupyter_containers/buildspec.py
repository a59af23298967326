"""The spec of a build, for the engine: the rendered text, arguments, secrets, names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .builds.bases import target_stage
from .builds.plan import LABEL, Plan, secrets
from .dockerfile.parser import parse
from .dockerfile.render import CA_ARGS, CA_SECRET, render
from .models import BuildSecret, BuildSpec, BuildStep, Progress


def spec_of(plan: Plan, context: Path | None, work: Path) -> BuildSpec:
    """What the engine gets. `context` is where the files were staged; `work` is a directory of
    ours, where each secret gets a link with a plain name: engines split the option at commas."""
    options, policy = plan.request.cell.options, plan.request.engine.policy
    runs = any(one.name == "RUN" for one in plan.dockerfile.instructions)
    ca = policy.ca_bundle() if runs else None
    pins = {base.reference: base.name for base in plan.bases}
    rendered = render(plan.dockerfile, pins, ca=ca is not None)
    trusted = (BuildSecret(id=CA_SECRET, source=str(ca)),) if ca is not None else ()
    return BuildSpec(
        dockerfile=rendered.text,
        tag=plan.name,
        also=(plan.tag,) if plan.tag else (),
        steps=_steps(plan, rendered.text, rendered.lines),
        context=str(context) if context is not None else None,
        args={
            **(CA_ARGS if ca is not None else {}),
            **(policy.proxies() if runs else {}),
            **options.build_args,
        },
        target=options.target,
        secrets=tuple(_linked(secret, work) for secret in (*secrets(plan.request), *trusted)),
        labels={LABEL: plan.label},
        no_cache=options.no_cache,
    )


def _linked(secret: BuildSecret, work: Path) -> BuildSecret:
    link = work / f"secret-{secret.id}"
    link.symlink_to(Path(secret.source).absolute())
    return BuildSecret(id=secret.id, source=str(link))


def _steps(plan: Plan, text: str, lines: tuple[int, ...]) -> tuple[BuildStep, ...]:
    """The instructions of the rendered text, shown as the person wrote them. What rendering
    puts in stands at the line of another instruction, which came first."""
    written = {one.line: one for one in plan.dockerfile.instructions}
    last = target_stage(plan.dockerfile, plan.request.cell.options.target)
    found: list[BuildStep] = []
    stage = -1
    for one in parse(text, plan.dockerfile.args).instructions:
        stage += one.name == "FROM"
        line = lines[one.line - 1]
        ours = any(step.line == line for step in found)
        if 0 <= stage <= last:
            found.append(
                BuildStep(
                    stage=stage,
                    line=line,
                    text=one.header if ours else written[line].header,
                    stage_name=plan.dockerfile.stages[stage].name,
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
