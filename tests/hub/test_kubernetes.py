"""A Hub on Kubernetes, by the example: two people with a namespace each, on a real cluster. Neither
sees, names, enters, mounts or stops what is the other's.

The Hub is a process of this machine that has the rights of the example's account, and no others.
People's servers are Pods. They have this machine's programs in place of an image of their own, for
which the namespace's restricted profile would refuse them on a cluster that knows it: this one
(1.20) does not. Nor do its Pods' networks obey policies.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.kubernetes.client import Cluster
from jupyter_containers.engines.kubernetes.namespace import Namespace
from jupyter_containers.engines.kubernetes.rbac import NEEDS, Need
from jupyter_containers.engines.kubernetes.rules import violations

from ..conftest import _file
from ..helpers import ROOT
from ..ui.lab import until
from .cluster import ASK, EXAMPLE, Admin, Student, applied, home, this_machine
from .hub import Hub, Person
from .site import PASSED_ON, Site
from .visit import Visit, notebook


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    known = _file().get("kubernetes")
    if not known:
        trouble = "no cluster was started for the tests (engines.sh, kubernetes)"
        if os.environ.get("JC_REQUIRE_ENGINES") == "1":
            pytest.fail(trouble)
        pytest.skip(trouble)
    return Admin(Path(known["admin"]), tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="module")
def registry(admin: Admin, ann: Person, image: str, variables: Mapping[str, str]) -> str:
    """Of the tests, with the base image, which nodes pull."""
    address = str(_file()["kubernetes"]["registry"])
    argv = ("podman", "push", "--tls-verify=false", image, f"{address}/hub/base")
    done = ann.run(*argv, env=variables)
    assert done.returncode == 0, done.stderr
    return address


@pytest.fixture(scope="module")
def hub(place: Site, admin: Admin, registry: str, variables: Mapping[str, str]) -> Iterator[Hub]:
    """The example, with what it leaves to a site, and the image as this module says."""
    packages = Path(os.environ.get("JC_TEST_PACKAGES") or pytest.__file__).resolve()
    packages = packages if packages.name == "site-packages" else packages.parents[1]
    folders = this_machine(place.python.parents[1], packages)
    host, port = admin.address
    ours = f"""
c.JupyterHub.pop("hub_ip")
c.JupyterHub.pop("hub_connect_ip")
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_bind_url.replace("127.0.0.1", {admin.own_address()!r})
c.JupyterHub.hub_connect_url = c.JupyterHub.hub_bind_url
c.KubeSpawner.image = "{registry}/hub/base"
c.KubeSpawner.cmd = [{str(place.python)!r}, "-m", "jupyterhub.singleuser"]
c.KubeSpawner.environment.update({{  # nothing routes the addresses of services here
    "KUBERNETES_SERVICE_HOST": {host!r}, "KUBERNETES_SERVICE_PORT": "{port}",
    "PYTHONPATH": {str(ROOT)!r}}})
c.KubeSpawner.mem_guarantee = "100M"
c.KubeSpawner.start_timeout = 100
for name, path in { ({name: str(path) for name, path in folders.items()})!r}.items():
    c.KubeSpawner.volumes[name] = {{"name": name, "hostPath": {{"path": path}}}}
    c.KubeSpawner.volume_mounts[name] = {{"name": name, "mountPath": path, "readOnly": True}}

import asyncio
_prepare = c.KubeSpawner.modify_pod_hook
async def _wait(spawner, pod):  # before 1.24 an account's token is made a moment after it
    await _prepare(spawner, pod)
    await asyncio.sleep(2)
    return pod
c.KubeSpawner.modify_pod_hook = _wait
"""
    with applied(admin), pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(admin.hubs_kubeconfig()))
        patch.setenv("NO_PROXY", "*")
        patch.setenv("no_proxy", "*")
        with place.hub(str(EXAMPLE), ours) as made:
            yield made


@pytest.fixture(scope="module")
def students(
    hub: Hub, admin: Admin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Student, Student]]:
    """Two, each with a server and a kernel in its Pod."""
    homes = tmp_path_factory.mktemp("homes")
    both = [Student(name, homes / name) for name in ("cleo", "dora")]
    with home(admin, both[0].namespace, both[0].home), home(admin, both[1].namespace, both[1].home):
        for one in both:
            (one.home / "whose").write_text(one.name)
            one.visit = Visit(hub, one)
            one.visit.log_in()
            one.visit.start()
            one.session = one.visit.open("a.ipynb", "python3")
            assert one.run(ASK) == ""
        yield both[0], both[1]
        for one in both:
            one.visit.stop()


def pods(admin: Admin, student: Student, role: str = "") -> list[dict[str, Any]]:
    """Of a student's namespace: all, or those of kernels."""
    listed = admin.get(f"api/v1/namespaces/{student.namespace}/pods")["items"]
    return [one for one in listed if not role or "jupyter-containers/role" in _labels(one)]


