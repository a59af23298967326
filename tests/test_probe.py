"""What an image has, and how its containers reach us: asked of real images on real engines."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers import probe as probing
from jupyter_containers.engines import _instance
from jupyter_containers.engines.base import Engine, Output
from jupyter_containers.errors import ImageUnusable
from jupyter_containers.facts import ImageFacts
from jupyter_containers.facts_text import document, image_user, parse_facts
from jupyter_containers.models import ContainerSpec, Image
from jupyter_containers.probe import choose, probe

from .derived import MakeImage, make_image

__all__ = ["make_image"]

Ask = Callable[..., Awaitable[ImageFacts]]

R_SPEC = {
    "argv": ["/bin/sh", "-c", "cat {connection_file}", "{connection_file}"],
    "display_name": "R 4.2",
    "language": "R",
    "env": {"LD_PRELOAD": "/evil.so"},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is remembered from another test."""
    directory = tmp_path / "cache"
    monkeypatch.setattr("jupyter_containers.cache.cache_directory", lambda: directory)
    return directory


@pytest.fixture
def ask(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Probe an image by reference, with an engine of one's own where given."""

    async def ask(reference: str, by: Engine | None = None) -> ImageFacts:
        real = by or _instance(engine)
        image = await real.image(reference)
        assert image is not None, reference
        scratch = tmp_path_factory.mktemp("r")
        facts = await probe(real, image, await real.user("me", (0, 0)), scratch)
        assert list(scratch.iterdir()) == [], "the trial of the transport left something"
        return facts

    return ask


class Through:
    """A real engine, with what it is asked to run changed on the way."""

    def __init__(self, engine: str, change: Callable[[ContainerSpec], ContainerSpec]) -> None:
        self._engine = _instance(engine)
        self._change = change
        self.runs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def run(self, spec: ContainerSpec, timeout: float) -> Output:
        self.runs += 1
        return await self._engine.run(self._change(spec), timeout)


def probe_containers(engine: str) -> str:
    argv = [engine, "ps", "--all", "--filter", "name=jupyter-probe", "--format", "{{.Names}}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


async def test_an_image_with_python(ask: Ask, image: str) -> None:
    facts = await ask(image)
    python = facts.interpreters[0]
    assert (python.path, python.version[:2]) == ("/usr/bin/python3", (3, 11))
    assert (python.libc, python.libc_version) == ("glibc", (2, 36))
    assert python.implementation == "cpython"
    assert python.machine == os.uname().machine
    assert python.distributions["pip"].startswith("23.")
    assert python.problem == ""
    assert facts.passwd.startswith("root:x:0:0:")
    assert facts.group.startswith("root:x:0:")
    assert (facts.os, facts.shell) == ("debian", "/bin/bash")
    assert facts.guest_python == "/usr/bin/python3"
    assert (facts.user_ids, facts.user_home) == ((0, 0), "/root")
    assert (facts.transport, facts.transport_reason) == ("sockets", "")
    launch = choose(facts)
    assert launch.interpreter == python
    assert (launch.own_ipykernel, launch.encrypts, dict(launch.env)) == (True, True, {})


async def test_is_asked_once(ask: Ask, engine: str, image: str) -> None:
    counting = Through(engine, lambda spec: spec)
    first = await ask(image, counting)
    assert counting.runs == 1
    assert await ask(image, counting) == first
    assert counting.runs == 1
    assert probe_containers(engine) == ""


async def test_path_decides_among_pythons(ask: Ask, image: str, make_image: MakeImage) -> None:
    reference = await make_image(
        "pythons",
        f"""FROM {image}
RUN python3 -m venv --without-pip /opt/lab && \\
    python3 -m venv --without-pip --copies /opt/conda && \\
    python3 -m venv --without-pip /app/.venv
ENV PATH=/opt/lab/bin:$PATH CONDA_PREFIX=/opt/conda
""",
    )
    facts = await ask(reference)
    paths = [one.path for one in facts.interpreters]
    assert paths[0] == "/opt/lab/bin/python3"
    assert paths[1] == "/opt/conda/bin/python"
    assert set(paths[2:]) == {"/app/.venv/bin/python3", "/usr/bin/python3"}
    assert [one.prefix for one in facts.interpreters][:2] == ["/opt/lab", "/opt/conda"]
    assert choose(facts).interpreter == facts.interpreters[0]
    other = choose(facts, "/opt/conda/bin/python")
    assert other.interpreter == facts.interpreters[1]
    assert other.env["PATH"].startswith("/opt/conda/bin:/opt/lab/bin:")
    with pytest.raises(ImageUnusable, match="no kernel named 'ir'") as raised:
        choose(facts, "ir")
    assert "/opt/conda/bin/python" in raised.value.hint


async def test_what_lies_about_itself(ask: Ask, image: str, make_image: MakeImage) -> None:
    reference = await make_image(
        "lies",
        f"""FROM {image}
ENTRYPOINT ["/bin/false"]
HEALTHCHECK --interval=1s CMD sleep 1000
LABEL jupyter-containers=1 org.opencontainers.image.title="\\033[2J"
ENV PYTHONSTARTUP=/nowhere PYTHONDONTWRITEBYTECODE=1
RUN echo 'print("==facts")' > /usr/lib/python3/dist-packages/sitecustomize.py && \\
    useradd --uid 1234 --gid 100 --create-home --home-dir /home/nb nb
USER nb
""",
    )
    facts = await ask(reference)
    assert choose(facts).interpreter is not None
    assert (facts.user_ids, facts.user_home) == ((1234, 100), "/home/nb")


async def test_other_languages(ask: Ask, images: dict[str, str], make_image: MakeImage) -> None:
    spec = json.dumps(R_SPEC)
    reference = await make_image(
        "r",
        f"FROM {images['busybox']}\nCOPY kernel.json /usr/local/share/jupyter/kernels/ir/\n",
        files={"kernel.json": spec},
    )
    facts = await ask(reference)
    assert facts.interpreters == ()
    assert facts.guest_python is None
    assert [(k.name, k.display_name, k.language) for k in facts.kernels] == [("ir", "R 4.2", "R")]
    assert facts.transport == "sockets", "one machine: the file crossed, the kernel is the same"
    launch = choose(facts)
    assert launch == choose(facts, "ir")
    assert launch.argv == tuple(R_SPEC["argv"])
    assert (launch.interpreter, launch.own_ipykernel) == (None, False)


async def test_other_languages_beside_python(ask: Ask, image: str, make_image: MakeImage) -> None:
    ours = {"argv": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    ours |= {"display_name": "Python 3", "language": "python"}
    gone = {**R_SPEC, "argv": ["/opt/gone/bin/julia", "{connection_file}"]}
    reference = await make_image(
        "beside",
        f"FROM {image}\nCOPY kernels /usr/share/jupyter/kernels\n",
        files={
            "kernels/ir/kernel.json": json.dumps(R_SPEC),
            "kernels/julia/kernel.json": json.dumps(gone),
            "kernels/python3/kernel.json": json.dumps(ours),
        },
    )
    facts = await ask(reference)
    assert {kernel.name for kernel in facts.kernels} == {"ir", "python3"}
    assert [kernel.name for kernel in facts.other_kernels] == ["ir"]
    assert choose(facts, "python3").interpreter == facts.interpreters[0]
    assert choose(facts, "ir").argv[0] == "/bin/sh"


async def test_no_shell(ask: Ask, image: str, make_image: MakeImage) -> None:
    remove = "import os; [os.unlink(p) for p in ('/bin/sh', '/bin/dash', '/bin/bash')]"
    reference = await make_image(
        "no-shell", f"FROM {image}\nRUN {json.dumps(['/usr/bin/python3', '-c', remove])}\n"
    )
    facts = await ask(reference)
    assert choose(facts).interpreter == facts.interpreters[0]
    assert (facts.shell, facts.transport) == ("", "sockets")


async def test_nothing_to_run(ask: Ask, make_image: MakeImage) -> None:
    reference = await make_image("nothing", "FROM scratch\nCOPY file /file\n", files={"file": "x"})
    facts = await ask(reference)
    assert (facts.interpreters, facts.kernels) == ((), ())
    with pytest.raises(ImageUnusable, match="no Python that can run a kernel") as raised:
        choose(facts)
    assert "FROM python:" in raised.value.hint


async def test_too_old(ask: Ask, images: dict[str, str], make_image: MakeImage) -> None:
    # No base of that age is to be had: a program that answers as Python 3.6's does.
    old = '#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.6.8" && exit 0\nexit 2\n'
    older = '#!/bin/sh\n[ "$1" = -V ] && echo "Python 2.7.18" >&2 && exit 0\nexit 2\n'
    reference = await make_image(
        "old",
        f"FROM {images['busybox']}\nCOPY python3 python2 /usr/bin/\nCOPY os-release /etc/\n",
        files={"python3": old, "python2": older, "os-release": "NAME=x\nID=alpine\n"},
    )
    facts = await ask(reference)
    with pytest.raises(ImageUnusable) as raised:
        choose(facts)
    assert "Python 3.6.8 (/usr/bin/python3) is too old" in raised.value.message
    assert "Python 2.7.18 (/usr/bin/python2) is too old" in raised.value.message
    assert "3.9 or newer" in raised.value.hint


async def test_the_way_out_is_the_distributions(
    ask: Ask, images: dict[str, str], make_image: MakeImage
) -> None:
    reference = await make_image(
        "alpine-like",
        f"FROM {images['busybox']}\nCOPY os-release /etc/\n",
        files={"os-release": 'NAME="x"\nID=alpine\n'},
    )
    with pytest.raises(ImageUnusable) as raised:
        choose(await ask(reference))
    assert raised.value.hint == "Add to the Dockerfile: RUN apk add --no-cache python3"


async def test_another_machines_image(
    ask: Ask, images: dict[str, str], make_image: MakeImage
) -> None:
    # The head of an ELF program for a machine that nobody has (Elbrus, EM_MCST_ELBRUS = 175).
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xaf\x00\x01\x00\x00\x00" + bytes(100)
    reference = await make_image(
        "elsewhere",
        f"FROM {images['busybox']}\nCOPY sh /other/sh\nRUN mv /other/sh /bin/sh\n",
        files={"sh": head},
    )
    with pytest.raises(ImageUnusable, match="made for"):
        await ask(reference)


@pytest.mark.parametrize(
    "said",
    [
        "yes $(head -c 5000 /dev/zero | tr '\\0' x) | head -c 12000000",
        "echo '==NONCE facts'; echo '[1, 2'",
        "echo '==NONCE facts'; echo '[1, 2]'",
        "echo '==NONCE facts'; head -c 200000 /dev/zero | tr '\\0' '['",
        'echo \'==NONCE facts\'; echo \'{"interpreters": 1, "kernels": {}, "passwd": [2]}\'',
        "exit 3",
    ],
)
async def test_a_hostile_answer(
    ask: Ask, images: dict[str, str], make_image: MakeImage, said: str, engine: str
) -> None:
    script = "#!/bin/busybox sh\nnonce=$4\n" + said.replace("NONCE", "'$nonce'") + "\n"
    name = f"hostile-{abs(hash(said)) % 10000}"
    reference = await make_image(
        name,
        f"FROM {images['busybox']}\nCOPY sh /other/sh\nRUN mv /other/sh /bin/sh\n",
        files={"sh": script},
    )
    with pytest.raises(ImageUnusable):
        choose(await ask(reference))
    assert probe_containers(engine) == ""


async def test_hangs(
    ask: Ask,
    images: dict[str, str],
    make_image: MakeImage,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 3.0)
    reference = await make_image(
        "hangs",
        f"FROM {images['busybox']}\nCOPY python3 /usr/bin/\n",
        files={"python3": "#!/bin/sh\nexec sleep 1000\n"},
    )
    with pytest.raises(ImageUnusable, match="did not answer within 3 s"):
        await ask(reference)
    assert probe_containers(engine) == ""


async def test_sockets_that_do_not_cross(ask: Ask, engine: str, image: str) -> None:
    def cut(spec: ContainerSpec) -> ContainerSpec:
        for mount in spec.own:
            (Path(mount.source) / "s").unlink()
        return spec

    facts = await ask(image, Through(engine, cut))
    assert facts.transport == "tcp"
    assert "does not reach the other side" in facts.transport_reason
    # Remembered until this machine starts anew.
    forbidden = Through(engine, lambda _: pytest.fail("asked again"))
    assert (await ask(image, forbidden)).transport == "tcp"


async def test_directories_that_do_not_cross(
    ask: Ask, engine: str, image: str, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()

    def another_machine(spec: ContainerSpec) -> ContainerSpec:
        own = tuple(replace(mount, source=str(tmp_path / "elsewhere")) for mount in spec.own)
        return replace(spec, own=own)

    assert (await ask(image, Through(engine, another_machine))).transport == "none"


async def test_mounts_that_fail(ask: Ask, engine: str, image: str) -> None:
    def gone(spec: ContainerSpec) -> ContainerSpec:
        return replace(spec, own=tuple(replace(m, source="/nowhere/at/all") for m in spec.own))

    facts = await ask(image, Through(engine, gone))
    assert facts.transport == "none"
    assert "/nowhere/at/all" in facts.transport_reason
    assert choose(facts).interpreter is not None


async def test_a_path_too_long_for_a_socket(engine: str, image: str, tmp_path: Path) -> None:
    real = _instance(engine)
    found = await real.image(image)
    assert found is not None
    scratch = tmp_path / ("x" * 100)
    scratch.mkdir()
    facts = await probe(real, found, await real.user("me", (0, 0)), scratch)
    assert facts.transport == "tcp"
    assert "path too long" in facts.transport_reason


async def test_two_at_once(ask: Ask, image: str) -> None:
    one, two = await asyncio.gather(ask(image), ask(image))
    assert one == two


# -- what a text says, without an engine -----------------------------------------------------


def facts_of(**said: Any) -> ImageFacts:
    return parse_facts(said, Image(id="sha256:0"), "sockets")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"argv": "python -m x {connection_file}"}',
        '{"argv": ["python", "-m", "x"]}',
        '{"argv": ["--privileged", "{connection_file}"]}',
        '{"argv": ["", "{connection_file}"]}',
        '{"argv": ["python", 1, "{connection_file}"]}',
        '{"argv": ["python", "a\\u0000b", "{connection_file}"]}',
        '{"argv": ["python", "\\u001b[2J", "{connection_file}"]}',
        json.dumps({"argv": ["x"] * 1000 + ["{connection_file}"]}),
        json.dumps({"argv": ["x" * 5000, "{connection_file}"]}),
        "[" * 100_000,
    ],
)
def test_kernel_specs_that_are_not_taken(text: str) -> None:
    assert facts_of(kernels=[{"name": "k", "text": text}]).kernels == ()


def test_what_is_taken_of_a_kernel_spec() -> None:
    spec = {
        **R_SPEC,
        "display_name": "\x1b[31mR\u202e" + "x" * 500,
        "language": ["R"],
        "interrupt_mode": "message",
        "metadata": {"kernel_provisioner": {"provisioner_name": "local-provisioner"}},
    }
    [kernel] = facts_of(kernels=[{"name": "ir", "text": json.dumps(spec)}]).kernels
    assert kernel.display_name == "R" + "x" * 79
    assert kernel.language == "['R']"
    assert kernel.interrupt_mode == "message"
    for name in ("../../etc", "a b", "", 5, "x" * 200, "-x"):
        assert facts_of(kernels=[{"name": name, "text": json.dumps(spec)}]).kernels == ()


def test_interpreters_that_make_no_sense() -> None:
    nonsense: list[Any] = [
        *(5, None, {}, {"path": "python3", "version": [3, 11]}, {"path": "/x\n", "version": [3]}),
        *({"path": "/x", "version": ["3", "11"]}, {"path": "/x", "version": [3, -1]}),
        *({"path": "/x", "version": [True, False]}, {"path": "/x", "said": "Pithon"}),
    ]
    assert facts_of(interpreters=nonsense).interpreters == ()
    odd = {"PyYAML": "6.0", "--index-url": "1", "a": "1 --hash", "zope.interface": 5, "b_.c": "1"}
    [python] = facts_of(
        interpreters=[{"path": "/x", "version": [3, 11, 2], "distributions": odd, "libc": {}}]
    ).interpreters
    assert dict(python.distributions) == {"pyyaml": "6.0", "b-c": "1"}
    assert (python.libc, python.prefix) == ("", "")


def test_incomplete_pythons_are_named() -> None:
    facts = facts_of(
        os="ID=debian\n",
        interpreters=[
            {"path": "/usr/bin/python3", "version": [3, 11, 2], "missing": ["asyncio", "ctypes"]},
            {"path": "/opt/pypy/bin/python3", "version": [3, 10, 1], "implementation": "pypy"},
        ],
    )
    with pytest.raises(ImageUnusable) as raised:
        choose(facts)
    assert "lacks parts of its library: asyncio, ctypes" in raised.value.message
    assert "pypy without ipykernel" in raised.value.message
    assert "apt-get install -y python3" in raised.value.hint


def test_the_last_answer_counts_and_junk_before_it_does_not() -> None:
    output = 'noise\n==n passwd\nold\n==n facts\n{"passwd": "new"}\nmore noise\n'
    assert document(output, "n") == {"passwd": "new"}
    assert document(output, "m") is None


@pytest.mark.parametrize(
    ("user", "ids", "home"),
    [
        ("", (0, 0), "/root"),
        ("nb", (1000, 100), "/home/nb"),
        ("1000", (1000, 100), "/home/nb"),
        ("nb:staff", (1000, 50), "/home/nb"),
        ("nb:7", (1000, 7), "/home/nb"),
        ("4242", (4242, 0), "/"),
        ("4242:4243", (4242, 4243), "/"),
        ("nobody-knows", (0, 0), "/"),
        ("²:²", (0, 0), "/"),
    ],
)
def test_image_user(user: str, ids: tuple[int, int], home: str) -> None:
    passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nnb:x:1000:100::/home/nb:/bin/sh\n"
    assert image_user(user, passwd, "root:x:0:\nstaff:x:50:\n") == (ids, home)
