"""What an image has, said from inside it. Standard library only, Python 3.6 and newer.

`probe.py` passes this text to the image's own Python with `-c`, so that nothing needs to be
mounted: `python -I -S -c TEXT NONCE DIRECTORY TEXT`. It prints one line, `==NONCE facts`, and
one line of JSON. DIRECTORY is where sockets and files are tried out, or empty. Every
interpreter found is then asked `python -c TEXT self`: each speaks for its own `sys.path`.

Whatever it says is only the word of an image: the host checks types and sizes (`facts.py`).
"""

import glob
import itertools
import json
import os
import platform
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys

MAX_INTERPRETERS = 16
MAX_KERNELS = 50
MAX_LABEXTENSIONS = 100
MAX_FILE = 65536
CHILD_SECONDS = 20
NEEDED = ("asyncio", "ctypes", "logging.config", "multiprocessing", "uuid", "xml.dom")
"""Modules that ipykernel, IPython or debugpy import and that a distribution may split off, as
Debian's python3-minimal does."""

OWNED = re.compile(r"share/jupyter/labextensions/((?:@[^/,\n]+/)?[^@/,\n][^/,\n]*)/package\.json,")

PLACES = (
    "/venv/bin",
    "/opt/venv/bin",
    "/.venv/bin",
    "/app/.venv/bin",
    "/opt/conda/bin",
    "/opt/*/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/*/.venv/bin",
    "/opt/conda/envs/*/bin",
)
DATA_PLACES = (
    "/usr/local/share/jupyter",
    "/usr/share/jupyter",
    "/opt/conda/share/jupyter",
    "/opt/*/share/jupyter",
    "/home/*/.local/share/jupyter",
    "/root/.local/share/jupyter",
)


def candidates():
    """Paths of what may be a Python: first what the image's PATH and environments name."""
    path = [folder for folder in os.environ.get("PATH", os.defpath).split(":") if folder]
    for name in ("python3", "python"):
        found = shutil.which(name)
        if found:
            yield found
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if os.environ.get(name):
            yield os.path.join(os.environ[name], "bin", "python")
    for pattern in PLACES:
        for folder in sorted(glob.glob(pattern)):
            for name in ("python3", "python"):
                yield os.path.join(folder, name)
    for folder in [*path, "/usr/local/bin", "/usr/bin"]:
        for found in sorted(glob.glob(os.path.join(folder, "python3.[0-9]*"))):
            if found.rpartition(".")[2].rstrip("t").isdigit():
                yield found


def interpreters(text):
    """What each different candidate says of itself, in order."""
    asked, seen, found = set(), set(), []
    for path in candidates():
        folder, name = os.path.split(os.path.abspath(path))
        same = (os.path.realpath(folder), os.path.realpath(path))
        if same in asked or not os.access(path, os.X_OK) or os.path.isdir(path):
            continue
        asked.add(same)
        said = ask(os.path.join(folder, name), text)
        if said is None:
            continue
        key = (said.get("prefix"), tuple(said.get("version", ())))
        if key not in seen:
            seen.add(key)
            found.append(said)
        if len(found) >= MAX_INTERPRETERS:
            break
    return found


def ask(path, text):
    """One interpreter's word; for those that cannot run this file, their `-V` and why not."""
    trouble = ""
    # With a value that Python refuses (PYTHONUTF8=7) not even `-V` answers; Python 2 has no `-I`.
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    for argv, env in (([path, "-c", text, "self"], None), ([path, "-V"], plain)):
        try:
            done = subprocess.run(
                argv,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if argv[1] == "-V" else subprocess.PIPE,
                timeout=CHILD_SECONDS,
                cwd="/",
                env=env,
            )
        except subprocess.TimeoutExpired:
            trouble = trouble or "it did not answer within %d s." % CHILD_SECONDS
            continue
        except (OSError, subprocess.SubprocessError):
            continue
        lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
        if done.returncode != 0 or not lines:
            if argv[1] != "-V":
                trouble = why_not(done.stderr)
            continue
        if argv[1] == "-V":
            return {"path": path, "said": lines[-1][:80], "trouble": trouble}
        try:
            return dict(json.loads(lines[-1]), path=path)
        except (ValueError, TypeError, RecursionError):
            continue
    return None


