"""Where a Dockerfile takes what was installed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_containers.dockerfile.additions import add, lacking
from jupyter_containers.dockerfile.installs import Install, installs
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.errors import DockerfileError

RUN = "RUN --mount=type=cache,target=/root/.cache/pip pip install"


def of(source: str, **versions: str) -> Install:
    (one,) = installs(source)
    packages = (replace(p, version=versions.get(p.key, "1.0")) for p in one.packages)
    return replace(one, packages=tuple(packages))


def added(text: str, install: Install | None = None, target: str = "") -> str:
    install = lacking(text, of("%pip install a") if install is None else install)
    after = add(text, install, target).text
    parse(after)
    return after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM x", f"FROM x\n{RUN} a==1.0"),
        ("FROM x\n", f"FROM x\n{RUN} a==1.0\n"),
        ("FROM x\nENV A=b\n\n# end\n", f"FROM x\nENV A=b\n{RUN} a==1.0\n\n# end\n"),
        ('FROM x\nCMD ["y"]', f'FROM x\n{RUN} a==1.0\nCMD ["y"]'),
        ("FROM x\nUSER me\nENV A=b", f"FROM x\n{RUN} a==1.0\nUSER me\nENV A=b"),
        ("FROM x\nUSER root\nUSER me", f"FROM x\nUSER root\n{RUN} a==1.0\nUSER me"),
        (
            "FROM x\nUSER me\nRUN y\nUSER 0:0\nRUN z\nUSER me\nENTRYPOINT q",
            f"FROM x\nUSER me\nRUN y\nUSER 0:0\nRUN z\n{RUN} a==1.0\nUSER me\nENTRYPOINT q",
        ),
        (
            "FROM x AS one\nRUN y\nFROM z\nCOPY --from=one /a /a",
            f"FROM x AS one\nRUN y\nFROM z\nCOPY --from=one /a /a\n{RUN} a==1.0",
        ),
        # What has no cache would be fetched anew; what is followed by another would repeat that.
        ("FROM x\nRUN pip install b==1", f"FROM x\nRUN pip install b==1\n{RUN} a==1.0"),
        (f"FROM x\n{RUN} b==1", f"FROM x\n{RUN} b==1 a==1.0"),
        (f"FROM x\n{RUN} b==1\nRUN y", f"FROM x\n{RUN} b==1\nRUN y\n{RUN} a==1.0"),
        (f"FROM x\n{RUN} b==1 && y", f"FROM x\n{RUN} b==1 && y\n{RUN} a==1.0"),
        (f"FROM x\n{RUN} --pre b==1", f"FROM x\n{RUN} --pre b==1\n{RUN} a==1.0"),
        (
            f"FROM x\n{RUN} \\\n      b==1 \\\n      c==2\nUSER me",
            f"FROM x\n{RUN} \\\n      b==1 \\\n      c==2 \\\n      a==1.0\nUSER me",
        ),
        (
            "FROM x\nRUN python3 -m pip install b==1",
            "FROM x\nRUN python3 -m pip install b==1\n"
            + RUN.replace("pip install", "python3 -m pip install").replace(
                ".cache/python3 -m pip install", ".cache/pip"
            )
            + " a==1.0",
        ),
        # The same package at another version, wherever it stands.
        ("FROM x\nRUN pip install A", "FROM x\nRUN pip install a==1.0"),
        ("FROM x\nRUN pip install 'a>=0.1' b\nRUN y", "FROM x\nRUN pip install a==1.0 b\nRUN y"),
        (
            "FROM x\nRUN pip install \\\n  b \\\n  a==0.9",
            "FROM x\nRUN pip install \\\n  b \\\n  a==1.0",
        ),
        (
            "FROM x\nRUN <<EOF\npip install a==0.9\nEOF",
            "FROM x\nRUN <<EOF\npip install a==1.0\nEOF",
        ),
        # Nothing to do.
        ("FROM x\nRUN pip install a==1.0", "FROM x\nRUN pip install a==1.0"),
        ('FROM x\nRUN pip install "a==1.0" && y', 'FROM x\nRUN pip install "a==1.0" && y'),
        # Another escape.
        (
            f"# escape=`\nFROM x\n{RUN} `\n  b==1",
            f"# escape=`\nFROM x\n{RUN} `\n  b==1 `\n  a==1.0",
        ),
    ],
)
def test_where_a_package_goes(before: str, after: str) -> None:
    assert added(before) == after
    assert added(after) == after


def test_a_package_named_as_the_program() -> None:
    before = "FROM x\nRUN pip install pip==24.0"
    assert (
        added(before, of("%pip install -U pip", pip="25.0")) == "FROM x\nRUN pip install pip==25.0"
    )


def test_the_stage_that_is_built() -> None:
    text = "FROM x AS one\nRUN y\nFROM z AS two"
    assert added(text, target="ONE") == f"FROM x AS one\nRUN y\n{RUN} a==1.0\nFROM z AS two"


def test_the_other_tools() -> None:
    assert added("FROM x\nUSER me", of("!apt-get install -y git")) == (
        "FROM x\n"
        "RUN --mount=type=cache,target=/var/cache/apt,sharing=locked "
        "--mount=type=cache,target=/var/lib/apt,sharing=locked \\\n"
        "    apt-get update && apt-get install -y --no-install-recommends git\nUSER me"
    )
    conda = added("FROM x", of("%conda install -c conda-forge gdal"))
    assert conda.endswith("/opt/conda/pkgs conda install -y --channel=conda-forge gdal=1.0"), conda
    assert added(conda, of("%conda install -c conda-forge gdal x")).endswith("gdal=1.0 x=1.0")
    apt = added("FROM x", of("!apt install git"))
    assert added(apt, of("!apt install git tree")).endswith("recommends git tree")
    assert added("FROM x", of("!uv pip install --system a")).endswith(
        "/root/.cache/uv uv pip install --system a==1.0"
    )


def test_a_file_of_requirements_is_lent_to_the_build() -> None:
    after = added("FROM x", of("%pip install -r conf/needs.txt"))
    assert after == (
        "FROM x\nRUN --mount=type=cache,target=/root/.cache/pip "
        "--mount=type=bind,source=conf/needs.txt,target=/tmp/needs.txt \\\n"
        "    pip install -r /tmp/needs.txt"
    )
    assert [one.path for one in parse(after).sources] == ["conf/needs.txt"]
    assert added(after, of("%pip install -r conf/needs.txt")) == after


def test_extras_and_addresses_are_quoted() -> None:
    after = added("FROM x", of("%pip install 'a[b,c]' 'z @ https://h/z' git+https://h/y@v1"))
    assert after.endswith('pip install "a[b,c]==1.0" "z @ https://h/z" git+https://h/y@v1')
    assert added(after, of("%pip install git+https://h/y@v1")) == after


def test_a_dockerfile_of_5000_lines() -> None:
    text = "FROM x\n" + "ENV A=b\n" * 5000
    assert add(text, of("%pip install a")).lines == (f"{RUN} a==1.0",)


def test_what_is_no_dockerfile() -> None:
    for text in ("FROM x\nNOPE y", "ARG A=b\n", ""):
        with pytest.raises(DockerfileError):
            add(text, of("%pip install a"))


def test_many_packages_stand_one_a_line():
    names = [f"package-{n}" for n in range(200)]
    after = added("FROM x\nUSER me", of(f"%pip install --pre {' '.join(names)}"))
    lines = after.split("\n")
    assert lines[1:3] == [
        "RUN --mount=type=cache,target=/root/.cache/pip \\",
        "    pip install --pre \\",
    ]
    assert lines[3:-1] == [
        *(f"        {name}==1.0 \\" for name in names[:-1]),
        f"        {names[-1]}==1.0",
    ]
    again = of(f"%pip install --pre {' '.join(names)}", **{names[3]: "2.0"})
    assert added(after, again) == after.replace(f"{names[3]}==1.0", f"{names[3]}==2.0")
    assert added(after, of("%pip install --pre b")).split("\n")[-3:-1] == [
        f"        {names[-1]}==1.0 \\",
        "        b==1.0",
    ]


def test_a_dockerfile_of_thousands_of_lines():
    """Its lines are read once, not once for each package."""
    rows = [line for n in range(2500) for line in (f"RUN echo {n} && \\", "    true")]
    text = "\n".join(["FROM x", *rows, f"{RUN} b==1", "RUN pip install c==1", "CMD y"])
    names = [f"package-{n}" for n in range(500)]
    after = added(text, of(f"%pip install c {' '.join(names)}"))
    lines = after.split("\n")
    assert lines[: len(rows) + 2] == text.split("\n")[:-2]
    assert lines[len(rows) + 2] == "RUN pip install c==1.0"
    assert (lines[-2], lines[-1]) == (f"        {names[-1]}==1.0", "CMD y")
