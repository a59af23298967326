"""What a notebook's cell installs: the commands of `pip`, `uv`, `conda` and `apt` in it. Pure.

A cell may have come with a notebook from elsewhere: a name is taken if it is one, and of addresses
only what holds no password. `installed.py` finds out which version is there, `additions.py` writes
that into a Dockerfile.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

PIP, UV, CONDA, APT = "pip", "uv", "conda", "apt"

_LINE = re.compile(
    r"\s*(?:(?:[\w, ]+=\s*)?(?:%|!!?)\s*(.+)|((?:pip3?|uv|conda|mamba|micromamba)\s.*))"
)
"""A line that IPython hands to a shell: by a magic, one without its `%` among them, or by `!`."""
_SHELL = re.compile(r"\s*%%(?:bash|sh|script\s+(?:ba)?sh|!)(?:\s|$)")
_ENDS = ("&&", "||", ";", "|", "&")
"""Words after which the shell reads another command."""
_REDIRECTED = re.compile(r"[0-9&]*[<>]")
_PYTHON = re.compile(r"(?:\S*/)?python[0-9.]*|\{sys\.executable\}")
_PROGRAMS = {
    PIP: re.compile(r"pip[0-9.]*"),
    CONDA: re.compile("conda|mamba|micromamba"),
    APT: re.compile("apt|apt-get"),
}
_ELSEWHERE = {
    PIP: ("--target", "-t", "--prefix", "--root", "--platform", "--dry-run", "--python"),
    UV: ("--target", "-t", "--prefix", "--python-platform", "--dry-run", "-p", "--python"),
    CONDA: ("--prefix", "-p", "--name", "-n", "--dry-run", "-d", "--download-only"),
    APT: ("--dry-run", "-s", "--simulate", "--download-only", "-d", "--print-uris"),
}
"""Options of a command that installs nothing, or not where the kernel looks."""
_KEPT = {
    PIP: ("--pre", "--no-deps", "--no-build-isolation", "--break-system-packages"),
    UV: ("--pre", "--no-deps", "--no-build-isolation", "--system", "--break-system-packages"),
    CONDA: ("--override-channels", "--freeze-installed"),
    APT: (),
}
"""Options without a value that are copied."""
_KEPT_VALUES = {
    PIP: {"--no-binary": "", "--only-binary": "", "--trusted-host": ""},
    UV: {"--no-binary": "", "--only-binary": "", "--index-strategy": ""},
    CONDA: {"-c": "--channel", "--channel": ""},
    APT: {"-t": "--target-release", "--target-release": ""},
}
"""Options with a value that are copied, by another name where one is given."""
_ADDRESSES = {
    PIP: {
        "-i": "--index-url",
        "--index-url": "",
        "--extra-index-url": "",
        "-f": "--find-links",
        "--find-links": "",
    },
    UV: {
        "-i": "--index-url",
        "--index-url": "",
        "--default-index": "",
        "--index": "",
        "--extra-index-url": "",
        "-f": "--find-links",
        "--find-links": "",
    },
    CONDA: {},
    APT: {},
}
"""Options whose value is an address."""
_VALUES = {
    PIP: (
        *("-c", "--constraint", "--timeout", "--retries", "--proxy", "--cert", "--client-cert"),
        *("--python-version", "--implementation", "--abi", "--progress-bar", "--log", "--src"),
        *("--cache-dir", "--exists-action", "--report", "--config-settings", "-C", "--src"),
        *("--global-option", "--upgrade-strategy", "--use-feature", "--use-deprecated"),
    ),
    UV: (
        *("-c", "--constraint", "--constraints", "--override", "--cache-dir", "--config-file"),
        *("--resolution", "--prerelease", "--exclude-newer", "--link-mode", "-P"),
        *("--upgrade-package", "--reinstall-package", "--python-version", "-C"),
        *("--config-setting", "--color", "--keyring-provider", "--allow-insecure-host"),
    ),
    CONDA: ("--file", "--solver", "--repodata-fn", "--revision"),
    APT: ("-o", "--option", "-c", "--config-file"),
}
"""Options with a value that are left away."""
_FILES = ("-r", "--requirement", "--requirements")
_EDITABLE = ("-e", "--editable")
_APT_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?")
_CONDA_NAME = re.compile(r"(?:[A-Za-z0-9_./-]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
"""A file's path that needs no quotes anywhere."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """One package that a cell names: `name` as it is written there."""

    tool: str
    name: str
    extras: tuple[str, ...] = ()
    wanted: str = ""
    """The versions that the cell asks for, such as `>=2`; of conda as it writes them."""
    version: str = ""
    """The one that is installed; empty where nobody pins it."""

    @property
    def key(self) -> str:
        """Its name as packages are compared by it."""
        return canonicalize_name(self.name) if self.tool in (PIP, UV) else self.name

    @property
    def pinned(self) -> str:
        """The word of a Dockerfile: `pandas[parquet]==2.3.1`."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        equals = {PIP: "==", UV: "==", CONDA: "="}.get(self.tool, "")
        version = f"{equals}{self.version}" if equals and self.version else ""
        return f"{self.name}{extras}{version}"


@dataclass(frozen=True, kw_only=True)
class Install:
    """One command of a cell that installs something. `program` is how the tool is called, `options`
    are those to copy; `addresses` and `files` what is installed besides packages with a name;
    `notes` what is not copied, and why."""

    tool: str
    program: str = ""
    packages: tuple[Package, ...] = ()
    options: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def installs(source: str) -> list[Install]:
    """The commands of a cell that install something, in order."""
    return [one for line in _commands(source) for one in installs_of(line)]


def installs_of(line: str) -> list[Install]:
    """The same of a line of the shell."""
    found = []
    for words in _simple(line):
        given = _arguments(words)
        one = _Reader(*given).install() if given is not None else None
        if one is not None:
            found.append(one)
    return found


def _commands(source: str) -> Iterator[str]:
    """The lines that a shell or pip reads, continued ones joined."""
    lines = source.replace("\\\n", " ").split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("%%"):
        if _SHELL.match(first):
            yield from lines[lines.index(first) + 1 :]
        return
    for line in lines:
        match = _LINE.match(line)
        if match:
            yield match[1] or match[2]


def _simple(line: str) -> Iterator[list[str]]:
    """The commands of a shell's line as words. A line that it could not read either has none."""
    try:
        words = shlex.split(re.sub(r"(^|\s)#.*", "", line))
    except ValueError:
        return
    command: list[str] = []
    for word in words:
        if word in _ENDS:
            yield command
            command = []
        elif word.endswith(";"):
            yield [*command, word[:-1]]
            command = []
        elif _REDIRECTED.match(word):
            command.append("")  # what follows may be a file's name
        else:
            command.append(word)
    yield command


