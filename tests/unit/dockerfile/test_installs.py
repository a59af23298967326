"""What a cell installs, by its text, by what it printed and by what the kernel says."""

from __future__ import annotations

import pytest

from jupyter_containers.dockerfile.installed import installed, printed
from jupyter_containers.dockerfile.installs import Install, installs, secret


def pinned(source: str, output: str = "", seen=None, image=None) -> list[str]:
    said = printed(output)
    found = (installed(p, said, seen, image or {}) for i in installs(source) for p in i.packages)
    return [package.pinned for package in found if package is not None]


def only(source: str) -> Install:
    (found,) = installs(source)
    return found


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("%pip install pandas", ["pandas"]),
        ("pip install pandas", ["pandas"]),
        ("!pip3 install -q --upgrade 'pandas[parquet]>=2' NumPy", ["pandas[parquet]", "NumPy"]),
        ("!{sys.executable} -m pip install --user pandas  # for the table", ["pandas"]),
        ("!python3 -m pip install pandas", ["pandas"]),
        ("import x\nif True:\n    !pip install a \\\n      b", ["a", "b"]),
        ("said = !pip install a", ["a"]),
        ("%%bash\npip install a && pip install b; conda install -y c", ["a", "b", "c"]),
        ("%%sh\nset -e\nsudo DEBIAN_FRONTEND=noninteractive apt-get install -y git", ["git"]),
        ("!apt-get update && apt-get install -yq git=1:2.39 tree/stable", ["git", "tree"]),
        ("%conda install -c conda-forge -y xarray=2024.1 'dask>=2'", ["xarray", "dask"]),
        ("!mamba install conda-forge::gdal", ["conda-forge::gdal"]),
        ("%uv pip install polars", ["polars"]),
        ("!uv pip install polars", ["polars"]),
        ("!pip install a > log.txt 2> errors.txt", ["a"]),
        ("!pip install --timeout 5 --cache-dir /tmp/x a", ["a"]),
    ],
)
def test_what_is_named(source: str, names: list[str]) -> None:
    assert [package.pinned for one in installs(source) for package in one.packages] == names


@pytest.mark.parametrize(
    "source",
    [
        *("print('pip install pandas')", "# %pip install pandas", "%pip list", "!pip uninstall a"),
        *("%%dockerfile\nFROM x\nRUN pip install a", "%%writefile x.sh\npip install a", ""),
        *("!pip install --target=/data a", "!pip install --dry-run a", "!apt-get install -s git"),
        *("%conda install -n other a", "!npm install left-pad", "!pip install 'broken", "!sudo"),
        *("pip = 1", "x = y % pip", "!echo pip install a"),
    ],
)
def test_what_installs_nothing_for_the_kernel(source: str) -> None:
    assert installs(source) == []


def test_options_that_say_where_and_how_are_copied() -> None:
    one = only(
        "%pip install -U -q torch --index-url https://download.pytorch.org/whl/cpu --pre "
        "--trusted-host mirror.lan --no-deps"
    )
    assert one.options == (
        "--index-url=https://download.pytorch.org/whl/cpu",
        "--pre",
        "--trusted-host=mirror.lan",
        "--no-deps",
    )
    assert only("!conda install -c bioconda -c defaults samtools").options == (
        "--channel=bioconda",
        "--channel=defaults",
    )