def why_not(said):
    """The line in which an interpreter says why it does not run: the error, not where it was."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines()]
    told = [line for line in lines if "rror" in line]
    return (told or lines or [""])[-1][:300]


def myself():
    """The running interpreter: version, platform, and what it can import."""
    facts = {
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "machine": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "prefix": sys.prefix,
        "threaded": "t" in getattr(sys, "abiflags", ""),
    }
    if sys.version_info < (3, 9):
        return facts
    if sys.path and sys.path[0] == "":
        del sys.path[0]  # `-c` puts the working directory there, a kernel does not
    facts["libc"], facts["libc_version"] = libc()
    facts["missing"] = [name for name in NEEDED if not imports(name)]
    facts["distributions"], facts["owners"] = distributions()
    facts["ipykernel_error"] = imports_error("ipykernel.kernelapp") if has_ipykernel() else ""
    return facts


def libc():
    """("glibc", [2, 36]) or ("musl", [1, 2]), as the wheels' platform tags count them."""
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
        return name, [int(part) for part in version.split(".")[:2]]
    except (AttributeError, OSError, ValueError):
        pass
    # musl has no call for it: its loader prints it, as `packaging._musllinux` reads it too.
    for loader in glob.glob("/lib/ld-musl-*.so.1"):
        try:
            done = subprocess.run([loader], check=False, stderr=subprocess.PIPE, timeout=5)
        except (OSError, subprocess.SubprocessError):
            continue
        for line in done.stderr.decode("utf-8", "replace").splitlines():
            if line.startswith("Version "):
                return "musl", [int(part) for part in line.split()[1].split(".")[:2]]
    return "", []


def distributions():
    """Names and versions of all installed, the first on `sys.path` is the one imported; and which
    of them has brought which of JupyterLab's extensions."""
    from importlib import metadata

    found, owners = {}, {}
    places = data_places([{"prefix": sys.prefix}])
    looks = any(os.path.isdir(os.path.join(place, "labextensions")) for place in places)
    for one in metadata.distributions():
        try:
            name, version = one.metadata["Name"], one.version
        except Exception:  # noqa: BLE001  a broken installation is the image's business
            continue
        if name and version:
            found.setdefault(str(name), str(version))
            for extension in brought(one) if looks else ():
                owners.setdefault(extension, str(name))
    return found, dict(itertools.islice(owners.items(), MAX_LABEXTENSIONS))


def brought(distribution):
    """The extensions of JupyterLab among a distribution's files. `install.json`, which would name
    it beside the extension, is often not there."""
    try:
        files = distribution.read_text("RECORD") or ""
    except Exception:  # noqa: BLE001  a broken installation is the image's business
        return []
    return OWNED.findall(files)


def has_ipykernel():
    """Whether the image brings its own."""
    import importlib.util

    try:
        return importlib.util.find_spec("ipykernel") is not None
    except (ImportError, ValueError):
        return False


def imports(name):
    """Whether a module can be imported."""
    return not imports_error(name)


def imports_error(name):
    """Why a module cannot be imported, or an empty string."""
    try:
        __import__(name)
    except Exception as error:  # noqa: BLE001  whatever an image's module raises
        return "%s: %s" % (type(error).__name__, str(error)[:500])
    return ""


def data_places(found):
    """Where Jupyter looks for kernel specs and extensions, first where the interpreters are."""
    places = [os.path.join(one["prefix"], "share/jupyter") for one in found if "prefix" in one]
    places += os.environ.get("JUPYTER_PATH", "").split(":")
    for name, below in (("JUPYTER_DATA_DIR", ""), ("HOME", ".local/share/jupyter")):
        if os.environ.get(name):
            places.append(os.path.join(os.environ[name], below))
    for pattern in DATA_PLACES:
        places += sorted(glob.glob(pattern))
    return [place for place in places if place]


def kernels(found):
    """The kernel specs of the image, as text: the host parses them."""
    specs = {}
    for place, names in itertools.product(data_places(found), ("*", ".*")):  # .net-csharp
        for path in sorted(glob.glob(os.path.join(place, "kernels", names, "kernel.json"))):
            folder = os.path.dirname(path)
            name = os.path.basename(folder)
            if name not in specs and len(specs) < MAX_KERNELS:
                text = read(path)
                said = {"name": name, "folder": folder, "text": text, "runs": runs(text, folder)}
                specs[name] = said
    return list(specs.values())


