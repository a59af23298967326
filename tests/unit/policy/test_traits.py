"""The policy's traits through every kind of configuration, and no way round the server's."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from traitlets import Float, Int
from traitlets.config import Config

from jupyter_containers.errors import BadReference, BadSettings, PolicyRefused
from jupyter_containers.kernels.request import find_request
from jupyter_containers.policy import loader
from jupyter_containers.policy.loader import load_policy
from jupyter_containers.policy.policy import Policy
from tests.helpers.policies import policy, spec
from tests.helpers.private_home import private_home


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


# -- traits ------------------------------------------------------------------------------------

TRAITS: dict[str, tuple[Any, Any]] = {
    "user_config": (False, False),
    "engines": (["docker"], ["docker"]),
    "outputs": ("isolated", "isolated"),
    "images": (["localhost/*"], ["localhost/*"]),
    "registries": (["localhost"], ["localhost"]),
    "push_registry": ("reg.example.org:5000/team", "reg.example.org:5000/team"),
    "mounts": ({"/data": "ro"}, {"/data": "ro"}),
    "mount_names": ({"DATA": "/data:rw"}, {"DATA": "/data:rw"}),
    "devices": (["nvidia.com/gpu=0"], ["nvidia.com/gpu=0"]),
    "networks": (["none"], ["none"]),
    "host_access": (False, False),
    "metadata_access": (False, False),
    "docker_network": ("jupyter", "jupyter"),
    "users": (["me"], ["me"]),
    "ports": (["8888", "9000-9999"], ["8888", "9000-9999"]),
    "host_ports": (["80", "1024-9999"], ["80", "1024-9999"]),
    "max_cpus": (4, 4.0),
    "max_memory": ("8g", 8 << 30),
    "max_pids": (100, 100),
    "default_cpus": (1.5, 1.5),
    "default_memory": ("512m", 512 << 20),
    "default_pids": (None, None),
    "default_shm": (1 << 20, 1 << 20),
    "slurm_partitions": (["short", "gpu*"], ["short", "gpu*"]),
    "slurm_accounts": (["physics"], ["physics"]),
    "slurm_extra": (["qos"], ["qos"]),
    "slurm_setup": ("module load apptainer", "module load apptainer"),
    "max_slurm_time": ("8:00:00", "8:00:00"),
    "default_slurm_time": ("60", "60"),
    "max_slurm_gpus": (2, 2),
    "kubernetes_context": ("course", "course"),
    "kubernetes_namespace": ("course", "course"),
    "kubernetes_volumes": ({"~": "claim-{username}"}, {"~": "claim-{username}"}),
    "kubernetes_labels": ({"example.org/who": "{username}"}, {"example.org/who": "{username}"}),
    "kubernetes_node_selector": ({"pool": "gpu"}, {"pool": "gpu"}),
    "kubernetes_tolerations": ([{"operator": "Exists"}], [{"operator": "Exists"}]),
    "kubernetes_priority_class": ("low", "low"),
    "kubernetes_pull_secrets": (["registry"], ["registry"]),
    "kubernetes_service_account": ("kernels", "kernels"),
    "kubernetes_deadline": (3600, 3600),
    "kubernetes_cpu_share": (0.5, 0.5),
    "kubernetes_memory_share": (0, 0.0),
    "kubernetes_uid": (2000, 2000),
    "kubernetes_gid": (100, 100),
    "kubernetes_allow_root": (True, True),
    "max_builds": (1, 1),
    "max_build_seconds": (60, 60.0),
    "max_context": ("1g", 1 << 30),
    "max_build_log": ("1m", 1 << 20),
    "min_free_disk": (None, None),
    "build_secrets": ({"pip.conf": "/etc/pip.conf"}, {"pip.conf": "/etc/pip.conf"}),
    "build_urls": (["https://example.org/*"], ["https://example.org/*"]),
    "build_ca": ("", ""),
    "kernel_ca": ("/etc/ssl/site.pem", "/etc/ssl/site.pem"),
    "kernel_proxies": (True, True),
    "build_proxies": (False, False),
    "keep_images": (0, 0),
    "orphan_grace": (0.5, 0.5),
    "terminals": (False, False),
}
BAD: dict[str, list[Any]] = {
    "engines": [[1], None, {"docker": True}],
    "images": [None],
    "registries": [{"a": 1}],
    "push_registry": [1, "https://reg.example.org", "a b", "--help"],
    "mounts": [["/data"], {"/data": "rwx"}, {"data": "ro"}, {"/data": True}, {"../x": "ro"}],
    "mount_names": [{"A B": "/x"}, {"A": "x"}, {"A": ""}, {"A": 1}],
    "devices": [[["all"]]],
    "networks": [["host"], "host"],
    "host_access": ["no", "False", None],
    "outputs": ["open", True, None],
    "docker_network": ["host", "none", "--privileged", "a b", "container:x"],
    "users": [["0"]],
    "ports": [[8888], ["a"], ["1-"], ["-1"], ["1,2"]],
    "host_ports": [["8080:80"], [True]],
    "max_cpus": ["4", 0, -1],
    "max_memory": ["8x", 0, -1, True],
    "max_pids": [0, 1.5, "9"],
    "default_memory": ["lots"],
    "slurm_partitions": [["a", 1], {"a": True}],
    "slurm_extra": [[1]],
    "max_slurm_time": ["soon", 60],
    "default_slurm_time": ["-1"],
    "max_slurm_gpus": [-1, 1.5],
    "kubernetes_namespace": ["Course", "a/b", "x" * 64],
    "kubernetes_volumes": [
        *(
            {"data": "claim"},
            {"/data": ""},
            {"/data": "Claim"},
            {"/data": ":ro"},
            {"/a\0": "claim"},
        ),
        *({"/data": "claim/../other"}, {"/data": "claim//x"}, {"/data": "claim/."}, {"/data": 1}),
        *({"/data": "{user}"}, {"/data": "claim/{user}"}, {"/data": "claim/a\n"}),
    ],
    "kubernetes_labels": [
        *({"a b": "x"}, {"a": "x y"}, {"a": "x" * 64}, {"-a": "x"}, {"a/b/c": "x"}, {"A.x/y": "x"}),
        *({"jupyter-containers/user": "x"}, {"app.kubernetes.io/managed-by": "me"}),
    ],
    "kubernetes_node_selector": [{"pool": "{username}"}],
    "kubernetes_tolerations": [[{"keys": "x"}], [{"tolerationSeconds": True}], ["x"]],
    "kubernetes_priority_class": ["Low", "-x"],
    "kubernetes_pull_secrets": [["a b"], [""], None],
    "kubernetes_service_account": ["a/b"],
    "kubernetes_deadline": [0, 59, 1.5, "1h"],
    "kubernetes_cpu_share": [-0.1, 1.1, "1"],
    "kubernetes_memory_share": [2],
    "kubernetes_uid": [0, -1],
    "kubernetes_gid": [0],
    "kubernetes_allow_root": ["yes"],
    "max_builds": [0],
    "keep_images": [-1],
    "orphan_grace": [-1],
    "build_secrets": [{"a": "relative"}],
    "build_proxies": ["yes"],
    "terminals": ["no"],
}


def test_the_tables_name_every_trait() -> None:
    assert set(TRAITS) == set(Policy.class_trait_names(config=True))


@pytest.mark.parametrize("name", TRAITS)
def test_each_trait_can_be_set_from_python_and_json(name: str, home: Path) -> None:
    value, means = TRAITS[name]
    assert getattr(Policy(), name) != means or name == "min_free_disk"
    own = home / ".jupyter"
    if name == "user_config":  # the administrator's alone
        own = Path(loader.SYSTEM[0])
    else:
        assert getattr(policy(**{name: value}), name) == means
    own.mkdir()
    document = {"Policy": {name: value}}
    (own / "jupyter_containers_config.json").write_text(json.dumps(document))
    assert getattr(load_policy(None), name) == means
    (own / "jupyter_containers_config.json").unlink()
    (own / "jupyter_containers_config.py").write_text(f"c.Policy.{name} = {value!r}")
    assert getattr(load_policy(None), name) == means


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, some in BAD.items() for v in some])
def test_a_wrong_value_stops_everything(name: str, value: Any) -> None:
    with pytest.raises(PolicyRefused, match="policy cannot be read"):
        policy(**{name: value})


def test_what_is_no_number_is_no_limit() -> None:
    traits = Policy.class_traits(config=True)
    numbers = [name for name, trait in traits.items() if isinstance(trait, Int | Float)]
    assert "max_cpus" in numbers and "max_builds" in numbers
    for name in numbers:
        # A Float takes True for 1.0 before anybody is asked, which is a limit.
        for value in (math.nan, True) if isinstance(traits[name], Int) else (math.nan,):
            with pytest.raises(PolicyRefused, match="policy cannot be read"):
                policy(**{name: value})


def test_a_misspelt_trait_is_no_missing_limit() -> None:
    with pytest.raises(PolicyRefused, match=r"max_memroy.*\n.*Did you mean max_memory"):
        policy(max_memroy="1g")
    with pytest.raises(PolicyRefused, match="holds no traits"):
        load_policy(Config({"Policy": "closed"}))


@pytest.mark.parametrize("section", ["Polciy", "policy", "Policies"])
def test_a_misspelt_section_is_no_missing_limit(section: str, home: Path) -> None:
    own = home / ".jupyter"
    own.mkdir()
    (own / "jupyter_containers_config.py").write_text(f"c.{section}.max_pids = 1")
    with pytest.raises(PolicyRefused, match=rf"sets {section}, .*\n.*Did you mean Policy"):
        load_policy(None)
    (own / "jupyter_containers_config.py").write_text("c.ContainersApp.reap = False")
    assert load_policy(None).max_pids is None
    (own / "jupyter_containers_config.json").write_text(json.dumps({section: {"max_pids": 1}}))
    with pytest.raises(PolicyRefused, match="Did you mean Policy"):
        load_policy(None)


@pytest.mark.parametrize(
    "text",
    [
        "c.Policy.max_cpus = ",
        *("raise SystemExit", "raise KeyboardInterrupt", "raise GeneratorExit"),
        "import nothing_such",
    ],
)
def test_a_broken_file_stops_everything(text: str, home: Path) -> None:
    (home / ".jupyter").mkdir()
    (home / ".jupyter/jupyter_containers_config.py").write_text(text)
    with pytest.raises(PolicyRefused, match=r"jupyter_containers_config\.py cannot be read"):
        load_policy(None)


# -- no way round ------------------------------------------------------------------------------


def provisioner(config: dict[str, Any], metadata: dict[str, Any]) -> Any:
    """What jupyter_client makes of a kernel spec, under an administrator who set a limit."""
    server = Config({"Policy": {"max_memory": "1g"}})
    manager = AsyncKernelManager(config=server)
    stanza = {"provisioner_name": "container-provisioner", "config": config}
    kernel_spec = KernelSpec(
        argv=["x"], display_name="Hostile", metadata={"kernel_provisioner": stanza} | metadata
    )
    factory = KernelProvisionerFactory.instance(parent=manager)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # traitlets' about arguments it does not know
        return factory.create_provisioner_instance("id", kernel_spec, manager)


@pytest.mark.parametrize(
    "config",
    [
        {"policy": {"max_memory": None}},
        {"max_memory": None},
        {"Policy": {"max_memory": None}},
        {"_grace": 1e9, "fallback": None},
    ],
)
async def test_a_kernel_specs_options_for_its_provisioner_beat_nothing(
    config: dict[str, Any], tmp_path: Path
) -> None:
    """They become arguments of its constructor, which in others beat the administrator's."""
    asked = {"version": 1, "image": "x", "memory": "64g"}
    hostile = provisioner(config, {"container": asked})
    assert load_policy(hostile.parent.config).max_memory == 1 << 30
    with pytest.raises(BadSettings, match="kernel_provisioner"):
        await find_request(hostile, None, str(tmp_path))


async def test_a_kernel_specs_settings_are_held_to_the_limit(tmp_path: Path) -> None:
    asked = {"version": 1, "image": "x", "memory": "64g"}
    with pytest.raises(PolicyRefused, match=r"at most 1g \(Policy\.max_memory\)"):
        await find_request(provisioner({}, {"container": asked}), None, str(tmp_path))
    for name in ("max_memory", "policy", "Policy"):
        smuggled = {"container": asked | {name: {"max_memory": None}}}
        with pytest.raises(BadSettings, match="is not known"):
            await find_request(provisioner({}, smuggled), None, str(tmp_path))


def test_a_kernel_spec_cannot_bring_a_configuration() -> None:
    """`config` is a trait of every Configurable: jupyter_client would take it from JSON."""
    with pytest.raises(Exception, match="config"):
        provisioner({"config": {"Policy": {"max_memory": None}}}, {})


def test_an_option_is_no_image() -> None:
    for image in ("--privileged", "-v/:/host", "x --privileged", "../x", "x\n"):
        with pytest.raises(BadReference):
            policy(images=["*"]).check_run(spec(image=image, reference=""))
        with pytest.raises(BadReference):
            policy(images=["*"]).check_pull(image)
