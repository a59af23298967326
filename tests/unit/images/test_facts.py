"""What is believed of what an image says of itself. No engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_containers.errors import ImageUnusable, OtherLanguage
from jupyter_containers.images.facts import ImageFacts, choose
from jupyter_containers.images.prepare import kernel_of
from jupyter_containers.images.probe_output import document, image_user, parse_facts
from jupyter_containers.models import Image

R_SPEC: dict[str, Any] = {
    "argv": ["/bin/sh", "-c", "cat {connection_file}", "{connection_file}"],
    "display_name": "R 4.2",
    "language": "R",
    "env": {"LD_PRELOAD": "/evil.so"},
}


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
    for name in ("../../etc", "a b", "", 5, "x" * 200, "-x", ".", "..", "a/b"):
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


def test_a_python_that_does_not_run_says_why() -> None:
    trouble = "ModuleNotFoundError: No module named 'encodings'"
    facts = facts_of(
        os="ID=debian\n",
        interpreters=[{"path": "/usr/bin/python3", "said": "Python 3.11.2", "trouble": trouble}],
    )
    with pytest.raises(ImageUnusable, match="does not run: ModuleNotFoundError") as raised:
        choose(facts)
    assert "PYTHONHOME" in raised.value.hint
    assert "apt-get" not in raised.value.hint


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


PYTHON: dict[str, Any] = {
    "path": "/usr/bin/python3",
    "version": [3, 11, 2],
    "implementation": "cpython",
}


def languages(*specs: tuple[str, str], python: bool = True) -> ImageFacts:
    """An image with these kernels, by name and language."""
    told = [
        {"name": name, "text": json.dumps({**R_SPEC, "display_name": name, "language": language})}
        for name, language in specs
    ]
    return facts_of(kernels=told, interpreters=[PYTHON] if python else [])


@pytest.mark.parametrize(
    ("facts", "language", "kernel"),
    [
        (languages(("ir", "R")), "R", "ir"),
        (languages(("ir", "R")), "r", "ir"),
        (languages(("ir", "R"), ("julia-1.11", "julia")), "julia", "julia-1.11"),
        (languages(("deno", "typescript")), "typescript", "deno"),
        (languages(("xcpp17", "C++17")), "c++", "xcpp17"),
        (languages(("ir", "R")), "python", ""),
        (languages(("ir", "R")), "", ""),
        (languages(("ir", "R"), python=False), "", ""),
        (languages(("ir", "R")), "ir", "ir"),
        (languages(("ir", "R"), python=False), "ir", "ir"),
        (languages(("ir", "R"), ("R", "R")), "ir", "ir"),
        (languages(("julia-1.11", "julia")), "julia-1.10", "julia-1.11"),
        (languages(("julia-1.10", "julia"), ("julia-1.11", "julia")), "julia-1.10", "julia-1.10"),
        (languages(("mine", "python")), "mine", "mine"),
        (languages(("python", "python")), "python", ""),
        (languages(python=False), "R", ""),  # that no kernel can run in it, `choose` says
    ],
)
def test_a_notebook_gets_the_images_kernel_of_its_language(
    facts: ImageFacts, language: str, kernel: str
) -> None:
    assert kernel_of(facts, language) == kernel


@pytest.mark.parametrize(
    ("facts", "language", "words", "named"),
    [
        (
            languages(),
            "R",
            "is written in R, and the image has a kernel for python only",
            "python3",
        ),
        (languages(("ir", "R")), "julia", "is written in julia, .* for python, R only", "python3"),
        (languages(("ir", "R"), python=False), "python", "in python, .* for R only", "ir"),
        (languages(), "ir", "is written in ir, .* for python only", "python3"),
        (languages(("xcpp14", "C++14"), ("xcpp17", "C++17")), "C++", "xcpp14, xcpp17", "xcpp14"),
    ],
)
def test_a_notebook_in_a_language_that_the_image_lacks_is_refused(
    facts: ImageFacts, language: str, words: str, named: str
) -> None:
    with pytest.raises(OtherLanguage, match=words) as raised:
        kernel_of(facts, language)
    assert raised.value.hint.endswith(f"%%dockerfile --kernel {named}")
    choose(facts, named)  # what is said there works


def test_what_keeps_users_from_being_looked_up_is_named() -> None:
    facts = facts_of(odd=["/etc/passwd", 7, "\n"], interpreters=[])
    assert facts.odd == ("/etc/passwd",)
    with pytest.raises(ImageUnusable, match="/etc/passwd is no regular file"):
        choose(facts)


def test_what_the_engine_complained_of_is_told() -> None:
    with pytest.raises(ImageUnusable, match="None could be started: token too long"):
        choose(facts_of(why="token too long\x1b[2J"))
