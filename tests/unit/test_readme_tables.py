"""README.md's tables against the tables they are made from: settings and engines."""

from __future__ import annotations

import json
import re

from jupyter_containers.cli.main import VERBS
from jupyter_containers.guest import cell as grammar
from jupyter_containers.policy.traits import PolicyTraits
from jupyter_containers.settings.schema import FIELDS, Field, Settings
from tests.helpers import ROOT

README = ROOT / "README.md"


def settings_table() -> str:
    """The settings' keys in the order of `FIELDS`."""
    rows: list[tuple[str, ...]] = [
        ("key", "option", "limited by `Policy.`", "default", "what it is"),
        ("---",) * 5,
    ]
    rows += [
        (f"`{key}`", _code(field.option), _code(field.trait), _default(field), field.doc)
        for key, field in FIELDS.items()
    ]
    return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in row)}|" for row in rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _default(field: Field) -> str:
    if field.default in (None, "", ()) or field.default == {}:
        return ""
    written = field.write(field.default)
    return _code(written if isinstance(written, str) else json.dumps(written))


def _between(first: str, last: str) -> str:
    found = re.search(rf"{first}[^\n]*\n(.*?)\n{last}", README.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_settings() -> None:
    assert _between("<!-- settings", "<!-- end").splitlines() == settings_table().splitlines()


def test_the_command_line_has_every_verb() -> None:
    table = _between("## Command line", "Those ")
    named = re.findall(r"`(?:jupyter containers )?([a-z]+)[^`]*`", table)
    assert set(named) - {"dockerfile"} == set(VERBS)


def test_the_options_of_dockerfile_cells() -> None:
    text = _between("The options behind", "## Settings")
    own, _, rest = text.partition("below but")
    flags = {"--no-cache", "--no-switch"}
    named = set(re.findall(r"`(--?[a-z-]+)", own))
    assert len(named) == 8
    assert not [one for one in named if not _taken(one, one in flags)]
    fields = [field for field in FIELDS.values() if field.option]
    not_taken = {one.option for one in fields if not _taken(one.option, one.kind == "flag")}
    assert set(re.findall(r"`(--[a-z-]+)`", rest)) == not_taken


def _taken(option: str, flag: bool) -> bool:
    try:
        grammar.parse(option if flag else f"{option} A=1")
    except ValueError:
        return False
    return True


def test_the_example_settings() -> None:
    example = re.search(r'```json\n(\{"version".*?)```', README.read_text(), re.DOTALL)
    assert example is not None
    settings = Settings.parse(json.loads(example[1]), where="README.md")
    assert settings.network == "none"


def test_the_example_policy() -> None:
    example = re.search(r"```python\n(c\.Policy.*?)```", README.read_text(), re.DOTALL)
    assert example is not None
    names = re.findall(r"^c\.Policy\.(\w+) = ", example[1], re.MULTILINE)
    assert len(names) == len(example[1].strip().splitlines())
    known = PolicyTraits.class_trait_names(config=True)
    assert set(names) <= set(known)


if __name__ == "__main__":
    print(settings_table())