def _arguments(words: Sequence[str]) -> tuple[str, str, list[str]] | None:
    """The tool, how it is called, and what it is to install; None for any other command."""
    rest = list(words)
    while rest and (rest[0] in ("sudo", "-E", "time") or re.fullmatch(r"[A-Z_]+=\S*", rest[0])):
        rest.pop(0)
    if "install" not in rest:
        return None
    at = rest.index("install")
    called, arguments = rest[:at], rest[at + 1 :]
    by_python = len(called) > 2 and _PYTHON.fullmatch(called[0]) and called[1] == "-m"
    program = called[2 if by_python else 0] if called else ""
    options = called[3 if by_python else 1 :]
    name = program.rpartition("/")[2]
    if name == UV and options == ["pip"]:
        return UV, f"{program} pip", arguments
    tool = next((tool for tool, names in _PROGRAMS.items() if names.fullmatch(name)), "")
    if not tool or not all(option.startswith("-") for option in options):
        return None
    return tool, " ".join(called[: 3 if by_python else 1]), [*options, *arguments]


class _Reader:
    """The words of one command, from left to right."""

    def __init__(self, tool: str, program: str, words: Sequence[str]) -> None:
        self.tool = tool
        self.program = program
        self.words = list(words)
        self.packages: list[Package] = []
        self.options: list[str] = []
        self.addresses: list[str] = []
        self.files: list[str] = []
        self.notes: list[str] = []

    def install(self) -> Install | None:
        """None where it installs nothing that a kernel sees."""
        while self.words:
            word = self.words.pop(0)
            name = word.partition("=")[0] if word.startswith("--") else word
            if name in _ELSEWHERE[self.tool]:
                return None
            if word == "":
                if self.words:
                    self.words.pop(0)
            elif word.startswith("-"):
                self.option(name, word)
            else:
                self.package(word)
        if not (self.packages or self.addresses or self.files or self.notes):
            return None
        return Install(
            tool=self.tool,
            program=self.program,
            packages=tuple(self.packages),
            options=tuple(dict.fromkeys(self.options)),
            addresses=tuple(self.addresses),
            files=tuple(self.files),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def value(self, word: str) -> str:
        if word.startswith("--") and "=" in word:
            return word.partition("=")[2]
        return self.words.pop(0) if self.words else ""

    def option(self, name: str, word: str) -> None:
        tool = self.tool
        if name in _KEPT[tool]:
            self.options.append(name)
        elif name in _KEPT_VALUES[tool]:
            self.copy(_KEPT_VALUES[tool][name] or name, self.value(word))
        elif name in _ADDRESSES[tool]:
            self.address_option(_ADDRESSES[tool][name] or name, self.value(word))
        elif name in _FILES and tool in (PIP, UV):
            self.file(self.value(word))
        elif name in _EDITABLE and tool in (PIP, UV):
            self.value(word)
            self.notes.append(
                "A package that is installed from a folder is not added: COPY the folder and "
                "install it in the Dockerfile."
            )
        elif name in _VALUES[tool]:
            self.value(word)

    def copy(self, name: str, value: str) -> None:
        if secret(value):
            self.notes.append(_hidden(name))
        elif _safe(value):
            self.options += [f"{name}={value}"]

    def address_option(self, name: str, value: str) -> None:
        scheme = urlsplit(value).scheme if _safe(value) else ""
        if secret(value):
            self.notes.append(_hidden(name))
        elif scheme in ("http", "https"):
            self.options += [f"{name}={value}"]
        else:
            self.notes.append(
                f"{name} names no address that a build could reach: it is not copied."
            )

    def file(self, path: str) -> None:
        if _PLAIN.fullmatch(path) and ".." not in path.split("/"):
            self.files.append(path)
        else:
            self.notes.append(
                "The file of requirements does not lie in the notebook's folder: copy it there, "
                "and install from it in the Dockerfile."
            )

    def package(self, word: str) -> None:
        if self.tool in (PIP, UV):
            self.requirement(word)
        elif self.tool == CONDA:
            name = re.split(r"[=<>!~ ]", word, maxsplit=1)[0]
            wanted = word[len(name) :]
            if _CONDA_NAME.fullmatch(name) and not secret(name):
                self.packages.append(Package(tool=CONDA, name=name, wanted=wanted))
            else:
                self.notes.append(_unread(word))
        else:
            name = re.split(r"[=/]", word)[0]
            if _APT_NAME.fullmatch(name):
                self.packages.append(Package(tool=APT, name=name))
            else:
                self.notes.append(_unread(word))

    def requirement(self, word: str) -> None:
        try:
            found = Requirement(word)
        except InvalidRequirement:
            self.place(word)
            return
        if found.url:
            self.place(f"{found.name} @ {found.url}", found.url)
            return
        self.packages.append(
            Package(
                tool=self.tool,
                name=found.name,
                extras=tuple(sorted(found.extras)),
                wanted=str(found.specifier),
            )
        )

    def place(self, word: str, url: str = "") -> None:
        """What is no plain name: an address, a file, or nothing that can be read."""
        where = url or word
        if secret(where):
            self.notes.append(
                "An address with a user, a password or a token in it is not copied: everybody who "
                "gets the notebook would have it. Give it to the build as a secret: "
                "%%dockerfile --secret NAME."
            )
        elif re.match(r"(git\+)?https?://", where) and _safe(where):
            self.addresses.append(word)
        elif "://" not in where and ("/" in where or where == "." or where.endswith(".whl")):
            self.notes.append(
                "A package that is installed from a file or folder is not added: COPY it and "
                "install it in the Dockerfile."
            )
        else:
            self.notes.append(_unread(word))


def secret(text: str) -> bool:
    """Whether an address has a user, a password or a token in it. A query or a path may hold one,
    so that of those nothing is trusted that has not the shape of a checksum."""
    text = text.rpartition(" @ ")[2].strip()
    if "://" not in text:
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return True
    tokens = re.search(r"(^|/)t/[^/]+(/|$)", parts.path) is not None  # anaconda.org's
    return "@" in parts.netloc or bool(parts.query) or tokens


def _hidden(name: str) -> str:
    return (
        f"{name} holds a user, a password or a token and is not copied: everybody who gets the "
        "notebook would have it. Give it to the build as a secret: %%dockerfile --secret NAME."
    )


def _unread(word: str) -> str:
    shown = "" if secret(word) else f" {word[:80]!r}"
    return f"What was not understood is not added{shown}."


def _safe(text: str) -> bool:
    """Whether a Dockerfile and a shell take a word for itself, in double quotes or bare."""
    return (
        bool(text) and re.search(r"[\s\"'`$\\;&|<>(){}!*?\x00-\x1f\x7f-\U0010ffff]", text) is None
    )
