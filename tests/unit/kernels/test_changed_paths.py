"""Packages and folders among the paths that changed in a container."""

from __future__ import annotations

import pytest

from jupyter_containers.engines.docker.inspect import changes
from jupyter_containers.kernels.changed_paths import Seen, folders, installs_of, packages
from jupyter_containers.models import ChangedPath

PLACE = "/usr/local/lib/python3.11/site-packages"
DPKG = "/var/lib/dpkg/info"


def dist(name: str, *files: str, kind: str = "A") -> str:
    """As `podman diff` prints it."""
    rows = ["", "/METADATA", *(f"/{file}" for file in files)]
    return "\n".join(f"{kind} {PLACE}/{name}.dist-info{row}" for row in rows)


def found(*printed: str, history: str = "") -> list[tuple[str, str, str, str, bool]]:
    rows = packages(changes("\n".join(printed)), Seen(history=history))
    return [(one.tool, one.name, one.version or "-", one.was or "-", one.asked) for one in rows]


def words(*printed: str, history: str = "", extended_states: str = "") -> list[str]:
    known = Seen(history=history, extended_states=extended_states)
    made = installs_of(packages(changes("\n".join(printed)), known), known)
    return [package.pinned for one in made for package in one.packages]


def test_what_pip_installed_and_what_came_with_it():
    """`pip install requests` in Debian's Python 3.11 on podman."""
    printed = ("C /usr", dist("requests-2.34.2", "REQUESTED"), dist("charset_normalizer-3.5.3"))
    assert found(*printed) == [
        ("pip", "requests", "2.34.2", "-", True),
        ("pip", "charset-normalizer", "3.5.3", "-", False),
    ]
    assert words(*printed) == ["requests==2.34.2"]


def test_what_was_changed_or_removed():
    printed = (
        dist("numpy-2.4.0", "REQUESTED"),
        f"D {PLACE}/numpy-1.26.4.dist-info",
        f"D {PLACE}/old-1.0.dist-info",
    )
    assert found(*printed) == [
        ("pip", "numpy", "2.4.0", "1.26.4", True),
        ("pip", "old", "-", "1.0", False),
    ]
    assert words(*printed) == ["numpy==2.4.0"]


def test_where_pip_is_too_old_to_tell_all_were_asked_for():
    assert words(dist("a-1"), dist("b-2")) == ["a==1", "b==2"]


def test_what_no_index_need_have_is_no_line():
    printed = (dist("mine-0.1", "REQUESTED", "direct_url.json"), dist("a-1", "REQUESTED"))
    assert words(*printed) == ["a==1"]
    assert ("pip", "mine", "0.1", "-", False) in found(*printed)


def test_an_environment_of_its_own_is_none_of_the_kernels():
    made = f"A /home/me/venv/pyvenv.cfg\n{dist('a-1').replace('/usr/local', '/home/me/venv')}"
    assert found(made) == []


def test_conda_says_what_it_was_asked_for():
    """Its packages of Python have pip's files, too, and names of their own."""
    meta = "/opt/conda/conda-meta"
    printed = (
        f"C {meta}/history",
        f"A {meta}/pytorch-2.8.0-cpu_mkl_py312_0.json",
        f"A {meta}/libuv-1.51.0-hb03c661_1.json",
        f"A {meta}/openssl-3.6.0-h26f9b46_0.json\nD {meta}/openssl-3.5.1-h7b32b05_0.json",
        "A /opt/conda/envs/other/conda-meta/cowpy-1.1.5-pyhd8ed1ab_1.json",
        dist("torch-2.8.0", "REQUESTED", "direct_url.json"),
    )
    history = (
        "==> 2026 <==\n# cmd: conda install pytorch\n# update specs: ['conda-forge::pytorch>=2']"
    )
    assert found(*printed, history=history) == [
        ("conda", "pytorch", "2.8.0", "-", True),
        ("conda", "libuv", "1.51.0", "-", False),
        ("conda", "openssl", "3.6.0", "3.5.1", False),
    ]
    assert words(*printed, history=history) == ["pytorch=2.8.0"]


