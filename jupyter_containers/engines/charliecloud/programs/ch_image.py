"""ch_image.py CH-IMAGE ARGUMENTS...: runs `ch-image`, and keeps what an image holds from running
code or writing files on this machine by way of it. CH_IMAGE_STORAGE is a path without links.

`ch-image` (0.31 to 0.38) works in an image's tree from outside. It unpickles what it knows of the
image's files from a file there, it writes where a link or `..` leads (to the hooks of its cache's
git, for one), and what a RUN leaves running changes the tree in between. It means no harm itself:
so Python's audit events, which come before the deed, show all that it is about to do.
https://docs.python.org/3/library/audit_events.html

It is run by `ch-image`'s own Python, and imports nothing of ours.
"""

from __future__ import annotations

import functools
import os
import runpy
import signal
import sys
from typing import Any, NoReturn

CLASSES = {
    ("build_cache", "File_Metadata"),
    ("filesystem", "Path"),
    ("charliecloud", "Path"),  # its name in caches of older versions
}
"""What a pickle of `ch-image` consists of. To make one does no more than look whether a file is
there."""
PICKLE = "ch/git.pickle"
WRITES = {
    "open": (0,),
    "os.link": (0, 1),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "shutil.rmtree": (0,),
}
"""Which arguments are paths that are written, per event."""
FOLLOWING = ("open", "os.truncate")
"""What goes where a link leads, if one is there itself."""

storage = os.environ.get("CH_IMAGE_STORAGE", "")
ran = False
"""Whether a RUN may have left processes."""


def refuse(what: str) -> NoReturn:
    """At once: nothing catches it, and with the first process of a build its others end."""
    print(f"error: {what}", file=sys.stderr, flush=True)
    os._exit(1)


def watch(event: str, args: tuple[Any, ...]) -> None:
    """The audit hook."""
    global ran  # noqa: PLW0603
    if event in WRITES:
        end_leftovers()
        if event != "open" or args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            for at in WRITES[event]:
                if not isinstance(args[at], int):
                    stay(os.fsdecode(args[at]), follow=event in FOLLOWING)
        if event in ("os.link", "os.rename", "os.symlink"):
            real.cache_clear()
    elif event == "subprocess.Popen":
        end_leftovers()
        real.cache_clear()
        ran = os.path.basename(os.fsdecode(args[0])) == "ch-run"
    elif event == "pickle.find_class" and (args[0], args[1]) not in CLASSES:
        refuse(
            f"what the image's /ch/git.pickle says of its files names {args[0]}.{args[1]}, which "
            "ch-image does not write: somebody else did, or this Charliecloud is newer than "
            "jupyter-containers knows. In the latter case set CH_IMAGE_CACHE=disabled."
        )


def end_leftovers() -> None:
    """The end of what a RUN left running, before anything else is done. All are ours to end: a
    build has process numbers of its own, and `ch-image` is the first."""
    global ran  # noqa: PLW0603
    if not ran:
        return
    if os.getpid() != 1:
        refuse("ch-image runs commands without process numbers of its own.")
    ran = False
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ChildProcessError, ProcessLookupError):
        pass


def stay(path: str, *, follow: bool) -> None:
    """Refuse what is named as a place of one image, or of one other part of the storage, and is
    outside of that."""
    path = os.path.join(os.getcwd(), path)
    if not path.startswith(f"{storage}/"):
        return
    parts = path[len(storage) + 1 :].split("/")
    depth = 2 if parts[0] == "img" else 1
    if len(parts) <= depth:  # `ch-image`'s own
        return
    box = os.path.join(storage, *parts[:depth])
    above, name = os.path.split(path)
    if name in ("", ".", "..") or (follow and os.path.islink(path)):
        place = os.path.realpath(path)
    else:
        place = os.path.join(real(above), name)
    inside = "/".join(parts[depth:])
    if not f"{place}/".startswith(f"{box}/"):
        refuse(
            f"/{inside} leads out of the image, to {place}, and ch-image was about to write there. "
            "Let it be no link in the image, and COPY and WORKDIR name no place that '..' or an "
            "absolute link leads to."
        )
    # As a link it would be kept as one, whose text is a pickle when the cache is cleaned.
    if inside == PICKLE and place != f"{box}/{PICKLE}":
        refuse(f"/{PICKLE} is a link, or /ch is, and ch-image keeps a file of its own there.")


@functools.lru_cache(maxsize=4096)
def real(folder: str) -> str:
    """Where a folder really is, until links may have changed."""
    return os.path.realpath(folder)


def main() -> None:
    """Run it as if by its own first line."""
    if not hasattr(sys, "addaudithook"):
        refuse("ch-image needs Python 3.8 or newer here, without which a build could run programs.")
    if storage != os.path.realpath(storage):
        refuse(f"CH_IMAGE_STORAGE is another path than the storage's own: {storage}")
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.realpath(sys.argv[0]))
    sys.addaudithook(watch)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
