"""What a cell has installed, as a change of the Dockerfile cell, over REST. No engine is asked."""

from __future__ import annotations

import pytest

from tests.helpers.harness import write_notebook

CELL = "\n%%dockerfile -t mine:1 --target one\nFROM x AS one\nUSER me\nFROM y"


@pytest.fixture
def ask(api, jp_root_dir):
    write_notebook(jp_root_dir / "n.ipynb", None, "1")

    async def post(source, output="", packages=None):
        body = {"path": "n.ipynb", "source": source, "output": output, "dockerfile": CELL}
        status, said = await api("POST", "additions", {**body, "packages": packages})
        assert status == 200, said
        return said

    return post


async def test_the_cell_keeps_its_first_line_and_its_stage(ask):
    said = await ask("%pip install Pandas", "Successfully installed pandas-2.3.1")
    line = "RUN --mount=type=cache,target=/root/.cache/pip pip install Pandas==2.3.1"
    assert said == {
        "packages": ["Pandas==2.3.1"],
        "lines": [line],
        "dockerfile": CELL.replace("AS one", f"AS one\n{line}"),
        "notes": [],
        "ask": False,
    }


async def test_the_kernel_is_asked_where_the_output_does_not_tell(ask):
    assert (await ask("%pip install -q pandas"))["ask"]
    said = await ask("%pip install -q pandas", "", {"pip": {"pandas": "2.3.1"}})
    assert (said["packages"], said["ask"]) == (["pandas==2.3.1"], False)
    assert not (await ask("%pip install -q pandas", "", {}))["lines"]


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("1 + 1", "Successfully installed pandas-2.3.1"),
        ("%pip install pandas==99", "ERROR: No matching distribution found for pandas==99"),
        ("%pip install pandas", "  Rolling back uninstall of pandas\nERROR: Exception:"),
        ("%pip install -r needs.txt git+https://h/x", "ERROR: Could not open requirements file"),
        ("%pip install https://me:s3cret@h/x.whl", "ERROR: 404"),
    ],
)
async def test_nothing_is_offered(source, output, ask):
    said = await ask(source, output)
    assert said == {"packages": [], "lines": [], "dockerfile": CELL, "notes": [], "ask": False}


async def test_what_is_left_out_is_told(ask):
    source = "%pip install a --index-url https://me:s3cret@h/simple\n!apt-get install -y git"
    said = await ask(source, "Successfully installed a-1.0\nSetting up git (1)")
    assert said["packages"] == ["a==1.0", "git"]
    assert "s3cret" not in str(said)
    assert "--index-url holds" in said["notes"][0] and "not pinned" in said["notes"][1]
