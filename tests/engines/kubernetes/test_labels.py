"""What marks a Pod as ours, and whose it is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.kubernetes.labels import labels_of, marks, selector
from tests.engines.kubernetes.pods import SITE, made

LABELS = {
    "jupyter-containers": "kernel",
    "jupyter-containers.owner": "0" * 32,
    "jupyter-containers.uid": "1001",
    "jupyter-containers.host": "lab.example.org",
    "jupyter-containers.kernel": "9a0e4f3c-0000",
    "jupyter-containers.name": "jupyter-0123abcd",
    "jupyter-containers.image": "docker.io/library/python:3",
}


def test_labels_come_back() -> None:
    found = made(labels={**LABELS, "theirs": "x"})["metadata"]
    assert found["annotations"] == {"jupyter-containers/image": "docker.io/library/python:3"}
    assert "theirs" not in json.dumps(found)
    job = {"jupyter-containers.job": "jupyter-0123abcd"}
    assert labels_of({"metadata": found}) == LABELS | job


@pytest.mark.parametrize("metadata", [{}, {"labels": {"jupyter-containers/role": "kernel"}}, None])
def test_a_pod_of_others_has_none_of_our_labels(metadata: Any) -> None:
    assert labels_of({"metadata": metadata}) == {}


@given(st.dictionaries(st.sampled_from([*LABELS, "jupyter-containers.notebook"]), st.text()))
def test_hostile_values_are_no_labels(given_labels: dict[str, str]) -> None:
    labels, rest = marks(given_labels, SITE)
    for value in labels.values():
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?", value)
    assert "jupyter-containers/notebook" not in labels
    assert len(labels) + len(rest) == len(given_labels) + 2
    assert labels["jupyter-containers/user"] == "ada"


def test_the_selector_is_of_this_person() -> None:
    assert selector(SITE) == (
        "app.kubernetes.io/managed-by=jupyter-containers,jupyter-containers/user=ada,"
        "jupyter-containers/role"
    )
