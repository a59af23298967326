"""`openapi.json`, and whether an answer is what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import jupyter_containers

FILE = Path(jupyter_containers.__file__).with_name("openapi.json")
CONTRACT = json.loads(FILE.read_text())


def operation(method: str, path: str) -> dict[str, Any] | None:
    """What is said of a verb on a path below `/jupyter-containers/`."""
    for template, verbs in sorted(CONTRACT["paths"].items(), key=lambda one: "{" in one[0]):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), f"/{path}"):
            found: dict[str, Any] | None = verbs.get(method.lower())
            return found
    return None


def keeps_to_the_contract(method: str, path: str, status: int, said: object) -> None:
    """Fails the test where an answer has another shape, or a status nobody expects."""
    described = operation(method, path)
    if described is None:
        assert status in (403, 404, 405), (method, path, status)
        name = "#/components/schemas/Error"
        content: dict[str, Any] | None = {"$ref": name}
    else:
        answer = described["responses"].get(str(status))
        assert answer is not None, (method, path, status, said)
        if "$ref" in answer:
            answer = CONTRACT["components"]["responses"]["Error"]
        content = answer.get("content", {}).get("application/json", {}).get("schema")
    if content is not None:
        schema = {"components": CONTRACT["components"], **content}
        Draft202012Validator(schema).validate(said)
    elif status == 204:
        assert said is None
