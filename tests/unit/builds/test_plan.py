"""From a cell to what the engine gets: bases count in it, and what is read was judged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from jupyter_containers.builds.bases import recall_bases, remember_bases
from jupyter_containers.builds.consent import Consent
from jupyter_containers.builds.plan import NAMESPACE, BuildRequest, Plan, find, spec_of
from jupyter_containers.dockerfile.context import stage
from jupyter_containers.engines.common.build_argv import common_argv
from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.errors import BuildNotApproved, DockerfileError
from jupyter_containers.layout import BUILD_LABEL
from jupyter_containers.models import NO_ENV, EngineInfo, Image, Progress
from jupyter_containers.notebook.cells import parse_cell
from tests.helpers.policies import policy
from tests.helpers.private_home import private_home

INFO = EngineInfo(name="podman", version="5.8.0", usable=True)


class Engine:
    """An engine that has some images."""

    name = "podman"

    def __init__(self, **images: Image) -> None:
        self.policy = policy()
        self.here = {f"docker.io/library/{name}:latest": one for name, one in images.items()}
        self.asked: list[str] = []

    async def image(self, name: str) -> Image | None:
        self.asked.append(name)
        return self.here.get(name)

    async def images(self) -> list[Image]:
        return list(self.here.values())

    async def all_here(self, names: Sequence[str]) -> list[Image | None] | None:
        return None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = private_home(tmp_path, monkeypatch)
    (made / "work").mkdir()
    return made


def plan(home: Path, source: str, engine: Engine, bases: Mapping[str, str] = NO_ENV) -> Plan:
    return found(home, source, engine, bases)[0]


def found(
    home: Path, source: str, engine: Engine, bases: Mapping[str, str] = NO_ENV
) -> tuple[Plan, Image | None]:
    cell = parse_cell(f"%%dockerfile {source}\n")
    assert cell is not None
    work, guarded = home / "work", cast(Guarded, cast(Any, engine))
    request = BuildRequest(
        cell=cell,
        directory=work,
        engine=guarded,
        builder=guarded,
        notebook="n.ipynb",
        bases=bases,
        consent=Consent(notebook=work / "n.ipynb"),
    )
    return asyncio.run(find(request, lambda _: None))


def text(found: Plan, home: Path) -> list[str]:
    return spec_of(found, None, home, INFO).dockerfile.splitlines()


def test_a_folder_that_is_swapped_while_a_name_is_looked_up(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, word in ((home / "letters", "secret"), (home / "work/a/letters", "harmless")):
        folder.mkdir(parents=True)
        (folder / "x").write_text(word)

    async def slow(_: Collection[str]) -> dict[str, bool]:
        (home / "work/a").rename(home / "work/b")
        (home / "work/a").symlink_to(home)
        return {}

    monkeypatch.setattr("jupyter_containers.builds.plan.of_this_machine", slow)
    source = "--context a/letters\nFROM base\nADD https://slow.example/x /x\nCOPY x /s"
    with pytest.raises(BuildNotApproved) as raised:
        plan(home, source, Engine(base=Image(id="sha256:1")))
    assert raised.value.items == (f"the file {home}/letters/x, read by its build",)


def test_a_folder_that_is_swapped_later(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, word in ((home / "away/d", "secret"), (home / "work/a/d", "harmless")):
        folder.mkdir(parents=True)
        (folder / "x").write_text(word)
    check = Consent.check

    def swapping(self: Consent, *args: Any) -> None:
        check(self, *args)
        (home / "work/a").rename(home / "work/b")
        (home / "work/a").symlink_to(home / "away")

    monkeypatch.setattr(Consent, "check", swapping)
    found = plan(home, "--context a/d\nFROM base\nCOPY x /s", Engine(base=Image(id="sha256:1")))
    assert found.context.directory == home / "work/a/d"
    with pytest.raises(Exception, match="cannot be read for the build"):
        stage(found.context, home / "staged")
    assert not (home / "staged").exists()


def test_the_builder_uses_no_proxy_that_a_cell_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "ftp_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", "http://me:swordfish@proxy.example:3128")
    monkeypatch.setenv("no_proxy", "x.example")
    cell = {
        "HTTP_PROXY": "http://127.0.0.1:2375",
        "HTTPS_PROXY": "http://x",
        "no_proxy": "x.example",
    }
    options = " ".join(f"--build-arg {name}={value}" for name, value in cell.items())
    engine = Engine(base=Image(id="sha256:1"))
    engine.policy = policy(build_proxies=True)
    found = plan(home, f"{options}\nFROM base\nRUN true", engine)
    spec = spec_of(found, None, home, INFO)
    https = {"https_proxy": "http://me:swordfish@proxy.example:3128"}
    assert spec.proxies == {**https, "no_proxy": "x.example", "NO_PROXY": "x.example"}
    argv = common_argv(spec)
    assert "--build-arg=HTTP_PROXY=http://127.0.0.1:2375" in argv
    assert "--build-arg=HTTPS_PROXY=http://x" in argv
    assert "--build-arg=https_proxy" in argv
    assert not any("swordfish" in word for word in argv)


def test_what_a_base_defines_counts(home: Path) -> None:
    source = "\nFROM base\nADD https://example.org/${ARCH}/k /k\nWORKDIR $APP"
    base = Image(id="sha256:1", env={"ARCH": "amd64", "APP": "/srv"})
    assert text(plan(home, source, Engine(base=base)), home) == [
        "FROM docker.io/library/base:latest",
        "ADD https://example.org/amd64/k /k",
        "WORKDIR /srv",
    ]
    with pytest.raises(DockerfileError, match=r"\$ARCH has no value"):
        plan(home, source, Engine(base=Image(id="sha256:1")))


def test_where_a_base_works_counts(home: Path) -> None:
    source = "\nFROM base\nRUN true"
    base = Image(id="sha256:1", workdir="/srv")
    found = plan(home, source, Engine(base=base))
    remember_bases("podman", found.request.cell.fingerprint, found.bases)
    known = recall_bases("podman", found.request.cell.fingerprint, [found.bases[0].reference])
    assert known == list(found.bases)
    with pytest.raises(DockerfileError, match="no directory of the image"):
        plan(home, source, Engine(base=replace(base, id="sha256:2", workdir="/proc/self")))


def test_stages_that_are_not_needed(home: Path) -> None:
    source = "{}\nFROM one\nFROM two AS second\nFROM three AS third\nCOPY --from=1 /x /y\n"
    images = {name: Image(id=f"sha256:{name}") for name in ("one", "two", "three")}
    found = plan(home, source.format(""), Engine(**images))
    assert [base.reference[18:-7] for base in found.bases] == ["two", "three"]
    spec = spec_of(found, None, home, INFO)
    assert spec.dockerfile.splitlines()[2] == "COPY --from=0 /x /y"
    assert [(step.stage, step.stage_name, step.line) for step in spec.steps] == [
        (0, "second", 2),
        (1, "third", 3),
        (1, "third", 4),
    ]
    for target in ("second", "1"):
        found = plan(home, source.format(f"--target {target}"), Engine(**images))
        assert text(found, home) == ["FROM docker.io/library/two:latest AS second"]
        assert spec_of(found, None, home, INFO).target == "second"


def test_a_stage_that_only_a_bases_onbuild_needs(home: Path) -> None:
    source = "\nFROM one AS build\nCMD make\nFROM base\n"
    onbuild = ("COPY --from=build /out /srv",)
    images = {"one": Image(id="sha256:1"), "base": Image(id="sha256:2", onbuild=onbuild)}
    found = plan(home, source, Engine(**images))
    assert [base.reference[18:-7] for base in found.bases] == ["base", "one"]
    assert text(found, home)[:2] == ["FROM docker.io/library/one:latest AS build", "CMD make"]
    found = plan(home, source, Engine(base=Image(id="sha256:2")))
    assert text(found, home) == ["FROM docker.io/library/base:latest"]


def test_a_recorded_base_is_pulled_by_its_digest(home: Path) -> None:
    pin = "sha256:" + "a" * 64
    engine = Engine()
    engine.policy = policy(images=["docker.io/library/base:*t"])
    pulled: list[tuple[str, str]] = []

    async def pull(reference: str, stands_for: str = "") -> AsyncIterator[Progress]:
        engine.policy.check_pull(reference, stands_for)
        pulled.append((reference, stands_for))
        yield Progress(kind="image", image=Image(id="sha256:1"))

    engine.pull = pull  # type: ignore[attr-defined]
    found = plan(home, "\nFROM base", engine, {"docker.io/library/base:latest": pin})
    assert pulled == [(f"docker.io/library/base@{pin}", "docker.io/library/base:latest")]
    assert text(found, home) == [f"FROM docker.io/library/base@{pin}"]


def test_the_image_of_a_notebook_that_had_another_name(home: Path) -> None:
    base = Image(id="sha256:1")
    made = plan(home, "\nFROM base\nRUN true", Engine(base=base))
    label, mark = {BUILD_LABEL: made.label}, f":{made.fingerprint[:12]}"

    def name(text: str = "\nFROM base\nRUN true", **changes: Any) -> str | None:
        engine = Engine(base=base)
        named: dict[str, Any] = {"references": (f"{NAMESPACE}/old{mark}",), "labels": label}
        engine.here["old"] = Image(id="sha256:2", **{**named, **changes})
        asked, image = found(home, text, engine)
        return asked.built(image, reused=True).name if image is not None else None

    assert name() == f"{NAMESPACE}/old{mark}"
    assert name("--no-cache\nFROM base\nRUN true") is None
    assert name("-t mine:1\nFROM base\nRUN true") is None  # that name is not on it
    # What only says that it was built from this is not believed.
    assert name(references=("docker.io/library/evil:1",)) is None
    assert name(references=(f"{NAMESPACE}/old:000000000000",)) is None
    assert name(labels={BUILD_LABEL: "0" * 64}) is None
