"""The engines under test, and the folders and images that tests use on them.

`make test` starts the engines and names them in a file (JC_TEST_ENGINES_FILE, written by
tests/setup/engines.sh); JC_TEST_ENGINES picks some of them, as in `podman,docker20`. A test that
takes `engine` (or `engine_env`, `image`) runs once on each. With JC_REQUIRE_ENGINES=1, an engine
that does not answer is a failure and not a skip.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.registry import choose_engine, engine_info
from jupyter_containers.host.paths import cache_directory, runtime_directory
from jupyter_containers.host.reaper.client import reaper
from jupyter_containers.models import EngineInfo, Problem
from jupyter_containers.policy.loader import load_policy
from jupyter_containers.policy.policy import CONFIG
from tests import levels
from tests.helpers.harness import write_notebook
from tests.helpers.serving import Server

pytest_plugins = (
    "pytest_jupyter.jupyter_server",
    "pytest_jupyter.jupyter_client",
    "tests.helpers.durations",
)

HERE = Path(__file__).parent
NO_ENGINES = "no engine was started for the tests: `make test` does (tests/setup/engines.sh)"


@dataclass(frozen=True, kw_only=True)
class EngineUnderTest:
    """One engine: its name in the tests (docker20), our name for it (docker), how to reach it."""

    name: str
    engine: str
    path: str = ""
    env: dict[str, str] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    """What a site that has this engine says of it."""


def _file() -> dict[str, Any]:
    file = Path(os.environ.get("JC_TEST_ENGINES_FILE") or "/nowhere")
    said: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return said


def _engines() -> list[EngineUnderTest]:
    known = _file().get("engines", {})
    wanted = os.environ.get("JC_TEST_ENGINES", "")
    names = [name for name in wanted.split(",") if name] or list(known)
    if unknown := [name for name in names if name not in known]:
        raise pytest.UsageError(f"JC_TEST_ENGINES: {unknown} are not among {list(known)}")
    return [EngineUnderTest(name=name, **known[name]) for name in names]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Once per engine."""
    if "engine_env" in metafunc.fixturenames:
        engines: list[Any] = list(_engines())
        if not engines:
            engines = [pytest.param(None, marks=pytest.mark.skip(NO_ENGINES))]
        ids = [getattr(one, "name", "none") for one in engines]
        metafunc.parametrize("engine_env", engines, ids=ids, indirect=True, scope="session")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test` goes without the packages that only some tests need; and where only tests of one
    engine are wanted, the files that have none for it are not read."""
    level = os.environ.get("JC_TEST_LEVEL")
    if not level or collection_path.suffix != ".py" or not collection_path.is_relative_to(HERE):
        return None
    path = str(collection_path.relative_to(HERE))
    if level == levels.FIRST and levels.missing(path):
        return True
    return True if config.option.markexpr == "engine" and levels.runs_nothing(path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`-m engine` picks the tests that run on engines, `-m "not engine"` the others; which of them
    run on this engine and at this level stands in levels.py."""
    levels.choose(config, items)
    for item in items:
        if "engine_env" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def engine_env(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineUnderTest]:
    """This process and its children reach the engine under test, and no other of its name."""
    one: EngineUnderTest = request.param
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONTAINER_HOST", "DOCKER_CONTEXT", "DOCKER_HOST"):
            patch.delenv(name, raising=False)
        for name, value in one.env.items():
            patch.setenv(name, value)
        if one.path:
            patch.setenv("PATH", one.path, prepend=os.pathsep)
        if one.policy:
            site = tmp_path_factory.mktemp("site")
            (site / f"{CONFIG}.json").write_text(json.dumps({"Policy": one.policy}))
            patch.setenv("JUPYTER_CONFIG_PATH", str(site))
        if trouble := _trouble(one):
            if os.environ.get("JC_REQUIRE_ENGINES") == "1":
                pytest.fail(trouble)
            pytest.skip(trouble)
        yield one


def _trouble(one: EngineUnderTest) -> str:
    info = asyncio.run(engine_info(one.engine, load_policy(None)))
    said = "; ".join(problem.message for problem in info.problems)
    return "" if info.usable else f"{one.name} does not work: {said}"


@pytest.fixture(scope="session")
def engine(engine_env: EngineUnderTest) -> str:
    """Our name of the engine under test: `podman` or `docker`."""
    return engine_env.engine


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """References: on every engine `python3.11` (Debian, no ipykernel) and `busybox` (2 MB, no
    Python), on rootless podman `python3.9` and `python3.13` too."""
    known: dict[str, str] = _file().get("images", {})
    return known


@pytest.fixture(scope="session")
def image(engine_env: EngineUnderTest, images: dict[str, str]) -> str:
    """A Debian 12 with Python 3.11, without ipykernel."""
    return images["python3.11"]


@pytest.fixture(scope="session")
def archive() -> Path | None:
    """The tar that `python3.11` was made from, where the tests' engines were started here."""
    known: str = _file().get("archives", {}).get("python3.11", "")
    return Path(known) if known else None


@pytest.fixture(scope="session")
def registry() -> str:
    """HOST:PORT of a registry on 127.0.0.1 that serves `test/busybox`."""
    address: str = _file().get("registry", "")
    if not address:
        pytest.skip("no registry was started for the tests (it needs root)")
    return address


@pytest.fixture(scope="session")
def private_registry() -> str:
    """The same of one that wants the user `tester` with the password `s3cret`."""
    address: str = _file().get("private", "")
    if not address:
        pytest.skip("no registry with a password was started for the tests (it needs root)")
    return address


@pytest.fixture
def short_path() -> Iterator[Path]:
    """`tmp_path` for sockets, whose paths have about 100 characters at most."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as made:
        yield Path(made).resolve()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A notebook's folder that belongs to whoever runs the tests."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C ends what tests start, also where a shell started them in its background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def private_jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the person's own Jupyter is read or written."""
    home = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            directory = home / name.lower()
            directory.mkdir()
            patch.setenv(name, str(directory))
        patch.delenv("JUPYTER_PATH", raising=False)
        yield
        reaper.close()


@pytest.fixture(autouse=True)
def no_notebook_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test's kernels set ends with it."""
    monkeypatch.setenv("JUPYTER_CONTAINERS_NOTEBOOK", "")


@pytest.fixture
def engine_program(engine_env: EngineUnderTest) -> str:
    """The program to ask the engine itself with."""
    return engine_env.engine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Jupyter server in a process of its own, which the test may kill."""
    server = Server(tmp_path / "server")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def its_notebook(server: Server, engine: str, image: str) -> Path:
    """`n.ipynb` of that server, not yet approved."""
    return write_notebook(server.root / "n.ipynb", {"image": image, "engine": engine})


@pytest.fixture
def left_behind() -> Callable[[], list[str]]:
    """What of ours is on this host that was not before the test: rooms and homes."""
    before = set(_ours())
    return lambda: sorted(set(_ours()) - before)


def _ours() -> list[str]:
    kept = ("owners", "empty", "empty-file")  # of all containers: see paths.py
    run_dirs = [str(path) for path in runtime_directory().iterdir() if path.name not in kept]
    return run_dirs + [str(path) for path in (cache_directory() / "homes").glob("*")]


@pytest.fixture
def said_of_itself(engine: str) -> EngineInfo:
    """What this engine says of itself."""

    async def ask() -> EngineInfo:
        chosen = await choose_engine(engine, load_policy(None))
        return await chosen.info()

    return asyncio.run(ask())


@pytest.fixture
def features(said_of_itself: EngineInfo) -> frozenset[str]:
    """What this engine can do here, by its own word."""
    return said_of_itself.features


@pytest.fixture
def problems(said_of_itself: EngineInfo) -> tuple[Problem, ...]:
    """What this engine cannot do here, by its own word."""
    return said_of_itself.problems


@pytest.fixture
def enforces_memory(features: frozenset[str]) -> bool:
    """Whether this engine, here, enforces limits."""
    return "limits" in features


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine whose containers share no sockets with this machine, as Docker Desktop's."""
    monkeypatch.setattr(
        "jupyter_containers.images.probe._Trial.verdict",
        lambda self, said: {"transport": "tcp", "boot": "", "reason": "made so by the test"},
    )
    monkeypatch.setattr("jupyter_containers.images.probe._still_true", lambda way: False)
