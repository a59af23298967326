"""The cluster that was started for the tests, as its administrator has it: the example's objects,
the Hub's account, and volumes that are folders of this machine."""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import yaml

from ..helpers import ROOT
from ..ui.lab import until
from .visit import Session

EXAMPLE = ROOT / "jupyter_containers/examples/jupyterhub_kubernetes"
HUB = "jupyterhub"
_PATHS = {
    "Namespace": "api/v1/namespaces",
    "PersistentVolume": "api/v1/persistentvolumes",
    "ServiceAccount": "api/v1/namespaces/{}/serviceaccounts",
    "Pod": "api/v1/namespaces/{}/pods",
    "Secret": "api/v1/namespaces/{}/secrets",
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}


ASK = """
import json, os, ssl, urllib.error, urllib.request
own = "/var/run/secrets/kubernetes.io/serviceaccount/"
host, port = (os.environ["KUBERNETES_SERVICE_" + one] for one in ("HOST", "PORT"))
def ask(method, path, body=None):
    request = urllib.request.Request(
        f"https://{host}:{port}/{path}", method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + open(own + "token").read(),
                 "Content-Type": "application/json"})
    context = ssl.create_default_context(cafile=own + "ca.crt")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
"""


@dataclass
class Student:
    """A user of the Hub, who is nobody on this machine. What they type runs in their server."""

    name: str
    home: Path
    visit: Any = None
    session: Session | None = None

    @property
    def namespace(self) -> str:
        return f"jupyter-user-{self.name}"

    def run(self, code: str) -> str:
        assert self.session is not None
        return self.session.run(code)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """What the API server answers to their server's account, inside its Pod."""
        said = self.run(f"print(json.dumps(ask({method!r}, {path!r}, {body!r})))")
        status, text = json.loads(said)
        return status, text


class Admin:
    """Who may do everything. `directory` is for certificates and kubeconfigs."""

    def __init__(self, kubeconfig: Path, directory: Path) -> None:
        said = yaml.safe_load(kubeconfig.read_text())
        cluster, user = said["clusters"][0]["cluster"], said["users"][0]["user"]
        self.directory, self.server = directory, cluster["server"]
        self._authority = cluster["certificate-authority-data"]
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = self._file("ca", self._authority)
        self.session.cert = (
            self._file("crt", user["client-certificate-data"]),
            self._file("key", user["client-key-data"]),
        )

    def _file(self, name: str, data: str) -> str:
        file = self.directory / f"admin.{name}"
        file.touch(mode=0o600)
        file.write_bytes(base64.b64decode(data))
        return str(file)

    @property
    def address(self) -> tuple[str, int]:
        """Of the API server."""
        parts = urlsplit(self.server)
        assert parts.hostname is not None
        return parts.hostname, parts.port or 443

    def own_address(self) -> str:
        """By which Pods reach this machine."""
        with socket.create_connection(self.address, 10) as connected:
            name: str = connected.getsockname()[0]
        return name

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Whatever the API server answers."""
        return self.session.request(method, f"{self.server}/{path}", json=body, timeout=60)

    def get(self, path: str) -> Any:
        """What is there."""
        said = self.ask("GET", path)
        assert said.ok, said.text
        return said.json()

    def make(self, body: Mapping[str, Any]) -> None:
        """An object."""
        where = _PATHS[body["kind"]].format(body["metadata"].get("namespace"))
        said = self.ask("POST", where, body)
        assert said.ok, said.text

    def remove(self, body: Mapping[str, Any]) -> None:
        """And all that is in it."""
        where = _PATHS[body["kind"]].format(body["metadata"].get("namespace"))
        self.ask("DELETE", f"{where}/{body['metadata']['name']}")

    def kubeconfig(self, name: str, namespace: str, token: str) -> Path:
        """Of whoever has that token."""
        file = self.directory / f"{name}.kubeconfig"
        cluster = {"server": self.server, "certificate-authority-data": self._authority}
        context = {"cluster": "test", "user": name, "namespace": namespace}
        file.touch(mode=0o600)
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "contexts": [{"name": "test", "context": context}],
                    "users": [{"name": name, "user": {"token": token}}],
                }
            )
        )
        return file

    def hubs_kubeconfig(self) -> Path:
        """Of the account that the example gives the Hub."""
        where = f"{_PATHS['ServiceAccount'].format(HUB)}/hub/token"
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        said = self.ask("POST", where, {**kind, "spec": {"expirationSeconds": 7200}})
        assert said.ok, said.text
        return self.kubeconfig("hub", HUB, said.json()["status"]["token"])


@contextmanager
def applied(admin: Admin) -> Iterator[None]:
    """What the example's hub.yaml says, for as long as the tests run; no namespace of people's is
    left."""
    objects = [*yaml.safe_load_all((EXAMPLE / "hub.yaml").read_text())]
    try:
        for one in objects:
            admin.make(one)
        yield
    finally:
        for one in reversed(objects):
            admin.remove(one)
        for name in _of_people(admin):
            admin.remove({"kind": "Namespace", "metadata": {"name": name}})
        left = lambda: [*_of_people(admin), *_hubs(admin)]  # noqa: E731
        until(lambda: not left(), "the namespaces are gone", 90)


def _names(admin: Admin) -> list[str]:
    return [one["metadata"]["name"] for one in admin.get("api/v1/namespaces")["items"]]


def _of_people(admin: Admin) -> list[str]:
    return [one for one in _names(admin) if one.startswith("jupyter-user-")]


def _hubs(admin: Admin) -> list[str]:
    return [one for one in _names(admin) if one == HUB]


@contextmanager
def home(admin: Admin, namespace: str, folder: Path) -> Iterator[Path]:
    """A folder of this machine as the volume of that namespace's claim `home`, and no other's."""
    folder.mkdir(parents=True)
    os.chown(folder, 1000, 100)
    volume = {
        "kind": "PersistentVolume",
        "apiVersion": "v1",
        "metadata": {"name": namespace},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {"namespace": namespace, "name": "home"},
            "hostPath": {"path": str(folder)},
        },
    }
    admin.make(volume)
    try:
        yield folder
    finally:
        admin.remove(volume)


def this_machine(directory: Path, packages: Path) -> dict[str, Path]:
    """The folders that a server's Pod has of this machine in place of an image of its own: the
    programs, Python's environments, and this source."""
    wanted = {Path("/usr"), directory, packages.parents[2], ROOT, Path(sys.base_prefix)}
    outer = [one for one in wanted if not any(one != top and top in one.parents for top in wanted)]
    return {f"machine-{number}": path for number, path in enumerate(sorted(outer))}