def labextensions(found):
    """The names of JupyterLab's extensions in the image that draw outputs."""
    seen = {}
    for place, names in itertools.product(data_places(found), ("[!@]*", "@*/*")):
        for path in sorted(glob.glob(os.path.join(place, "labextensions", names, "package.json"))):
            name = os.path.dirname(path).rpartition("/labextensions/")[2]
            if name not in seen and len(seen) < MAX_LABEXTENSIONS:
                seen[name] = draws(read(path))
    return [name for name, is_drawing in seen.items() if is_drawing]


def draws(text):
    """Whether the extension with this `package.json` draws outputs: by their MIME types, or as
    widgets. One that does not say what it uses, as anywidget's, may do so."""
    try:
        package = json.loads(text)
        lab = package["jupyterlab"]
        if lab.get("mimeExtension"):
            return True
        used = [package.get("dependencies"), package.get("peerDependencies")]
        names = [name for part in [*used, lab.get("sharedPackages")] for name in part or ()]
        return not names or any(name.startswith("@jupyter-widgets/") for name in names)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def runs(text, folder=""):
    """Whether the program that the kernel spec in a folder names is there."""
    try:
        return shutil.which(filled(json.loads(text)["argv"][0], folder)) is not None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def filled(word: str, folder: str) -> str:
    """A word of a kernel spec's argv with what Jupyter puts into it, but the connection file: the
    spec's folder, and the environment that this is in. The host calls it, too.

    https://github.com/jupyter/jupyter_client: manager.py, format_kernel_cmd
    """
    prefix, within, _ = folder.rpartition("/share/jupyter/")
    word = word.replace("{resource_dir}", folder)
    return word.replace("{prefix}", prefix) if within else word


def read(path):
    """The first 64 KiB of a file, or nothing: what is no file may never end, or never begin."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(MAX_FILE).decode("utf-8", "replace")


def odd():
    """Where programs look users up and there is no file: they may hang there."""
    paths = ("/etc/passwd", "/etc/group")
    return [path for path in paths if os.path.exists(path) and not os.path.isfile(path)]


def meet(directory, nonce):
    """Try the host's socket, one of ours for the host, and a file, as kernels need them."""
    with open(os.path.join(directory, "file"), "w") as file:
        file.write(nonce)
    line = nonce.encode() + b"\n"
    path = os.path.join(directory, "c")
    if os.path.lexists(path):
        os.unlink(path)
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.bind(path)
    os.chmod(path, 0o777)
    ours.listen(1)
    ours.settimeout(5)
    host = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    host.settimeout(5)
    host.connect(os.path.join(directory, "s"))
    host.sendall(line)
    answer, _ = ours.accept()
    answer.settimeout(5)
    answer.sendall(line)
    answer.recv(1)  # until the host has read it and hangs up


def main():
    """Say everything, or what one interpreter knows of itself."""
    if sys.argv[1] == "self":
        out = os.dup(1)
        os.dup2(2, 1)  # what imported modules print is not ours
        with os.fdopen(out, "w") as file:
            file.write("\n" + json.dumps(myself()) + "\n")
        return
    nonce, directory, text = sys.argv[1:4]
    trouble = ""
    if directory:
        try:
            meet(directory, nonce)
        except OSError as error:
            trouble = str(error)[:200]
    found = interpreters(text)
    shells = [path for path in ("/bin/bash", "/usr/bin/bash", "/bin/sh") if os.path.exists(path)]
    facts = {
        "interpreters": found,
        "kernels": kernels(found),
        "labextensions": labextensions(found),
        "passwd": read("/etc/passwd"),
        "group": read("/etc/group"),
        "odd": odd(),
        "os": read("/etc/os-release"),
        "boot": read("/proc/sys/kernel/random/boot_id").strip(),
        "shell": shells[0] if shells else "",
        "trouble": trouble,
    }
    print("\n==%s facts\n%s" % (nonce, json.dumps(facts)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
