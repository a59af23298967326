"""A build for a notebook in R, Julia, …: whether its image can come to have a kernel for that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.builds import languages
from jupyter_containers.builds.languages import check_language
from jupyter_containers.builds.plan import BuildRequest, Plan, find
from jupyter_containers.dockerfile.contents import Inherited
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.errors import OtherLanguage
from jupyter_containers.images.facts import ImageFacts
from jupyter_containers.images.probe_output import parse_facts
from jupyter_containers.models import Image
from jupyter_containers.notebook.cells import parse_cell
from tests.helpers.policies import policy

PYTHON = {"path": "/usr/bin/python3", "version": [3, 11, 2], "implementation": "cpython"}
R = {"argv": ["R", "{connection_file}"], "display_name": "R", "language": "R"}


def facts(**kernels: Mapping[str, Any]) -> ImageFacts:
    found = [{"name": name, "text": json.dumps(spec)} for name, spec in kernels.items()]
    said = {"interpreters": [PYTHON], "kernels": found}
    return parse_facts(said, Image(id="sha256:0"), "sockets")


class Engine:
    """An engine that has every base."""

    name = "podman"

    def __init__(self) -> None:
        self.policy = policy()

    async def image(self, name: str) -> Image | None:
        return None if "/jupyter-containers/" in name else Image(id=f"sha256:{name}")

    async def all_here(self, names: Sequence[str]) -> list[Image | None]:
        return [await self.image(name) for name in names]

    async def images(self) -> list[Image]:
        return []


def plan(tmp_path: Path, lines: str, language: str, options: str = "") -> Plan:
    cell = parse_cell(f"%%dockerfile {options}\n{lines}\n")
    assert cell is not None
    engine: Any = Engine()
    for name in ("install", "x.csv", "Project.toml"):
        (tmp_path / name).touch()
    request = BuildRequest(
        cell=cell, directory=tmp_path, engine=engine, builder=engine, language=language
    )
    return asyncio.run(find(request, lambda _: None))[0]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> dict[str, ImageFacts | None]:
    """What images have, by their names; others have a Python."""
    has: dict[str, ImageFacts | None] = {}

    async def look_into(_: object, reference: str) -> ImageFacts | None:
        return has.get(reference, facts())

    monkeypatch.setattr(languages, "look_into", look_into)
    return has


def check(plan: Plan) -> None:
    asyncio.run(check_language(plan))


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("R", "RUN R -e 'install.packages(\"IRkernel\"); IRkernel::installspec()'"),
        ("R", "RUN apt-get install -y --no-install-recommends \\\n  r-cran-irkernel"),
        ("ir", "RUN mamba install -y r-irkernel"),
        ("r", "RUN conda install r-essentials"),
        ("R", "ARG KERNEL=r-irkernel\nRUN conda install $KERNEL"),
        ("R", "RUN <<END\napt-get install -y r-cran-irkernel\nEND"),
        ("julia", "RUN julia -e 'using Pkg; Pkg.add(\"IJulia\")'"),
        ("julia-1.11", "RUN julia -e 'using Pkg; Pkg.add(\"IJulia\")'"),
        ("typescript", "RUN deno jupyter --install"),
        ("deno", "RUN deno jupyter --install"),
        ("bash", "RUN pip install bash_kernel && python -m bash_kernel.install"),
        ("C++17", "RUN mamba install xeus-cling"),
        ("C#", "RUN dotnet tool install -g Microsoft.dotnet-interactive"),
        ("rust", "RUN cargo install evcxr_jupyter"),
        ("lua", "RUN mamba install xeus-lua"),
        ("ocaml", "RUN opam install jupyter"),
        ("R", "RUN cp -r /opt/r /usr/share/jupyter/kernels/ir"),
        ("R", "RUN jupyter kernelspec install /opt/r"),
        ("R", "ENV JUPYTER_PATH=/opt/r"),
        ("R", 'COPY <<END /opt/ir/kernel.json\n{"language": "R"}\nEND'),
        # What is not seen.
        ("R", "COPY --from=rocker/r-ver /usr /usr"),
        ("julia", "COPY . /work"),
        ("julia", "COPY Project.toml ./\nRUN julia -e 'using Pkg; Pkg.instantiate()'"),
        ("R", "COPY install /tmp/"),
        ("R", "ADD https://example.org/r.tar.gz /opt/"),
        ("R", "RUN pip install -r requirements.txt"),
        ("R", "RUN /rocker_scripts/install_jupyter.sh"),
        ("R", "RUN curl https://example.org | sh"),
        ("R", "RUN --mount=type=bind,target=/src /src/install"),
        ("R", "RUN --mount=target=/src /src/install"),
    ],
)
def test_what_may_bring_a_kernel_is_built(
    language: str, lines: str, tmp_path: Path, looked: dict[str, ImageFacts | None]
) -> None:
    check(plan(tmp_path, f"FROM python\n{lines}", language))


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("R", ""),
        ("ir", "RUN pip install ipykernel jupyterlab jupyter-resource-usage"),
        ("R", "RUN apt-get update && apt-get install -y r-base"),
        ("R", "RUN pip install bash_kernel"),
        ("julia", "RUN apt-get install -y julia"),
        ("julia", "# IJulia\nRUN echo"),
        ("typescript", "LABEL needs=deno\nCMD deno"),
        ("ocaml", "RUN python -m ipykernel install --sys-prefix"),
        ("bash", "RUN bash -c 'echo'"),
        ("R", "COPY x.csv /data/"),
        ("R", "COPY *.csv /data/"),
        ("R", "COPY <<END /data/notes\nnothing\nEND"),
        ("R", "RUN --mount=type=cache,target=/root/.cache/pip pip install numpy"),
        ("R", "ONBUILD RUN mamba install r-irkernel"),
    ],
)
def test_what_brings_none_is_refused(
    language: str, lines: str, tmp_path: Path, looked: dict[str, ImageFacts | None]
) -> None:
    with pytest.raises(OtherLanguage) as raised:
        check(plan(tmp_path, f"FROM python:3\n{lines}", language))
    assert raised.value.message == (
        f"The notebook is written in {language}, and its image would have no kernel for that: "
        "python:3 has one for python only, and nothing in the Dockerfile looks like installing "
        "another. Nothing was built."
    )
    assert "name it: %%dockerfile --kernel NAME." in raised.value.hint
    assert raised.value.hint.endswith("%%dockerfile --kernel python3")


@pytest.mark.parametrize("language", ["R", "r", "ir"])
def test_a_base_that_has_the_kernel_is_built_on(
    language: str, tmp_path: Path, looked: dict[str, ImageFacts | None]
) -> None:
    looked["docker.io/library/r-notebook:latest"] = facts(ir=R)
    check(plan(tmp_path, "FROM r-notebook\nRUN echo", language))


def test_only_the_stages_of_the_image_count(
    tmp_path: Path, looked: dict[str, ImageFacts | None]
) -> None:
    looked["docker.io/library/r-notebook:latest"] = facts(ir=R)
    with_r = "FROM python AS one\nRUN mamba install r-irkernel\n"
    check(plan(tmp_path, f"{with_r}FROM one\nRUN echo", "R"))
    check(plan(tmp_path, "FROM r-notebook AS one\nFROM one AS two\nFROM two", "R"))
    check(plan(tmp_path, f"{with_r}FROM python", "R", "--target one"))
    for lines in (f"{with_r}FROM python", "FROM r-notebook AS one\nFROM python"):
        with pytest.raises(OtherLanguage):
            check(plan(tmp_path, lines, "R"))


def test_a_base_without_any_kernel_is_refused_too(
    tmp_path: Path, looked: dict[str, ImageFacts | None]
) -> None:
    looked["docker.io/library/alpine:latest"] = ImageFacts()
    with pytest.raises(OtherLanguage, match="alpine has none at all") as raised:
        check(plan(tmp_path, "FROM alpine\nRUN apk add python3", "R"))
    assert raised.value.hint.endswith("%%dockerfile --kernel NAME.")


def test_what_nobody_can_tell_is_built(
    tmp_path: Path, looked: dict[str, ImageFacts | None]
) -> None:
    looked["docker.io/library/python:latest"] = None
    check(plan(tmp_path, "FROM python", "R"))
    check(plan(tmp_path, "FROM scratch", "R"))


@pytest.mark.parametrize("language", ["", "python"])
def test_a_notebook_in_python_costs_nothing(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(languages, "look_into")
    monkeypatch.delattr(languages, "may_install")
    check(plan(tmp_path, "FROM python", language))


def test_build_arguments_and_triggers_of_the_base_count() -> None:
    text = "FROM base\nARG WHAT\nRUN mamba install $WHAT"
    for what in ("r-irkernel", "numpy"):
        may = what == "r-irkernel"
        base = {"docker.io/library/base:latest": Inherited(onbuild=(f"RUN mamba install {what}",))}
        for found in (parse(text, {"WHAT": what}), parse("FROM base", {}, base)):
            assert languages.may_install(found, found.stages, "R") is may
