"""How a build fails: its error, the line, the way out."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from jupyter_containers import errors
from jupyter_containers.engines.base import Engine
from tests.contract.builds.building import build, pull, spec_of


async def failure(program: Engine, text: str, tag: str) -> errors.ContainersError:
    with pytest.raises(errors.ContainersError) as caught:
        await build(program, spec_of(text, tag))
    return caught.value


async def test_a_failed_instruction(program: Engine, images: dict[str, str], tag: str) -> None:
    text = (
        f"FROM {images['busybox']}\nENV A=1\nRUN echo {tag}; \\\n  echo why >&2; exit 7\nRUN true\n"
    )
    error = await failure(program, text, tag)
    assert isinstance(error, errors.BuildFailed)
    assert (error.line, error.code) == (3, 7)
    assert error.instruction.startswith("RUN echo")
    assert tag in error.tail and "why" in error.tail
    assert "Dockerfile line 3" in error.message and "exit code 7" in error.message


async def test_a_misspelled_package(program: Engine, image: str, tag: str) -> None:
    """pip says the same of what no index has."""
    text = f"FROM {image}\nRUN python3 -m pip install --no-index --break-system-packages pandsa\n"
    error = await failure(program, text, tag)
    assert isinstance(error, errors.BuildFailed) and error.line == 2
    assert error.hint.startswith("Did you mean pandas?"), error


async def test_a_program_that_is_not_there(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    error = await failure(program, f'FROM {images["busybox"]}\nRUN ["nosuchprogram"]\n', tag)
    assert isinstance(error, errors.BuildFailed) and error.line == 2
    assert "nosuchprogram" in error.tail


async def test_a_copy_of_nothing(program: Engine, images: dict[str, str], tag: str) -> None:
    error = await failure(program, f"FROM {images['busybox']}\n\nCOPY missing.txt /x\n", tag)
    assert isinstance(error, errors.BuildFailed) and error.line == 3
    assert "missing.txt" in error.message


async def test_an_unknown_instruction(program: Engine, images: dict[str, str], tag: str) -> None:
    error = await failure(program, f"FROM {images['busybox']}\nRUNN true\n", tag)
    assert isinstance(error, (errors.DockerfileError, errors.BuildFailed)) and error.line == 2
    assert "RUNN" in error.message


async def test_a_base_that_nobody_has(program: Engine, registry: str, tag: str) -> None:
    error = await failure(program, f"FROM {registry}/test/nosuch:1\n", tag)
    assert isinstance(error, errors.BaseUnknown) and error.line == 1
    assert f"{registry}/test/nosuch:1" in error.message


async def test_a_local_base_that_was_never_built(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = f"FROM {images['busybox']}\nCOPY --from=localhost/never-built:1 /a /b\n"
    error = await failure(program, text, tag)
    assert isinstance(error, errors.BaseUnknown) and error.line == 2


async def test_a_registry_that_is_not_there(program: Engine, tag: str) -> None:
    error = await failure(program, "FROM no-such-host.invalid/image:1\n", tag)
    assert isinstance(error, errors.NetworkFailed) and error.line == 1
    assert "name was not found" in error.message and "build_proxies" in error.hint


async def test_a_certificate_that_is_not_trusted(
    program: Engine, image: str, tag: str, tmp_path: Path
) -> None:
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "server.pem"
    )
    (tmp_path / "ask.py").write_text(ASK_OVER_TLS)
    text = f"FROM {image}\nCOPY . /tls/\nRUN : {tag}; python3 /tls/ask.py\n"
    with pytest.raises(errors.NetworkFailed) as caught:
        await build(program, replace(spec_of(text, tag), context=str(tmp_path)))
    assert caught.value.line == 3 and "build_ca" in caught.value.hint


ASK_OVER_TLS = """
import http.server, ssl, threading, urllib.request
server = http.server.HTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
urllib.request.urlopen(f"https://localhost:{server.server_port}/")
"""


async def test_no_daemon(
    monkeypatch: pytest.MonkeyPatch, program: Engine, engine: str, tag: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    if engine == "podman":  # as on a Mac, where podman is a client of its machine
        remote = tmp_path / "podman"
        url = "unix:///nonexistent/podman.sock"
        remote.write_text(f'#!/bin/sh\nexec {shutil.which(engine)} --remote --url={url} "$@"\n')
        remote.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for run in (build(program, spec_of("FROM scratch\n", tag)), pull(program, "busybox")):
        with pytest.raises(errors.EngineDown) as caught:
            await run
        assert caught.value.hint
