"""Each kind of first cell from a file is built; what needs uv is fetched from PyPI."""

from __future__ import annotations

import hashlib
import json
import subprocess

import pytest
from uv import find_uv_bin

from jupyter_containers.builds.starters import make_cell
from jupyter_containers.notebook.cells import parse_cell
from tests.contract.builds.conftest import private_places, site, word
from tests.contract.builds.site import Site
from tests.helpers.package_index import package_index, wheel

__all__ = ["private_places", "site", "word"]

HOST = "host.containers.internal"
"""This machine, as Podman's containers name it."""
PROJECT = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\n'
POETRY = '[tool.poetry]\nname = "x"\nversion = "1"\ndescription = ""\nauthors = ["A <a@b.org>"]\n'
BY_POETRY = (
    '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
)
GROUPS = (
    '[project.optional-dependencies]\nmore = ["numpy"]\n[dependency-groups]\ndev = ["pytest"]\n'
)
SIX = "1.16.0"
SIX_HASH = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"


async def built(site: Site, name: str, base: str) -> str:
    """The reference of the image that the cell from this file makes."""
    source = make_cell(site.folder, name, base)
    cell = parse_cell(source)
    assert cell is not None
    site.policy = {"min_free_disk": None}  # with the CAs that a build is given
    done = await site.build(cell.text, source.partition("\n")[0].removeprefix("%%dockerfile"))
    return done.name


def version(site: Site, image: str, module: str = "six") -> str:
    look = f"from importlib.metadata import version; print(version({module!r}))"
    return site.run("run", "--rm", image, "python3", "-c", look).strip()


def put(site: Site, **files: str) -> None:
    for name, text in files.items():
        (site.folder / name).parent.mkdir(exist_ok=True)
        (site.folder / name).write_text(text)


async def test_requirements(site: Site, image: str, word: str) -> None:
    with package_index({"kept": "1.2.3", "quiet": "2.0"}) as (port, _):
        where = f"--index-url http://{HOST}:{port}/simple\n--trusted-host {HOST}\n# {word}\n"
        kept, quiet = (
            hashlib.sha256(wheel(*one)[1]).hexdigest()
            for one in (("kept", "1.2.3"), ("quiet", "2.0"))
        )
        (site.folder / "more").mkdir()
        put(
            site,
            **{
                "requirements.txt": f"{where}-r more/base.txt\nkept==1.2.3 --hash=sha256:{kept}\n",
                "more/base.txt": f"-c limits.txt\nquiet==2.0 --hash=sha256:{quiet}\n",
                "more/limits.txt": "kept==1.2.3\n",
            },
        )
        name = await built(site, "requirements.txt", image)
    assert [version(site, name, one) for one in ("kept", "quiet")] == ["1.2.3", "2.0"]


async def test_a_password_is_used_and_kept_nowhere(site: Site, image: str, word: str) -> None:
    with package_index({"kept": "1.2.3"}) as (port, asked):
        index = f"--index-url http://me:s3cret@{HOST}:{port}/simple\n--trusted-host {HOST}\n"
        put(site, **{"requirements.txt": f"{index}# {word}\nkept\n"})
        name = await built(site, "requirements.txt", image)
        assert asked
    assert version(site, name, "kept") == "1.2.3"
    look = "grep -rsl s3cret / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev || true"
    assert site.run("run", "--rm", name, "sh", "-c", look) == ""
    assert "s3cret" not in site.run("image", "inspect", name)
    assert "s3cret" not in site.run("history", "--no-trunc", name)


@pytest.mark.parametrize(
    "text",
    [
        f'{PROJECT}dependencies = ["six=={SIX}"]\n{GROUPS}',
        f'{POETRY}[tool.poetry.dependencies]\npython = "^3.9"\nsix = "{SIX}"\n{BY_POETRY}',
    ],
    ids=["project", "poetry"],
)
async def test_a_project(text: str, site: Site, image: str, word: str) -> None:
    put(site, **{"pyproject.toml": f"# {word}\n{text}"})
    assert version(site, await built(site, "pyproject.toml", image)) == SIX


async def test_a_project_with_a_lock_of_uvs(site: Site, image: str, word: str) -> None:
    put(site, **{"pyproject.toml": f'{PROJECT}dependencies = ["six=={SIX}"]\n'})
    subprocess.run([find_uv_bin(), "lock", "-q"], cwd=site.folder, check=True)
    # What uv would take without the lock is another.
    lock = site.folder / "uv.lock"
    put(site, **{"pyproject.toml": f'# {word}\n{PROJECT}dependencies = ["six>1"]\n{GROUPS}'})
    assert f'version = "{SIX}"' in lock.read_text()
    assert version(site, await built(site, "pyproject.toml", image)) == SIX


POETRY_LOCK = f"""\
[[package]]
name = "six"
version = "{SIX}"
description = ""
optional = false
python-versions = ">=2.7"
groups = ["main"]
files = [
    {{file = "six-{SIX}-py2.py3-none-any.whl", hash = "sha256:{SIX_HASH}"}},
]

[metadata]
lock-version = "2.1"
python-versions = "^3.9"
content-hash = "57165a07a06690e5c3f617e000388c8ca18ea3c10401178325696cf7073768e8"
"""


async def test_a_project_with_a_lock_of_poetrys(site: Site, image: str, word: str) -> None:
    needs = f'package-mode = false\n[tool.poetry.dependencies]\npython = "^3.9"\nsix = "{SIX}"\n'
    put(site, **{"pyproject.toml": f"# {word}\n{POETRY}{needs}", "poetry.lock": POETRY_LOCK})
    assert version(site, await built(site, "pyproject.toml", image)) == SIX


async def test_a_dockerfile(site: Site, image: str, word: str) -> None:
    put(site, Dockerfile=f"FROM {image}\n# {word}\nRUN echo {word} > /made\n")
    name = await built(site, "Dockerfile", "")
    assert site.run("run", "--rm", name, "cat", "/made").strip() == word


@pytest.mark.parametrize("build", [False, True])
async def test_a_devcontainer(build: bool, site: Site, image: str, word: str) -> None:
    put(site, **{".devcontainer/Dockerfile": f"FROM {image} AS a\nRUN echo {word} > /made\n"})
    of = {"build": {"dockerfile": "Dockerfile", "context": ".."}} if build else {"image": image}
    more = {"containerEnv": {"WORD": word}, "remoteUser": "nobody", "features": {"x:1": {}}}
    text = json.dumps(of | more)
    put(site, **{".devcontainer/devcontainer.json": f"// JSON with comments\n{text[:-1]},\n}}"})
    name = await built(site, ".devcontainer/devcontainer.json", "")
    shown = site.run("run", "--rm", name, "sh", "-c", 'echo "$WORD"; id -un; cat /made || true')
    assert shown.split() == [word, "nobody", *([word] if build else [])]
