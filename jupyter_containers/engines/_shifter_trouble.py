"""What Shifter's complaints mean. The words are its own, seen with 22.02.1."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ..errors import ContainersError, EngineDown, StartFailed
from ..host.process import Completed
from ..text import one_line
from ._trouble import last_words

STAYED = re.compile(r"(?m)^Failed to switch to working dir: (.*), staying in /$")
"""It goes on after this."""
_REMARKS = re.compile(r"\A(?:WARNING: .*\n)+")
"""On what a newer gateway wrote of an image; it goes on after these, too."""
_NOT_THERE = re.compile(r"^\S*shifter: .*: (?:No such file or directory|Permission denied)$", re.M)
_SETUP = re.compile(
    r"^(?:FAILED\b|Failed to |ERROR: |Invalid |Unknown shifter module|Not running with root|"
    r"Specified \"|\"\w+\" is not defined|Improperly formatted|Couldn't |shifter_realpath: )",
    re.MULTILINE,
)
_TO = re.compile(r"\"to\"(?: location is not directory)?: (\S*?)(?:,|$)", re.MULTILINE)


def its_own(done: Completed) -> int | None:
    """See `ProcessEngine.ran_nothing`."""
    first = _REMARKS.sub("", done.stderr[:4000])
    if STAYED.match(first):
        return 125
    if done.code in (126, 127) and _NOT_THERE.search(first):
        return 127
    return 125 if done.code and _SETUP.match(first) else None


def trouble(done: Completed) -> ContainersError:
    """Why a container did not start."""
    text = done.stderr[:4000]
    if found := STAYED.search(text):
        return StartFailed(
            f"The working directory {found[1]} is not there in the container.",
            'Set "workdir" to a folder that the image has, or that this site shows containers.',
        )
    if "find requested image" in text or "loop mount image" in text:
        return StartFailed(
            "The site's image gateway has this image no more.",
            "Sites remove images that nobody used for long. Remove it in the sidebar, and pull it "
            "or run its %%dockerfile cell again.",
        )
    if "permission denied to image" in text:
        return StartFailed(
            "The image belongs to others: whoever pulled it gave you no right to it.",
            "Log in to its registry (shifterimg login) and pull it yourself.",
        )
    if found := re.search(r"Unknown shifter module: (\S+)", text):
        return StartFailed(
            f"This site's Shifter has no module {found[1]}, by which it gives GPUs.",
            "Ask the administrator: https://github.com/NERSC/shifter/blob/main/doc/modules.rst",
        )
    if "attempted to run as root" in text:
        return EngineDown("Shifter refuses to run containers for root.", "Run Jupyter as yourself.")
    if "parse udiRoot configuration" in text or "Not running with root privileges" in text:
        return EngineDown(
            f"Shifter is not set up: {one_line(text, 300)}",
            "Ask the administrator to look at udiRoot.conf and at the program's setuid bit.",
        )
    return _of_mounts(text) or StartFailed(
        f"Shifter could not start the container: {last_words(text)}"
    )


def _of_mounts(text: str) -> StartFailed | None:
    if found := re.search(r"Invalid Volume Map: [^:]*:([^:,]*)", text):
        return _nowhere(found[1])
    if re.search(r"not on an approved device|Invalid mount request|Invalid destination", text):
        return StartFailed(
            f"Shifter mounts nothing there: {last_words(text)}",
            "Mount it right below /: as /data for example.",
        )
    if found := _TO.search(text):
        return _nowhere(_inside(found[1]))
    if '"from"' in text:
        return StartFailed(
            f"Shifter cannot mount a folder: {one_line(text.splitlines()[0], 300)}",
            "See that it is there, that you can enter it, and that it is a directory.",
        )
    return None


def _nowhere(target: str) -> StartFailed:
    return StartFailed(
        f"Shifter cannot mount at {target}: the image has no such directory, or the place is "
        "Shifter's own.",
        "Mount it right below /: as /data for example. Or make the directory in the Dockerfile.",
    )


def _inside(path: str) -> str:
    """Shifter names the place as it is outside, with two slashes where the inside begins."""
    return str(PurePosixPath("/" + path.rpartition("//")[2]))