def _labels(pod: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = pod["metadata"]["labels"]
    return found


def container(name: str, command: str, **more: Any) -> dict[str, Any]:
    """A small Pod that somebody makes by hand."""
    address = _file()["kubernetes"]["registry"]
    made = {"name": "c", "image": f"{address}/test/busybox", "command": ["sh", "-c", command]}
    if "mounts" in more:
        made["volumeMounts"] = more.pop("mounts")
    if "resources" in more:
        made["resources"] = more.pop("resources")
    if "env" in more:
        made["env"] = more.pop("env")
    spec = {"restartPolicy": "Never", "containers": [made], **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_each_server_is_a_pod_of_its_own_namespace(
    students: tuple[Student, Student], admin: Admin
) -> None:
    for one in students:
        (pod,) = pods(admin, one)
        assert pod["spec"]["serviceAccountName"] == "jupyter-server"
        # The folders of this machine are the test's.
        assert [said for said in violations(pod) if "machine-" not in said] == []
        space = admin.get(f"api/v1/namespaces/{one.namespace}")
        assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        where = f"apis/networking.k8s.io/v1/namespaces/{one.namespace}/networkpolicies"
        assert {each["metadata"]["name"] for each in admin.get(where)["items"]} == {"all", "server"}
        assert one.run("print(open('whose').read())") == one.name
        code = "import jupyter_containers.host.paths as p; print(p.life_id())"
        assert one.run(code) == pod["metadata"]["uid"]
        # As our engine finds the cluster from there.
        assert one.run(LOOK) == f"{one.namespace} {pod['metadata']['name']}"


LOOK = """
from jupyter_containers.engines.kubernetes.client import Cluster
from jupyter_containers.engines.kubernetes.namespace import Namespace
cluster = Cluster()
space = Namespace(cluster, (await cluster.access()).namespace)
print(space.name, *[one["metadata"]["name"] for one in await space.pods()])
"""
OBJECTS = (
    *(("GET", name) for name in ("pods", "pods/POD", "pods/POD/log", "pods/POD/exec?command=id")),
    *(("GET", name) for name in ("configmaps", "events", "persistentvolumeclaims/home")),
    *(("GET", name) for name in ("secrets", "secrets/exam", "serviceaccounts", "services")),
    *(("POST", name) for name in ("pods", "configmaps", "persistentvolumeclaims")),
    ("POST", "pods/POD/exec?command=id"),
    ("POST", "pods/POD/attach"),
    ("POST", "pods/POD/portforward"),
    ("POST", "serviceaccounts/jupyter-server/token"),
    ("DELETE", "pods/POD"),
    ("DELETE", "pods"),
    ("DELETE", "persistentvolumeclaims/home"),
)
EVERYWHERE = (
    *(("GET", f"api/v1/{name}") for name in ("pods", "secrets", "nodes", "persistentvolumes")),
    ("GET", "api/v1/namespaces"),
    ("POST", "api/v1/namespaces"),
    ("POST", "api/v1/persistentvolumes"),
    ("POST", "apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
    *(("GET", f"api/v1/namespaces/{name}/pods") for name in ("jupyterhub", "kube-system")),
    ("GET", "api/v1/namespaces/jupyterhub/secrets"),
)


def test_what_is_anothers_is_closed(students: tuple[Student, Student], admin: Admin) -> None:
    for one, other in (students, students[::-1]):
        name = pods(admin, other)[0]["metadata"]["name"]
        where = f"api/v1/namespaces/{other.namespace}"
        asked = [(method, f"{where}/{path.replace('POD', name)}") for method, path in OBJECTS]
        said = {(method, path): one.ask(method, path, {})[0] for method, path in asked}
        assert {key: code for key, code in said.items() if code != 403} == {}
    said = {(method, path): students[0].ask(method, path, {})[0] for method, path in EVERYWHERE}
    assert {key: code for key, code in said.items() if code != 403} == {}
    for one in students:
        assert len(pods(admin, one)) == 1


def test_ones_own_is_open_as_far_as_kernels_need_it(
    students: tuple[Student, Student], admin: Admin
) -> None:
    one = students[0]
    name = pods(admin, one)[0]["metadata"]["name"]
    where = f"api/v1/namespaces/{one.namespace}"
    for path in ("pods", f"pods/{name}", "configmaps", "events", "persistentvolumeclaims/home"):
        assert one.ask("GET", f"{where}/{path}")[0] == 200, path
    code, text = one.ask("GET", f"{where}/pods/{name}/exec?command=id")
    assert (code, "Upgrade" in text) == (400, True)  # let in, but it is no websocket
    # What holds it in is not its own.
    rbac = f"apis/rbac.authorization.k8s.io/v1/namespaces/{one.namespace}"
    policies = f"apis/networking.k8s.io/v1/namespaces/{one.namespace}/networkpolicies"
    for method, path in (
        ("POST", f"{rbac}/rolebindings"),
        ("PUT", f"{rbac}/rolebindings/jupyter-containers"),
        ("POST", f"{rbac}/roles"),
        ("PUT", f"{policies}/all"),
        ("DELETE", f"{policies}/all"),
        ("PUT", f"{where}/resourcequotas/people"),
        ("DELETE", f"{where}/limitranges/people"),
        ("PATCH", where),
        ("GET", f"{where}/secrets"),
        ("POST", f"{where}/persistentvolumeclaims"),
    ):
        assert one.ask(method, path, {})[0] == 403, (method, path)


def test_the_rights_of_each_account(
    students: tuple[Student, Student], hub: Hub, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the cluster's own word (SelfSubjectAccessReview), as `doctor` asks."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")
    one, other = students
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(one, admin)))
    assert asyncio.run(_allowed(one.namespace, NEEDS)) == set(NEEDS)
    assert asyncio.run(_allowed(other.namespace, NEEDS)) == set()
    assert asyncio.run(_allowed("jupyterhub", NEEDS)) == set()
    secrets = [Need(verb, "secrets", why="") for verb in ("get", "list", "watch", "create")]
    assert asyncio.run(_allowed(one.namespace, secrets)) == set()
    monkeypatch.setenv("KUBECONFIG", str(admin.hubs_kubeconfig()))
    entering = [Need(verb, "pods", "exec", why="") for verb in ("get", "create")]
    assert asyncio.run(_allowed(one.namespace, [*secrets, *entering])) == set()


async def _allowed(namespace: str, needs: Any) -> set[Need]:
    space = Namespace(Cluster(), namespace)
    async with space.cluster.use():
        return {need for need in needs if await space.may(need)}


def kubeconfig(student: Student, admin: Admin) -> Path:
    """Of a student's server: its account's token is read in its Pod."""
    token = student.run("print(open(own + 'token').read())")
    return admin.kubeconfig(student.name, student.namespace, token)


def test_a_name_of_anothers_volume_or_secret_mounts_nothing_of_theirs(
    students: tuple[Student, Student], admin: Admin
) -> None:
    one, other = students
    secret = {"kind": "Secret", "apiVersion": "v1", "stringData": {"word": "s3cret"}}
    admin.make({**secret, "metadata": {"name": "exam", "namespace": other.namespace}})
    where = f"api/v1/namespaces/{one.namespace}/pods"
    claim = {"name": "v", "persistentVolumeClaim": {"claimName": "home"}}
    mounts = [{"name": "v", "mountPath": "/v"}]
    made = container("reads", "cat /v/whose", mounts=mounts, volumes=[claim])
    word = {"valueFrom": {"secretKeyRef": {"name": "exam", "key": "word"}}}
    asks = container("asks", "echo $WORD", env=[{"name": "WORD", **word}])
    for body in (made, asks):
        code, text = one.ask("POST", where, body)
        assert code == 201, text
    ended = lambda: admin.get(f"{where}/reads")["status"]["phase"] == "Succeeded"  # noqa: E731
    until(ended, "the Pod has read its volume", 60)
    assert one.ask("GET", f"{where}/reads/log") == (200, one.name)

    def waits() -> str:
        (state,) = admin.get(f"{where}/asks")["status"].get("containerStatuses") or [{}]
        return str(state.get("state", {}).get("waiting", {}).get("message", ""))

    until(lambda: 'secret "exam" not found' in waits(), "the secret is not there", 60)
    for name in ("reads", "asks"):
        assert one.ask("DELETE", f"{where}/{name}", {"gracePeriodSeconds": 0})[0] in (200, 202)


def test_nobody_takes_more_than_their_part(students: tuple[Student, Student]) -> None:
    one = students[0]
    much = {"limits": {"memory": "100Gi"}, "requests": {"memory": "1Mi"}}
    body = container("large", "true", resources=much)
    code, text = one.ask("POST", f"api/v1/namespaces/{one.namespace}/pods", body)
    assert (code, "exceeded quota: people" in text) == (403, True)


# -- kernels -----------------------------------------------------------------------------------


@contextmanager
def kernel(
    student: Student, person: Person, admin: Admin, place: Site, variables: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """The Pod of a kernel that the engine starts with the rights of a student's server. Images
    are built by Podman, which a server's Pod here has not got: `run` is on this machine."""
    settings = {"image": place.image, "engine": "kubernetes"}
    path = person.home / "work/k.ipynb"
    first = f"assert open('whose').read() == {student.name!r}"
    notebook(person, path, settings, first, "import time; time.sleep(600)")
    text = kubeconfig(student, admin).read_text()
    person.run("tee", "kubeconfig", input=text).check_returncode()
    authority = place.directory / "ca.crt"
    env = {
        **variables,
        **{name: os.environ[name] for name in PASSED_ON if os.environ.get(name)},
        **({"SSL_CERT_FILE": str(authority)} if authority.exists() else {}),
        "CONTAINERS_REGISTRIES_CONF": str(place.directory / "registries.conf"),
        "JUPYTERHUB_USER": student.name,
        "KUBECONFIG": str(person.home / "kubeconfig"),
        "NO_PROXY": "*",
        "PYTHONPATH": str(ROOT),
    }
    words = ("-m", "jupyter_containers.cli.main", "run", str(path), "--approve", "-o", "o.ipynb")
    told = place.directory / f"{student.name}.txt"
    argv = person.argv(str(place.python), *words, env=env)
    with (
        told.open("w") as file,
        subprocess.Popen(argv, stdout=file, stderr=subprocess.STDOUT) as running,
    ):
        try:
            until(lambda: _is_at_work(told, running), f"{student.name}'s kernel runs")
            yield pods(admin, student, "kernel")[0]
        finally:
            subprocess.run(["pkill", "-INT", "-u", person.name, "-f", "cli.main run"])
            running.wait(60)
            print(told.read_text())
    until(lambda: not pods(admin, student, "kernel"), "the Pod is gone", 60)


def _is_at_work(told: Path, running: subprocess.Popen[bytes]) -> bool:
    """Whether the first cell has seen that its folder is the student's."""
    assert running.poll() is None, told.read_text()
    return "cell 2/2" in told.read_text()


@pytest.fixture
def kernels(
    students: tuple[Student, Student],
    ann: Person,
    bob: Person,
    admin: Admin,
    place: Site,
    policy: Path,
    registry: str,
    variables: Mapping[str, str],
) -> Iterator[list[dict[str, Any]]]:
    """One of each student, under the example's policy for a class."""
    ours = f"c.Policy.push_registry = {registry + '/hub'!r}\nc.Policy.images = ['*']\n"
    policy.write_text((EXAMPLE / "jupyter_containers_config.py").read_text() + ours)
    file = place.directory / "registries.conf"
    file.write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    with ExitStack() as stack:
        found = []
        for student, person in zip(students, (ann, bob), strict=True):
            (student.home / "work").mkdir(exist_ok=True)
            (student.home / "work/whose").write_text(student.name)
            found.append(stack.enter_context(kernel(student, person, admin, place, variables)))
        yield found


def test_kernels_are_pods_that_others_cannot_reach(
    students: tuple[Student, Student], kernels: list[dict[str, Any]], admin: Admin
) -> None:
    for student, other, pod in zip(students, students[::-1], kernels, strict=True):
        assert violations(pod) == []
        assert pod["metadata"]["namespace"] == student.namespace
        assert "k.ipynb" not in json.dumps(pod)
        volumes = [one.get("persistentVolumeClaim") for one in pod["spec"]["volumes"]]
        assert {"claimName": "home"} in volumes
        path = f"api/v1/namespaces/{student.namespace}/pods/{pod['metadata']['name']}"
        assert student.ask("GET", path)[0] == 200
        assert student.ask("GET", f"{path}/exec?command=id")[0] == 400
        for method, more in (("GET", ""), ("GET", "/log"), ("GET", "/exec?command=id")):
            assert other.ask(method, path + more)[0] == 403
        for method, more in (("POST", "/exec?command=id"), ("DELETE", "")):
            assert other.ask(method, path + more, {})[0] == 403
    time.sleep(1)
    for student in students:
        assert [one["status"]["phase"] for one in pods(admin, student, "kernel")] == ["Running"]