def test_apt_says_what_came_because_of_others():
    printed = (
        f"A {DPKG}/git.list\nA {DPKG}/git.md5sums",
        f"A {DPKG}/liberror-perl.list\nC {DPKG}/libc6:amd64.list\nD {DPKG}/nano.list",
    )
    states = "Package: liberror-perl\nArchitecture: all\nAuto-Installed: 1\n\nPackage: x\n"
    rows = packages(changes("\n".join(printed)), Seen(extended_states=states))
    assert [(one.name, one.kind, one.asked) for one in rows] == [
        ("git", "added", True),
        ("libc6", "changed", False),
        ("liberror-perl", "added", False),
        ("nano", "removed", False),
    ]
    assert words(*printed, extended_states=states) == ["git"]


def test_pip_is_told_where_its_python_belongs_to_the_system():
    known = Seen(managed=True)
    (one,) = installs_of(packages(changes(dist("a-1", "REQUESTED")), known), known)
    assert one.options == ("--break-system-packages",)


@pytest.mark.parametrize(
    "path",
    [
        f"{PLACE}/a;rm-1.0.dist-info",
        f"{PLACE}/a-$(x).dist-info",
        f"{PLACE}/-rfile-1.0.dist-info",
        "/opt/conda/conda-meta/a'b-1-0.json",
        f"{DPKG}/--option.list",
    ],
)
def test_a_name_that_is_none(path):
    assert found(f"A {path}") == []


def shown(*printed: str, points: tuple[str, ...] = ()) -> dict[str, list[tuple[str, str, int]]]:
    made, more = folders(changes("\n".join(printed)), points)
    assert not more
    return {one.path: [(e.path, e.kind, e.files) for e in one.entries] for one in made}


def test_folders_hold_what_is_new_as_a_whole():
    printed = (
        "A /data\nA /data/a\nA /data/deep\nA /data/deep/b\nC /etc\nC /etc/issue\nD /etc/passwd-",
        "C /usr\nC /usr/share\nC /usr/share/doc\nA /usr/share/doc/git\nA /usr/share/doc/git/README",
        "C /usr/share/man\nC /usr/share/man/man1\nA /usr/share/man/man1/git.1.gz",
        # A folder that was removed and made anew.
        "C /opt\nD /opt/again\nA /opt/again/x",
    )
    assert shown(*printed) == {
        "/": [("data", "added", 2)],
        "/etc": [("issue", "changed", 1)],
        "/opt/again": [("x", "added", 1)],
        "/usr/share/doc": [("git", "added", 1)],
        "/usr/share/man": [("man1/git.1.gz", "added", 1)],
    }


def test_noise_and_mounts_are_left_out():
    printed = (
        "C /tmp\nA /tmp/a\nA /run/b\nA /var/cache/c\nA /root/.cache/pip/d\nA /x/__pycache__/e.pyc",
        "A /opt/jupyter-containers\nA /opt/jupyter-containers/guest\nA /etc/mtab",
        "C /etc\nA /home\nA /home/me\nA /home/me/folder\nA /root/.cache/huggingface/model",
    )
    assert shown(*printed, points=("/home/me/folder", "/etc/hosts")) == {
        "/root/.cache/huggingface": [("model", "added", 1)]
    }


def test_what_is_shown_is_bounded_and_printable():
    paths = [ChangedPath(f"/f{n}/d/e", "added") for n in range(300)]
    paths += [ChangedPath(f"/many/{n:04}\x1b[31m", "added", 10) for n in range(1000)]
    made, more = folders(paths, ())
    assert (len(made), more) == (100, 201)
    (many,) = [one for one in folders(paths[300:], ())[0] if one.path == "/many"]
    assert (many.files, many.size, len(many.entries), many.more) == (1000, 10_000, 100, 900)
    assert "\x1b" not in many.entries[0].path
