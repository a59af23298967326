"""engines_json.py CACHE RUN IMAGES FILE USER-CONF ENGINE...: what tests/conftest.py reads.

CACHE and RUN are `engines.sh`'s, IMAGES the name that its images begin with.
"""

import json
import pathlib
import shutil
import sys

cache, run, images, file, conf, *names = sys.argv[1:]
podman_env = {
    "CONTAINERS_CONF": f"{run}/podman/containers.conf",
    "CONTAINERS_REGISTRIES_CONF": f"{run}/podman/registries.conf",
    "CONTAINERS_STORAGE_CONF": f"{run}/podman/{conf}.conf",
}
known: dict[str, dict[str, object]] = {
    "podman": {
        "engine": "podman",
        "env": podman_env,
    },
    "own-docker": {"engine": "docker", "env": {}},
}
# These run what another engine built; their images are in a directory of ours.
process_env = podman_env | {
    "CONTAINERS_STORAGE_CONF": f"{run}/podman/process.conf",
    "JUPYTER_CONTAINERS_IMAGES": f"{run}/images-{conf}",
    "CH_IMAGE_STORAGE": f"{run}/images-{conf}/ch-image",
}
known["charliecloud"] = {"engine": "charliecloud", "env": process_env}
known["apptainer"] = {
    "engine": "apptainer",
    "path": f"{cache}/apptainer/usr/bin",
    "env": process_env,
}


def _where(program: str) -> dict[str, object]:
    """Where it is, if not where the ordinary user's programs are (tester.sh)."""
    place = str(pathlib.Path(shutil.which(program) or "/usr/bin/none").parent)
    return {} if place in ("/usr/bin", "/bin") else {"path": place}


known["enroot"] = {"engine": "enroot", "env": process_env, **_where("enroot")}
known["shifter"] = {"engine": "shifter", "env": process_env, **_where("shifter")}
known["podman-hpc"] = {
    "engine": "podman-hpc",
    "env": process_env | {"SQUASH_DIR": f"{run}/images-{conf}/squash"},
    **_where("podman-hpc"),
}
known["pyxis"] = known["enroot"]
for name in ("apptainer", "charliecloud", "pyxis"):
    known[f"slurm+{name}"] = {
        **known[name],
        "engine": f"slurm+{name}",
        "env": {**process_env, "SLURM_CONF": f"{run}/slurm/slurm.conf"},
    }
for name, version in (("docker", 28), ("docker20", 20)):
    known[name] = {
        "engine": "docker",
        "path": f"{cache}/docker{version}/usr/bin",
        "env": {
            "DOCKER_HOST": f"unix://{run}/docker{version}/sock",
            "DOCKER_CONFIG": f"{run}/docker{version}/config-{conf}",
        },
    }


def _address(name: str) -> str:
    address = pathlib.Path(run, name, "address")
    return address.read_text().strip() if address.exists() else ""


# Pods run what podman has pushed, and see of this machine what is below /tmp.
known["kubernetes"] = {
    "engine": "kubernetes",
    "path": f"{cache}/kubernetes/debs/usr/bin",
    "env": {
        **process_env,
        "KUBECONFIG": f"{run}/kubernetes/person.kubeconfig",
        "NO_PROXY": "*",
        "no_proxy": "*",
    },
    "policy": {
        "push_registry": f"{_address('registry')}/contract",
        "kubernetes_volumes": {"/tmp": "tmp"},
    },
}


def _kubernetes() -> dict[str, str] | None:
    """What a person's server is given, and the administrator's access beside it; None: no part."""
    place = pathlib.Path(run, "kubernetes")
    if not place.is_dir():
        return None
    return {
        "kubeconfig": f"{place}/person.kubeconfig",
        "admin": f"{place}/admin.kubeconfig",
        "namespace": "jupyter",
        "registry": _address("registry"),
        "private": _address("private"),
    }


said = {
    "engines": {name.removeprefix("own-"): known[name] for name in names},
    "registry": _address("registry"),
    "private": _address("private"),
    "archives": {"python3.11": f"{cache}/bookworm.tar"},
    "slurm": f"{run}/slurm/slurm.conf",
    "kubernetes": _kubernetes(),
    "images": {
        "python3.9": f"{images}/python:3.9",
        "python3.11": f"{images}/python:3.11",
        "python3.13": f"{images}/python:3.13",
        "busybox": f"{images}/busybox:latest",
    },
}
pathlib.Path(file).write_text(json.dumps(said, indent=2))
