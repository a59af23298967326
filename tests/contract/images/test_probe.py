"""What an image has, and how its containers reach us: asked of real images on real engines."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest

from jupyter_containers.errors import ImageUnusable
from jupyter_containers.images import probe as probing
from jupyter_containers.images.probe import choose
from tests.helpers.asking import Ask, Through, ask, forgetful, probe_containers
from tests.helpers.derived import MakeImage, make_image
from tests.unit.images.test_facts import R_SPEC

__all__ = ["ask", "forgetful", "make_image"]


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
    ours: dict[str, Any] = {
        "argv": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    }
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


async def test_two_at_once(ask: Ask, image: str) -> None:
    one, two = await asyncio.gather(ask(image), ask(image))
    assert one == two


@pytest.mark.parametrize(
    ("name", "lines", "why"),
    [
        # Podman reads it itself, before our probe could.
        (
            "pipe",
            "RUN rm /etc/passwd && mkfifo /etc/passwd",
            "/etc/passwd is no regular file|did not answer within 10 s",
        ),
        ("zero", "RUN rm /etc/passwd && ln -s /dev/zero /etc/passwd", "passwd|could be started"),
        ("home", "ENV PYTHONHOME=/nowhere", "does not run: .*encodings"),
    ],
)
async def test_what_was_seen_is_told(
    name: str,
    lines: str,
    why: str,
    ask: Ask,
    image: str,
    make_image: MakeImage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 10.0)
    reference = await make_image(f"odd-{name}", f"FROM {image}\n{lines}\n")
    with pytest.raises(ImageUnusable, match=why):
        choose(await ask(reference))


async def test_an_ascii_locale(ask: Ask, image: str, make_image: MakeImage) -> None:
    lines = "ENV LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
    assert choose(await ask(await make_image("ascii", f"FROM {image}\n{lines}\n"))).own_ipykernel
