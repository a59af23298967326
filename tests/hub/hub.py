"""A real JupyterHub as root, with its real proxy, by one of the configurations that the package has
as examples; and people of this machine, made for the tests, whose servers it starts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import requests

import jupyter_containers

from ..ui.lab import PATIENCE, until

EXAMPLES = Path(jupyter_containers.__file__).parent / "examples"
_direct = requests.Session()
_direct.trust_env = False  # no proxy between a test and its Hub


def _account(*argv: str) -> None:
    """`useradd` or `userdel`. They give up while another holds /etc/passwd, as the tests of the
    other Hub may."""
    with open("/run/lock/jupyter-containers-test-people", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(argv, check=True, capture_output=True)


class User(Protocol):
    """Whom the Hub knows by a name, with a home that tests look into."""

    name: str
    home: Path


class Person:
    """A user of this machine; `run` is what they type in a terminal."""

    def __init__(self, name: str) -> None:
        self.name = name
        _account("useradd", "--create-home", "--shell", "/bin/bash", name)
        self.uid = pwd.getpwnam(name).pw_uid
        self.home = Path(pwd.getpwnam(name).pw_dir)
        self.home.chmod(0o700)
        self.runtime = Path(f"/run/user/{self.uid}")
        self.runtime.mkdir(mode=0o700, parents=True)
        os.chown(self.runtime, self.uid, self.uid)

    def argv(self, *argv: str, env: Mapping[str, str] | None = None) -> list[str]:
        """What runs a command as this person, as after a log-in."""
        variables = {"HOME": str(self.home), "USER": self.name, "LANG": "C.UTF-8"}
        variables |= {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(self.runtime), **(env or {})}
        words = [f"{name}={value}" for name, value in variables.items()]
        clean = ("env", "-i", "-C", str(self.home))
        return ["runuser", "-u", self.name, "--", *clean, *words, *argv]

    def run(self, *argv: str, env: Mapping[str, str] | None = None, **options: Any) -> Any:
        """Run one to its end."""
        return subprocess.run(
            self.argv(*argv, env=env),
            capture_output=True,
            text="input" not in options or isinstance(options["input"], str),
            **options,
        )

    def processes(self) -> list[str]:
        """Command lines of what runs as this person."""
        done = subprocess.run(
            ["ps", "-u", self.name, "-o", "stat=,args="], capture_output=True, text=True
        )
        lines = (line.partition(" ") for line in done.stdout.splitlines())
        return [args.strip() for state, _, args in lines if not state.startswith("Z")]

    def others(self) -> list[str]:
        """The same without Podman's holder of their namespaces, which stays by design."""
        return [line for line in self.processes() if not line.startswith("catatonit")]

    def remove(self) -> None:
        """All that is left of them."""
        subprocess.run(["pkill", "-KILL", "-u", self.name])
        try:
            until(lambda: not self.processes(), f"{self.name}'s processes are gone", 20)
        finally:
            self._remove_files()

    def _remove_files(self) -> None:
        for line in Path("/proc/mounts").read_text().splitlines():
            where = line.split()[1]
            if where.startswith((f"{self.home}/", f"{self.runtime}/")):
                subprocess.run(["umount", "--lazy", where])
        # A home with images takes a minute to remove, and userdel holds /etc/passwd meanwhile.
        subprocess.run(["rm", "-rf", "--one-file-system", self.home], check=True)
        _account("userdel", self.name)
        shutil.rmtree(self.runtime, ignore_errors=True)
        shutil.rmtree(f"/tmp/jc-{self.uid}", ignore_errors=True)


def environment(directory: Path) -> Path:
    """A Python environment of root's that everybody can read, with what the tests' has: its `etc`
    is the administrator's, and nobody else's. Returns its Python."""
    packages = Path(os.environ.get("JC_TEST_PACKAGES") or sysconfig.get_path("purelib"))
    prefix = packages.parents[2]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (site,) = directory.glob("lib/python3*/site-packages")
    (site / "all.pth").write_text(f"import site; site.addsitedir({str(packages)!r})\n")
    (directory / "share").symlink_to(prefix / "share")
    (directory / "etc/jupyter").mkdir(parents=True)
    for name in ("jupyter_server_config.d", "jupyter_config.d"):
        if (prefix / "etc/jupyter" / name).exists():
            (directory / "etc/jupyter" / name).symlink_to(prefix / "etc/jupyter" / name)
    (directory / "bin/hadolint").symlink_to(prefix / "bin/hadolint")
    for module in ("jupyterhub", "batchspawner"):
        script = directory / f"bin/{module}-singleuser"
        lines = (f"#!{directory}/bin/python", f"from {module}.singleuser import main", "main()")
        script.write_text("\n".join(lines))
        script.chmod(0o755)
    return directory / "bin/python"


class Hub:
    """`python -m jupyterhub` with an example, on 127.0.0.1. `more` is what the example leaves to a
    site, and what the tests have otherwise."""

    def __init__(self, directory: Path, python: Path, example: str, more: str = "") -> None:
        self.directory, self.python = directory, python
        self.token, self.password = os.urandom(16).hex(), os.urandom(16).hex()
        port, hub, proxy = free_ports(3)
        self.url = f"http://127.0.0.1:{port}"
        self.config = directory / "jupyterhub_config.py"
        command = Path("node_modules/.bin/configurable-http-proxy").absolute()
        self.config.write_text(f"""
load_subconfig({str(EXAMPLES / example / "jupyterhub_config.py")!r})
c.JupyterHub.bind_url = {self.url!r}
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = [{str(command)!r}]
c.JupyterHub.authenticator_class = "dummy"  # PAM would want real passwords
c.DummyAuthenticator.password = {self.password!r}
c.LocalAuthenticator.allowed_groups = set()
c.Authenticator.allow_all = True
c.JupyterHub.db_url = "sqlite:///{directory}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{directory}/cookie"
c.JupyterHub.services.append({{"name": "tests", "api_token": {self.token!r}}})
c.JupyterHub.load_roles.append(
    {{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers",
      "tokens", "access:servers"]}})
{more}
""")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it answers."""
        with (self.directory / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-m", "jupyterhub", "-f", self.config],
                cwd=self.directory,
                env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": os.urandom(16).hex()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, self, 60)

    def stop(self) -> None:
        """With all servers, as Ctrl-C does."""
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with contextlib.suppress(OSError, ValueError):  # the proxy has a session of its own
            os.kill(int((self.directory / "jupyterhub-proxy.pid").read_text()), signal.SIGKILL)

    def __str__(self) -> str:
        return f"the Hub does what it should; its log ends with\n{self.log}"

    @property
    def log(self) -> str:
        """The end of what it and its users' servers printed."""
        return (self.directory / "hub.log").read_text(errors="replace")[-6000:]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the Hub's REST interface to an administrator's program."""
        url, headers = f"{self.url}/hub/api/{path}", {"Authorization": f"token {self.token}"}
        said = _direct.request(method, url, json=body, headers=headers, timeout=PATIENCE)
        assert said.ok, said.text
        return said.json() if said.text else None

    def runs(self, person: User, server: str = "") -> str:
        """What a person's server does: nothing, "pending" or "ready"."""
        known = self.ask("GET", f"users/{person.name}")["servers"].get(server)
        return "" if known is None else "ready" if known["ready"] else "pending"

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the Hub has ended:\n{self.log}")
        with contextlib.suppress(OSError):  # the proxy comes before the Hub
            return _direct.get(f"{self.url}/hub/api/", timeout=5).ok
        return False


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in made:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in made]
