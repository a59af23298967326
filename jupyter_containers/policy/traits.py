"""What an administrator can set of the policy, as `c.Policy.… = …`. Pure data."""

from __future__ import annotations

import re
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, TraitType, Unicode, validate

from ..errors import BadSettings
from ..settings.slurm import seconds_of
from ..settings.validators import parse_size
from .kubernetes import KubernetesTraits


class Size(TraitType[int | None, int | str | None]):
    """Bytes, from a number or text such as `8g`."""

    info_text = "a size such as 8g"

    def validate(self, obj: Any, value: Any) -> int | None:
        """Called for values from every kind of configuration."""
        try:
            return parse_size(value)
        except BadSettings:
            self.error(obj, value)

    def from_string(self, s: str) -> int | None:
        """From the command line."""
        return self.validate(None, s)


class PolicyTraits(KubernetesTraits):
    """See `Policy`."""

    user_config = Bool(
        True,
        help="Whether a person's own configuration may say anything of the policy. To be set to "
        "False in /etc/jupyter/jupyter_containers_config.py; then nothing starts as long as "
        "another file, or an option of the server, sets a Policy trait.",
    ).tag(config=True)
    engines = List(
        Unicode(), ["*"], help="Engines that may be used, best first: names or globs."
    ).tag(config=True)
    outputs = Enum(
        ["isolated", "trusted"],
        "trusted",
        help="What people may decide of what a notebook displays. Isolated: its scripts run in "
        "frames without the person's rights on this server, and widgets are not connected; so is "
        "each notebook that nobody has decided on. Trusted: as JupyterLab draws it.",
    ).tag(config=True)
    images = List(
        Unicode(),
        ["*"],
        help="Images that may be run, pulled and built on: globs on the full reference, such as "
        "registry.example.org/*, docker.io/library/python:3.* and, for images built here, "
        "localhost/*. A digest counts in place of a tag (python:3.* means none, python:* all); one "
        "that a notebook recorded for a base is judged by the base's tag.",
    ).tag(config=True)
    registries = List(
        Unicode(), ["*"], help="Registries that images may come from: globs, such as *.example.org."
    ).tag(config=True)
    push_registry = Unicode(
        "",
        help="Where images are pushed for an engine that takes them from a registry only "
        "(Shifter, Kubernetes), such as registry.example.org/team: its gateway, or the cluster's "
        "nodes, have to read it.",
    ).tag(config=True)
    mounts = Dict(
        value_trait=Enum(["rw", "ro", "no"]),
        key_trait=Unicode(),
        default_value={"/": "rw", "~": "rw", "/run/media": "rw", "/usr": "ro", "/var/lib": "ro"},
        help="Host paths that may be mounted, with all below: rw, ro or no; the longest path "
        "wins, ~ is the person's home. System directories, engines' sockets, Jupyter's own "
        "directories and keys in the home are refused unless named here.",
    ).tag(config=True)
    mount_names = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="Places that settings call ${NAME}: name to path, or path:rw where writing is "
        "allowed. They may be mounted without being in `mounts`.",
    ).tag(config=True)
    devices = List(
        Unicode(), ["*"], help="Devices: globs on CDI names, such as nvidia.com/gpu=*."
    ).tag(config=True)
    networks = List(Enum(["private", "none"]), ["private", "none"], help="Kinds of network.").tag(
        config=True
    )
    host_access = Bool(
        True,
        help="Whether a private network leads to what listens on this machine, at the addresses "
        "it has when a container starts. Podman can bar it, for kernels and for RUN of builds. "
        "Where an engine cannot, containers with a private network are refused, and RUN has none.",
    ).tag(config=True)
    metadata_access = Bool(
        True,
        help="The same for the addresses at which a cloud tells a machine its credentials: "
        "169.254.169.254 and its kin.",
    ).tag(config=True)
    docker_network = Unicode(
        "",
        help="A network that the administrator made in Docker, for containers with a private "
        "network in place of ours. Its firewall answers for host_access and metadata_access.",
    ).tag(config=True)
    users = List(Enum(["me", "root", "image"]), ["me", "root", "image"], help="Users inside.").tag(
        config=True
    )
    ports = List(
        Unicode(),
        ["1-65535"],
        help="Ports of containers that may be published on 127.0.0.1: 8888 or 8000-8999.",
    ).tag(config=True)
    host_ports = List(
        Unicode(),
        ["1024-65535"],
        help="Ports of this machine that notebooks may name for that, as in 8080:80. Empty: it is "
        "always one that is free.",
    ).tag(config=True)

    max_cpus = Float(None, allow_none=True, min=0.01, help="Most CPUs of a container.").tag(
        config=True
    )
    max_memory = Size(None, allow_none=True, help="Most memory, such as 8g.").tag(config=True)
    max_pids = Int(None, allow_none=True, min=1, help="Most processes and threads.").tag(
        config=True
    )
    default_cpus = Float(None, allow_none=True, min=0.01, help="CPUs where none are asked.").tag(
        config=True
    )
    default_memory = Size(None, allow_none=True, help="Memory where none is asked.").tag(
        config=True
    )
    default_pids = Int(2048, allow_none=True, min=1, help="Processes where none are asked.").tag(
        config=True
    )
    default_shm = Size(
        None,
        allow_none=True,
        help="Size of /dev/shm where none is asked; if not set, half of the memory.",
    ).tag(config=True)

    slurm_partitions = List(
        Unicode(),
        ["*"],
        help="Slurm's partitions: names or globs. Where a job asks for none it gets the first that "
        "is a name; where there is none, Slurm's own default.",
    ).tag(config=True)
    slurm_accounts = List(Unicode(), ["*"], help="The same for Slurm's accounts.").tag(config=True)
    slurm_extra = List(
        Unicode(),
        ["qos", "constraint", "reservation", "exclude", "nodelist", "licenses", "hint", "nice"],
        help="Other options of sbatch that a notebook may give: long names without dashes, or "
        "globs. With some of them (such as output) a job writes where it should not.",
    ).tag(config=True)
    slurm_setup = Unicode(
        "",
        help="Lines of shell (sh, which has read no profile) that a job runs before the container, "
        "such as . /etc/profile.d/modules.sh; module load apptainer",
    ).tag(config=True)
    max_slurm_time = Unicode("", help="Longest job, as Slurm writes it: 8:00:00 or 2-12.").tag(
        config=True
    )
    default_slurm_time = Unicode(
        "", help="Time of a job that asks for none; not set: the longest, or the partition's own."
    ).tag(config=True)
    max_slurm_gpus = Int(
        None,
        allow_none=True,
        min=0,
        help="Most GPUs of a job, by gpus and gres together. Parts of GPUs (shard, mps) are not "
        "counted: where the cluster has them, limit them in Slurm.",
    ).tag(config=True)

    max_builds = Int(2, min=1, help="Builds at a time.").tag(config=True)
    max_build_seconds = Float(7200.0, min=1, help="Longest build.").tag(config=True)
    max_context = Size("10g", allow_none=True, help="Largest context of a build.").tag(config=True)
    max_build_log = Size("64m", allow_none=True, help="Most output kept of a build.").tag(
        config=True
    )
    min_free_disk = Size("2g", allow_none=True, help="No build starts with less free disk.").tag(
        config=True
    )
    build_secrets = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="Secrets that builds may ask for: name to file.",
    ).tag(config=True)
    build_urls = List(
        Unicode(),
        ["*"],
        help="What ADD may download: globs on the address, such as https://*.example.org/*.",
    ).tag(config=True)
    build_ca = Unicode(
        "auto",
        help="CA bundle that RUN trusts, kept out of every layer: a path; auto for the one of "
        "this process (SSL_CERT_FILE, REQUESTS_CA_BUNDLE) or of a host with CAs of its own; "
        "empty for none.",
    ).tag(config=True)
    build_proxies = Bool(True, help="Whether RUN gets http_proxy and its kin of this process.").tag(
        config=True
    )
    kernel_ca = Unicode(
        "",
        help="CA bundle that programs in a kernel's container trust: a path, auto as for build_ca, "
        "or empty for the image's own. SSL_CERT_FILE and its kin name a read-only copy there.",
    ).tag(config=True)
    kernel_proxies = Bool(
        False,
        help="Whether a kernel's container gets http_proxy and its kin of this process; code in it "
        "can read a password in them.",
    ).tag(config=True)
    keep_images = Int(3, min=0, help="Superseded images kept of each cell.").tag(config=True)
    orphan_grace = Float(
        120.0,
        min=0,
        help="Seconds for which a kernel goes on whose server was killed: where the server is "
        "started again within them, it takes the kernel up. 0: kernels end with their server.",
    ).tag(config=True)

    terminals = Bool(
        True,
        help="Whether people open terminals in their kernels' containers, and run programs there "
        "with `jupyter containers exec`. Cells run programs in any case.",
    ).tag(config=True)

    @validate("mounts")
    def _absolute(self, proposal: Any) -> dict[str, str]:
        given: dict[str, str] = proposal["value"]
        for path in given:
            if not (path == "~" or path.startswith(("/", "~/"))):
                raise TraitError(f"Policy.mounts: {path!r} is no absolute path.")
        return given

    @validate("push_registry")
    def _registry(self, proposal: Any) -> str:
        given: str = proposal["value"]
        if given and not re.fullmatch(
            r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*", given
        ):
            raise TraitError(f"Policy.push_registry: {given!r} is no registry and path of it.")
        return given

    @validate("mount_names", "build_secrets")
    def _sources(self, proposal: Any) -> dict[str, str]:
        given: dict[str, str] = proposal["value"]
        for name, path in given.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) or path[:1] not in ("/", "~"):
                raise TraitError(f"{proposal['trait'].name}: {name!r}: {path!r} is no place.")
        return given

    @validate(
        *("max_cpus", "max_pids", "default_cpus", "default_pids", "max_slurm_gpus", "max_builds"),
        *("max_build_seconds", "keep_images", "orphan_grace"),
        *("kubernetes_deadline", "kubernetes_cpu_share", "kubernetes_memory_share"),
        *("kubernetes_uid", "kubernetes_gid"),
    )
    def _numbers(self, proposal: Any) -> Any:
        """Nothing is more than NaN, and True is a number to Python."""
        given = proposal["value"]
        if isinstance(given, bool) or given != given:
            raise TraitError(f"Policy.{proposal['trait'].name}: {given!r} is no number.")
        return given

    @validate("docker_network")
    def _network(self, proposal: Any) -> str:
        given: str = proposal["value"]
        if given and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", given):
            raise TraitError(f"Policy.docker_network: {given!r} is no network's name.")
        if given in ("host", "none", "container", "default"):
            raise TraitError(f"Policy.docker_network: {given} is no private network.")
        return given

    @validate("max_slurm_time", "default_slurm_time")
    def _times(self, proposal: Any) -> str:
        given: str = proposal["value"]
        if given and not seconds_of(given):
            raise TraitError(f"Policy.{proposal['trait'].name}: {given!r} is no time.")
        return given

    @validate("ports", "host_ports")
    def _ranges(self, proposal: Any) -> list[str]:
        given: list[str] = proposal["value"]
        for one in given:
            if not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", one):
                name = f"Policy.{proposal['trait'].name}"
                raise TraitError(f"{name}: {one!r} is no port and no range of ports.")
        return given
