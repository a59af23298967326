"""What an engine, an image or a file is called does nothing to the terminal."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest

import jupyter_containers.cli
from jupyter_containers.cli import terminal
from jupyter_containers.errors import BadInput

BAD = "a\x1b[31m\x1b]0;t\x07\r\u202eb\x9b2J\x7f\udc80é🐍"
SHOWN = r"a\x1b[31m\x1b]0;t\x07\r\u202eb\x9b2J\x7f\udc80é🐍"


def test_each_way_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(BAD)
    terminal.table([{"name": BAD}], ["name"], "none")
    terminal.show_note(BAD)
    terminal.show_error(BadInput(BAD, BAD))
    done = capsys.readouterr()
    assert done.out.splitlines() == [SHOWN, "NAME", SHOWN]
    assert done.err.splitlines() == [SHOWN, f"Error: {SHOWN}", SHOWN]


def test_json_is_the_same_to_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({BAD: [BAD, 7]})
    said = capsys.readouterr().out
    assert json.loads(said) == {BAD: [BAD, 7]}
    assert all(c.isprintable() or c == "\n" for c in said)
    assert "é🐍" in said


def test_a_screen() -> None:
    stream = io.StringIO()
    screen = terminal.Screen(stream)
    screen.line(BAD)
    screen.step(BAD)
    screen.detail(BAD)
    assert all(c.isprintable() or c == "\n" for c in stream.getvalue())
    assert stream.getvalue().splitlines()[0] == SHOWN


def test_nothing_else_prints() -> None:
    """So that whoever adds a verb need not think of it."""
    printing = []
    for path in sorted(Path(jupyter_containers.cli.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.func if isinstance(node, ast.Call) else None
            if isinstance(name, ast.Name) and name.id == "print":
                printing.append(path.name)
    assert set(printing) == {"terminal.py"}
