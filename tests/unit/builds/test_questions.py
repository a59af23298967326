"""How often ordinary sessions are asked something: a yes too many is a yes that nobody reads.

Each is walked as JupyterLab walks it: what the build reads is asked before it, what the settings
ask for beyond the built image after it. `before` is what it was without questions for builds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_containers.builds.cells import settings_after
from jupyter_containers.builds.consent import Consent
from jupyter_containers.dockerfile.context import collect
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.errors import BuildNotApproved
from jupyter_containers.notebook.cells import parse_cell
from jupyter_containers.policy.approvals import Approvals
from tests.helpers.policies import policy
from tests.helpers.private_home import private_home


@dataclass(frozen=True, kw_only=True)
class Session:
    what: str
    folder: str = "work"
    options: str = ""
    lines: str = "RUN pip install pandas"
    before: int = 0
    now: int = 0


SESSIONS = [
    Session(what="a new notebook, pip install"),
    Session(what="a requirements.txt beside it", lines="COPY requirements.txt /tmp/"),
    Session(what="a package of the folder's own", lines="COPY . /src\nRUN pip install /src"),
    Session(what="a folder of data", options="--mount ../data:/data", before=1, now=1),
    Session(what="a GPU", options="--device nvidia.com/gpu=0", before=1, now=1),
    Session(what="a variable", options="--env OMP_NUM_THREADS=4", before=1, now=1),
    Session(what="more memory and CPUs, no network", options="--memory 8g --cpus 4 --network none"),
    Session(what="a colleague's, in a folder of its own", folder="theirs", lines="COPY x.csv /x"),
    Session(what="a course image, in the home directory", folder=".", lines="RUN true"),
    Session(
        what="a requirements.txt in the home directory",
        folder=".",
        lines="COPY requirements.txt /tmp/",
        now=1,
    ),
    Session(
        what="a notebook of a repository", options="--context ..", lines="COPY lib /lib", now=1
    ),
    Session(what="the site's package index", options="--secret pip", now=1),
    Session(what="in /tmp", folder="shared"),
    Session(what="in /tmp, with a file", folder="shared", lines="COPY x.csv /x", now=1),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = private_home(tmp_path, monkeypatch)
    for name in ("work", "theirs", "shared", "data", "lib", "."):
        (home / name).mkdir(exist_ok=True)
        for file in ("requirements.txt", "x.csv"):
            (home / name / file).write_text("x")
    (home / "shared").chmod(0o1777)
    return home


def walk(session: Session, home: Path) -> int:
    """How many questions there were; each is answered with a yes."""
    notebook = home / session.folder / "n.ipynb"
    cell = parse_cell(f"%%dockerfile {session.options}\nFROM python:3.12\n{session.lines}\n")
    assert cell is not None
    questions = 0
    shown: tuple[str, ...] = ()
    for _ in range(3):
        consent = Consent(notebook=notebook, shown=shown)

        def allow(directory, named, consent=consent):
            consent.check(notebook.parent, directory, named, cell.options.secrets)

        try:
            found = parse(cell.text, {})
            collect(found, notebook.parent, cell.options.context, allow=allow)
            break
        except BuildNotApproved as error:
            questions, shown = questions + 1, error.items
    settings = settings_after({}, cell.options, "localhost/built:1", None)
    resolved = settings.resolved(notebook.parent, policy())
    Approvals().approve_image(notebook, settings.image)
    if missing := Approvals().missing(notebook, resolved):
        questions += 1
        Approvals().approve(notebook, resolved, missing)
    return questions


@pytest.mark.parametrize("session", SESSIONS, ids=[one.what for one in SESSIONS])
def test_a_session_is_asked_so_often_and_once(session: Session, home: Path) -> None:
    assert session.now <= session.before + 1
    assert walk(session, home) == session.now
    assert walk(session, home) == 0
