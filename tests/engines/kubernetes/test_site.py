"""What a policy says of the cluster, for one person."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.kubernetes.site import Site, Volume, safe_slug, site_of
from jupyter_containers.errors import PolicyRefused, Unsupported
from jupyter_containers.models import User
from tests.helpers.policies import policy
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("name", "slug"),
    [  # by kubespawner 7.1, as it fills in templates
        ("jupyter-alex", "jupyter-alex"),
        ("jupyter-Alex", "jupyter-alex---3a1c285c"),
        ("jupyter-üni", "jupyter-ni---a5aaf5dd"),
        ("endswith-", "endswith---165f1166"),
        ("-start", "start---f587e2dc"),
        ("username--servername", "username-servername---d957f1de"),
        ("start---f587e2dc", "start-f587e2dc---cc5bb9c9"),
        ("x" * 48, "x" * 48),
        ("x" * 49, "x" * 37 + "---55bb9823"),
        ("x" * 64, "x" * 37 + "---7ce10097"),
        (
            "ada.lovelace@students.university.example.org",
            "ada-lovelace-students-university-exam---ab272509",
        ),
        ("", "x---e3b0c442"),
    ],
)
def test_names_are_escaped_as_kubespawner_does(name: str, slug: str) -> None:
    assert safe_slug(name) == slug


ANY_NAME = st.text() | st.text("ab-./_A0é\n\udc80", max_size=80)


@given(ANY_NAME, ANY_NAME)
def test_no_name_leaves_its_place_or_is_anothers(one: str, other: str) -> None:
    slug = safe_slug(one)
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", slug)
    assert (slug == safe_slug(other)) == (one == other)


def test_a_policy_without_a_word_on_it() -> None:
    assert site_of(policy(), "ada") == Site(
        user="ada", deadline=7 * 86400, cpu_share=0.25, memory_share=1.0
    )


def test_all_that_a_policy_says(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "course")
    said: dict[str, Any] = {
        "context": "c",
        "namespace": "n",
        "volumes": {"~": "claim-{username}", str(tmp_path / "link"): "course/{username}/in:ro"},
        "labels": {"who": "{username}"},
        "node_selector": {"pool": "cpu"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "priority_class": "low",
        "pull_secrets": ["s"],
        "service_account": "kernels",
        "deadline": None,
        "cpu_share": 1,
        "memory_share": 0.5,
        "uid": 2000,
        "gid": 100,
        "allow_root": True,
    }
    site = site_of(policy(**{f"kubernetes_{key}": one for key, one in said.items()}), "../Ada")
    assert site == Site(
        user="ada---4e4af216",
        context="c",
        namespace="n",
        volumes=(
            Volume(path=str(home), claim="claim-ada---4e4af216"),
            Volume(
                path=str(tmp_path / "course"),
                claim="course",
                sub_path="ada---4e4af216/in",
                writable=False,
            ),
        ),
        labels={"who": "ada---4e4af216"},
        node_selector={"pool": "cpu"},
        tolerations=({"key": "k", "operator": "Exists"},),
        priority_class="low",
        pull_secrets=("s",),
        service_account="kernels",
        cpu_share=1.0,
        memory_share=0.5,
        uid=2000,
        gid=100,
        allow_root=True,
    )


def test_a_name_that_fits_no_label_is_refused() -> None:
    with pytest.raises(PolicyRefused, match=r"Policy\.kubernetes_labels"):
        site_of(policy(kubernetes_labels={"who": "a." * 15 + "{username}"}), "x" * 60)
    with pytest.raises(PolicyRefused, match=r"Policy\.kubernetes_volumes"):
        site_of(policy(kubernetes_volumes={"/d": "a" * 220 + "{username}"}), "x" * 60)


HOME = Volume(path="/home/ada", claim="home")
DEEP = Volume(path="/home/ada/data", claim="data", sub_path="of/ada")


@pytest.mark.parametrize(
    ("path", "volume", "sub_path"),
    [
        ("/home/ada", HOME, ""),
        ("/home/ada/plots/a b", HOME, "plots/a b"),
        ("/home/ada/data", DEEP, "of/ada"),
        ("/home/ada/data/x", DEEP, "of/ada/x"),
        ("/home/ada/database", HOME, "database"),
        ("/home/adam", None, None),
        ("/home", None, None),
    ],
)
def test_the_longest_path_wins(path: str, volume: Volume | None, sub_path: str | None) -> None:
    found = Site(volumes=(HOME, DEEP)).volume_of(path)
    assert found == volume
    assert (found.below(path) if found else None) == sub_path


def test_a_volume_of_everything() -> None:
    assert Volume(path="/", claim="all").below("/srv/x") == "srv/x"


def _user(mode: Any, uid: int, gid: int, host: tuple[int, int]) -> User:
    return User(mode=mode, uid=uid, gid=gid, host_uid=host[0], host_gid=host[1])


@pytest.mark.parametrize(
    ("mode", "image", "own", "inside"),
    [
        ("me", (0, 0), (1001, 100), (1001, 100)),
        ("me", (500, 500), (0, 0), (3000, 3001)),
        ("image", (500, 501), (1001, 100), (500, 501)),
        ("image", (0, 0), (1001, 100), (1001, 100)),
        ("image", (0, 0), (0, 0), (3000, 3001)),
        ("image", (1001, 5), (1001, 100), (1001, 100)),
    ],
)
def test_who_one_is_inside(
    mode: Any, image: tuple[int, int], own: tuple[int, int], inside: tuple[int, int]
) -> None:
    host = own if own[0] else (3000, 3001)
    found = Site(uid=3000, gid=3001).user_inside(mode, image, own)
    assert found == _user(mode, *inside, host)


def test_who_one_cannot_be() -> None:
    with pytest.raises(Unsupported, match="does not run as root"):
        Site().user_inside("root", (0, 0), (1001, 100))
    allowed = Site(allow_root=True).user_inside("root", (0, 0), (1001, 100))
    assert allowed == _user("root", 0, 0, (1001, 100))
    with pytest.raises(Unsupported, match="user 500 would write files"):
        Site(volumes=(HOME,)).user_inside("image", (500, 501), (1001, 100))
