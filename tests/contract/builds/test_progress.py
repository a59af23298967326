"""What an engine tells of a build."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

from jupyter_containers.engines.base import Engine
from jupyter_containers.models import BuildSecret
from tests.contract.builds.building import build, lines, spec_of, steps_of

MULTI = """\
FROM {base} AS first
ENV A=1
RUN echo made-in-first > /first && \\
    echo hello-$A && echo error >&2
FROM {base} AS unused
RUN exit 9
FROM {base}
WORKDIR /work
COPY --from=first /first /srv/first
RUN cat /srv/first
"""


async def test_steps_have_lines_and_output_belongs_to_them(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    spec = spec_of(MULTI.format(base=images["busybox"]), tag)
    spec = replace(spec, labels={"a": "b", "c": "d e"}, no_cache=True)
    events = await build(program, spec)
    seen = {(e.line, e.text.split()[0]) for e in events if e.kind == "step"}
    assert {(3, "RUN"), (9, "COPY"), (10, "RUN")} <= seen
    assert all(e.steps == 9 and 1 <= e.step <= 9 for e in events if e.kind == "step")
    assert not any(e.line == 6 for e in events)
    log = {(e.line, e.text) for e in events if e.kind == "log"}
    assert {(3, "hello-1"), (3, "error"), (10, "made-in-first")} <= log
    assert not any("LABEL" in e.text for e in events)
    last = events[-1]
    assert last.kind == "image" and last.image is not None
    assert last.image.labels["c"] == "d e" and tag in last.image.references


async def test_an_unchanged_build_says_cached(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {tag} > /file\n"
    await build(program, spec_of(text, tag))
    events = await build(program, spec_of(text, tag))
    assert [e.line for e in events if e.kind == "cached" and e.text.startswith("RUN")] == [2]


async def test_output_comes_while_it_is_printed(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN for i in 1 2 3; do echo tick-{tag}-$i; sleep 1; done\n"
    seen = [
        time.monotonic()
        async for event in program.build(spec_of(text, tag))
        if event.kind == "log" and event.text.startswith("tick")
    ]
    assert len(seen) == 3
    assert seen[-1] - seen[0] > 1.5


async def test_arguments_target_secret_context_and_second_name(
    program: Engine, images: dict[str, str], tag: str, tmp_path: Path, engine: str
) -> None:
    context, secret = tmp_path / "context", tmp_path / "secret"
    context.mkdir()
    (context / "a.txt").write_text("in the context")
    secret.write_text("swordfish")
    text = f"""\
FROM {images["busybox"]} AS wanted
ARG WHO
COPY a.txt /a.txt
RUN --mount=type=secret,id=word echo "$WHO $(cat /a.txt) $(wc -c < /run/secrets/word)" {tag}
FROM wanted
RUN exit 1
"""
    spec = replace(
        spec_of(text, tag),
        steps=steps_of(text)[:4],
        also=(tag + "-two",),
        context=str(context),
        args={"WHO": "me=you"},
        target="wanted",
        secrets=(BuildSecret(id="word", source=str(secret)),),
    )
    events = await build(program, spec)
    assert f"me=you in the context 9 {tag}" in lines(events)
    image = events[-1].image
    assert image is not None and {tag, tag + "-two"} <= set(image.references)
    subprocess.run([engine, "rmi", tag + "-two"], capture_output=True, check=True)


async def test_terminal_escapes_do_not_come_through(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN printf '\\033[31mred\\033]0;x\\007 {tag}\\n'\n"
    log = lines(await build(program, spec_of(text, tag)))
    assert f"red {tag}" in log and not any("\x1b" in line for line in log)


async def test_a_line_without_end_and_much_output(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = (
        f"FROM {images['busybox']}\n"
        f"RUN head -c 100000 /dev/zero | tr '\\0' x; echo; seq 3000; echo end-{tag}\n"
    )
    log = lines(await build(program, spec_of(text, tag)))
    assert max(map(len, log)) <= 2000
    assert len(log) > 1000
