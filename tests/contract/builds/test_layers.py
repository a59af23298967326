"""What goes into RUN, and what stays out of every layer."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import trustme

from jupyter_containers import errors
from tests.contract.builds.building import lines
from tests.contract.builds.site import Site, commands, events


@pytest.fixture
def index(site: Site, tmp_path: Path) -> str:
    """A package index behind a private CA, which a RUN serves to itself; the CA is the
    policy's. Returns the text of the CA."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    site.policy["build_ca"] = str(tmp_path / "ca.pem")
    served = site.folder / "index"
    served.mkdir()
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(served / "tls.crt")
    (served / "serve.py").write_text(SERVE)
    return ca.cert_pem.bytes().decode()


SERVE = """
import functools, http.server, ssl, subprocess, sys, threading, zipfile
name = "only_here-1.0-py3-none-any.whl"
with zipfile.ZipFile("/tmp/" + name, "w") as wheel:
    wheel.writestr("only_here.py", "answer = 42")
    about = "only_here-1.0.dist-info/"
    metadata = "Metadata-Version: 2.1", "Name: only-here", "Version: 1.0"
    wheel.writestr(about + "METADATA", "\\n".join(metadata))
    tags = "Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"
    wheel.writestr(about + "WHEEL", "\\n".join(tags))
    wheel.writestr(about + "RECORD", "")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open("/tmp/" + name, "rb").read()
        if not self.path.endswith(".whl"):
            body = f'<a href="/{name}">{name}</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.HTTPServer(("localhost", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/index/tls.crt")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://localhost:{server.server_port}/simple"
pip = [sys.executable, "-m", "pip", "install", "--break-system-packages", "--no-cache-dir"]
sys.exit(subprocess.call([*pip, "--index-url", url, "only-here"]))
"""

INSTALL = (
    "FROM {image}\nCOPY index/serve.py index/tls.crt /index/\n"
    "RUN python3 /index/serve.py && python3 -c 'import only_here' && echo {word}\n"
    "RUN rm -r /index /tmp/*.whl\n"
)


async def test_pip_behind_a_private_ca_leaves_no_ca_in_any_layer(
    site: Site, image: str, word: str, index: str, tmp_path: Path
) -> None:
    built = await site.build(INSTALL.format(image=image, word=word))
    site.run("run", "--rm", built.name, "python3", "-c", "import only_here")
    env = site.run("run", "--rm", built.name, "env")
    assert "PIP_CERT" not in env and "SSL_CERT_FILE" not in env
    archive = tmp_path / "image.tar"
    site.run("save", "-o", str(archive), built.name)
    needle = index.strip().splitlines()[3].encode()
    assert needle in (tmp_path / "ca.pem").read_bytes()
    searched = 0
    with tarfile.open(archive) as outer:
        for member in outer.getmembers():
            if not member.isfile():
                continue
            file = outer.extractfile(member)
            assert file is not None
            data = file.read()
            searched += len(data)
            # Layers of `save` are plain tars: a file of a few kB stands there as it is.
            assert data[:2] != b"\x1f\x8b", "this engine compresses layers: look inside"
            if b"index/tls.crt" not in data:
                assert needle not in data, member.name
    assert searched > 50_000_000


async def test_without_the_ca_the_error_names_the_trait(
    site: Site, image: str, word: str, index: str
) -> None:
    site.policy["build_ca"] = ""
    error = await site.fail(INSTALL.format(image=image, word=word))
    assert isinstance(error, errors.NetworkFailed)
    assert error.line == 3 and "Policy.build_ca" in error.hint


async def test_proxies_reach_run_and_stay_out_of_the_image(
    site: Site, images: dict[str, str], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:swordfish@proxy.invalid:3128")
    text = f"FROM {images['busybox']}\nRUN echo {word} $https_proxy\n"
    with commands() as ran:
        build = site.start(text)
        await build.result()
    assert f"{word} http://me:swordfish@proxy.invalid:3128" in lines(await events(build))
    assert not any("swordfish" in command for command in ran)
    assert build.built is not None
    assert "swordfish" not in site.run("image", "inspect", build.built.name)
    assert "swordfish" not in site.run("history", "--no-trunc", build.built.name)


async def test_a_secret_of_the_policy(
    site: Site, images: dict[str, str], word: str, tmp_path: Path
) -> None:
    secret = tmp_path / "the,secret"
    secret.write_text("swordfish")
    site.policy["build_secrets"] = {"token": str(secret)}
    text = (
        f"FROM {images['busybox']}\n"
        f"RUN --mount=type=secret,id=token wc -c < /run/secrets/token; echo {word}\n"
    )
    build = site.start(text, "--secret token")
    await build.result()
    assert "9" in [line.strip() for line in lines(await events(build))]
    refused = await site.fail(text, "--secret other")
    assert isinstance(refused, errors.PolicyRefused)
    assert "Policy.build_secrets" in refused.message
    secret.unlink()
    assert isinstance(await site.fail(text + "RUN true\n", "--secret token"), errors.BadInput)


async def test_lines_are_the_cells_whatever_was_put_in(
    site: Site, images: dict[str, str], word: str, tmp_path: Path
) -> None:
    """The CA adds instructions to what engines get; people see none of them."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    site.policy["build_ca"] = str(tmp_path / "ca.pem")
    text = (
        f"# a comment\nFROM {images['busybox']} AS one\nRUN true \\\n  && echo {word}\n"
        f"FROM {images['busybox']}\nCOPY --from=one /etc /etc\n\nRUN exit 3\n"
    )
    build = site.start(text)
    with pytest.raises(errors.BuildFailed) as caught:
        await build.result()
    assert (caught.value.line, caught.value.code) == (8, 3)
    assert caught.value.instruction == "RUN exit 3"
    seen = await events(build)
    assert {(e.line, e.text.split()[0]) for e in seen if e.kind == "step"} >= {
        (3, "RUN"),
        (6, "COPY"),
        (8, "RUN"),
    }
    assert not any("ARG" in e.text or "CERT" in e.text for e in seen if e.kind != "log")
    assert all(e.steps == 5 for e in seen if e.kind == "step")
    assert any(e.line == 3 and e.text == word for e in seen)
