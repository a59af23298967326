"""The text that engines get, built by them: what a Dockerfile meant, and no trace of the CA."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from pathlib import Path

from jupyter_containers.dockerfile.context import collect, stage, unstage
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.dockerfile.render import CA_ARGS, CA_PATH, CA_SECRET, render
from jupyter_containers.engines.registry import choose_engine
from jupyter_containers.models import BuildSecret, BuildSpec
from jupyter_containers.policy.loader import load_policy

SECRET = "certificate-" + uuid.uuid4().hex

TEXT = """\
# escape=`
ARG BASE=nothing
FROM `
  # the base, by an argument
  ${BASE} AS one
run --mount=type=tmpfs,target=/scratch `
    # a comment

    cat "$SSL_CERT_FILE" > /dev/null && test "$PIP_CERT" = CA && `
    echo first > /first
RUN ["/bin/sh", "-c", "test -s CA && echo second > /second"]
FROM one
FROM ${UNSET:-one} AS last
"""

MORE = """\
ARG BASE
FROM $BASE AS one
RUN echo one > /one
FROM $BASE
COPY --from=one `
   /one /one
RUN --mount=type=bind,from=one,source=/one,target=/there `
    cp /there /two
RUN --mount=source=data,target=/data cat /data/*.txt > /three
COPY data/*.txt `
     link /four/
"""


def build(engine: str, text: str, folder: Path, base: str) -> str:
    """Build as `builds` does; the image's name."""
    (folder / "ca.pem").write_text(SECRET)
    dockerfile = parse(text, {"BASE": base})
    rendered = render(dockerfile, ca=True)
    context = collect(dockerfile, folder)
    into = folder.parent / "staged"
    spec = BuildSpec(
        dockerfile=rendered.text,
        tag=f"localhost/jupyter-containers-test/render-{uuid.uuid4().hex[:6]}:1",
        context=str(into),
        args={"BASE": base, **CA_ARGS},
        secrets=(BuildSecret(id=CA_SECRET, source=str(folder / "ca.pem")),),
        no_cache=True,
    )

    async def run() -> None:
        chosen = await choose_engine(engine, load_policy(None))
        async for event in chosen.build(spec):
            if event.kind == "step" and event.line:
                assert rendered.original(event.line)

    stage(context, into)
    try:
        asyncio.run(run())
    finally:
        unstage(context, into)
    return spec.tag


def inside(program: str, image: str, script: str) -> str:
    argv = [program, "run", "--rm", "--network=none", image, "/bin/sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_no_trace_of_the_ca(
    engine: str, engine_program: str, images: dict[str, str], folder: Path
) -> None:
    text = TEXT.replace("CA", CA_PATH).replace(f"SSL_{CA_PATH}FILE", "SSL_CERT_FILE")
    image = build(engine, text, folder, images["busybox"])
    try:
        assert inside(engine_program, image, "cat /first /second") == "first\nsecond"
        assert SECRET not in inside(engine_program, image, f"env; cat {CA_PATH} || true")
        for name in CA_ARGS:
            assert name not in inside(engine_program, image, "env")
        saved = subprocess.run([engine_program, "save", image], capture_output=True, check=True)
        assert len(saved.stdout) > 1000
        assert SECRET.encode() not in saved.stdout
    finally:
        subprocess.run([engine_program, "rmi", "-f", image], capture_output=True, check=True)


def test_stages_mounts_and_the_context(
    engine: str, engine_program: str, images: dict[str, str], folder: Path
) -> None:
    (folder / "data").mkdir()
    (folder / "data/a.txt").write_text("a")
    (folder / "data/b.txt").write_text("b")
    (folder / "data/.hidden.txt").write_text("hidden")
    (folder / "real").write_text("real")
    (folder / "link").symlink_to("real")
    image = build(engine, MORE.replace("`", "\\"), folder, images["busybox"])
    try:
        assert inside(engine_program, image, "cat /one /two /three") == "one\none\nab"
        listed = inside(engine_program, image, "ls -A /four; cat /four/link")
        assert listed == "a.txt\nb.txt\nlink\nreal"
    finally:
        subprocess.run([engine_program, "rmi", "-f", image], capture_output=True, check=True)