@pytest.mark.parametrize(
    "source",
    [
        "%pip install a git+https://me:s3cret@example.org/x.git",
        "%pip install a 'x @ https://s3cret@example.org/x.whl'",
        "%pip install a https://example.org/x.whl?token=s3cret",
        "%pip install a --index-url https://me:s3cret@example.org/simple",
        "%pip install a --extra-index-url=https://s3cret@example.org/simple",
        "%pip install a -i https://example.org/simple?key=s3cret",
        "!uv pip install a --default-index https://me:s3cret@example.org/simple",
        "!conda install -c https://conda.anaconda.org/t/s3cret/private a",
        "!conda install -c https://me:s3cret@example.org/channel a",
    ],
)
def test_no_password_is_ever_copied(source: str) -> None:
    one = only(source)
    assert [package.name for package in one.packages] == ["a"]
    assert "s3cret" not in repr(one)
    assert any("not copied" in note for note in one.notes)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("%pip install -e .", "COPY the folder"),
        ("%pip install ./wheels/x.whl", "COPY it"),
        ("%pip install -r ../requirements.txt", "notebook's folder"),
        ("%pip install -r /data/requirements.txt", "notebook's folder"),
        ("%pip install {name}", "'{name}'"),
        ("%pip install --find-links wheels a", "--find-links names no address"),
        ("!conda install '$(evil)'", "not understood"),
        ("!pip install '`evil`'", "not understood"),
    ],
)
def test_what_is_not_added_is_told(source: str, word: str) -> None:
    assert word in " ".join(only(source).notes)


def test_files_and_addresses() -> None:
    one = only(
        "%pip install -r conf/requirements.txt git+https://github.com/x/y@v1 'z @ https://h/z'"
    )
    assert one.files == ("conf/requirements.txt",)
    assert one.addresses == ("git+https://github.com/x/y@v1", "z @ https://h/z")
    assert one.notes == ()
    assert not secret("https://github.com/x/y@v1") and secret("https://a@b")


DONE = "Collecting pandas\nSuccessfully installed Pandas-2.3.1 six-1.17.0 torch-2.3.1+cpu\n"


@pytest.mark.parametrize(
    ("source", "output", "found"),
    [
        ("%pip install 'pandas[parquet]'", DONE, ["pandas[parquet]==2.3.1"]),
        ("%pip install torch==2.3.1", DONE, ["torch==2.3.1+cpu"]),
        ("%pip install numpy", DONE, []),
        ("!uv pip install polars", "\x1b[32m + \x1b[0mpolars==1.2.0\n", ["polars==1.2.0"]),
        ("!apt-get install -y git tree", "Setting up git (1:2.39) ...\n", ["git"]),
        ("%pip install pandas==99", "ERROR: No matching distribution found\n", []),
        ("%pip install pandas", "Successfully installed pandas-2;rm${IFS}x\n", []),
        ("%pip install pandas>=3", DONE, []),
    ],
)
def test_versions_by_the_output(source: str, output: str, found: list[str]) -> None:
    assert pinned(source, output) == found


def test_versions_by_the_kernel() -> None:
    seen = {"pip": {"pandas": "2.3.1", "numpy": "2.0"}, "conda": {"gdal": "3.8.4"}}
    assert pinned("%pip install -q pandas", "", seen) == ["pandas==2.3.1"]
    assert pinned("%pip install -q pandas", "", seen, {"pandas": "2.3.1"}) == []
    assert pinned("%pip install -q pandas", DONE, seen, {"pandas": "2.3.1"}) == ["pandas==2.3.1"]
    assert pinned("%pip install -q pandas>=3", "", seen) == []
    assert pinned("%conda install conda-forge::gdal", "", seen) == ["conda-forge::gdal=3.8.4"]
    nothing = "# All requested packages already installed."
    assert pinned("%conda install gdal", nothing, seen) == []
    unknown = "PackagesNotFoundInChannelsError: The following packages are not available"
    assert printed(unknown).failed
    assert pinned("%conda install gdal", unknown, seen) == []


def test_what_was_rolled_back_is_not_there() -> None:
    """pip puts the old version back: the kernel has one, and it is not what was asked for."""
    output = "Installing collected packages: pandas\n  Rolling back uninstall of pandas\nERROR: x\n"
    seen = {"pip": {"pandas": "2.2.0"}}
    assert pinned("%pip install pandas", output, seen) == []
    warned = "ERROR: pip's dependency resolver does not currently take into account x\n"
    assert pinned("%pip install pandas", warned + DONE) == ["pandas==2.3.1"]
