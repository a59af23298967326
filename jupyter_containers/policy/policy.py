"""What the administrator allows. Asked by `engines.Guarded`, which stands before every engine.

`Policy` comes from the configuration of the server or program that runs us (`loader.py`),
never from a kernel spec or a notebook. Every check returns what is allowed or raises
PolicyRefused, which names the trait. Only mounts look at this host; all else is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from ..errors import PolicyRefused
from ..host import environment
from ..host.mount_sources import told_writable
from ..layout import RESERVED_PORTS
from ..models import Barred, ContainerSpec, Demands, Reference, parse_image
from ..settings.schema import Settings
from ..settings.validators import format_size
from . import slurm
from .engines import engine_allowed, engine_refused, matches, matches_place
from .folders import Look
from .mounts import judge, refused_files, rules_of, with_exposed
from .records import ISOLATED
from .traits import PolicyTraits

__all__ = ["CONFIG", "Policy"]

CONFIG = "jupyter_containers_config"
_Limited = TypeVar("_Limited", Settings, ContainerSpec)


class Policy(PolicyTraits):
    """Limits of containers and builds, whoever asks for them."""

    # -- engines and images ----------------------------------------------------------------

    def check_engine(self, name: str) -> str:
        """Called by `open_engine`."""
        if not engine_allowed(name, self.engines):
            raise engine_refused(name, self.engines)
        return name

    def engine_order(self, names: Sequence[str]) -> list[str]:
        """The allowed of `names`, best first. Called where no engine is asked for."""
        allowed = [name for name in names if engine_allowed(name, self.engines)]
        return sorted(allowed, key=lambda name: _rank(name, self.engines))

    def check_image(self, image: str) -> str:
        """The full reference of an image that may be run or built on. Raises BadReference too.

        An id says nothing of an image's origin, so it counts only where all images do.
        """
        full = parse_image(image)
        everywhere = "*" in self.images and "*" in self.registries
        if everywhere:
            return full
        if full.startswith("sha256:"):
            what = f"An image without a name ({full[:19]}…) may not be used"
            raise PolicyRefused(what, "Policy.images")
        reference = Reference.parse(full)
        registry = reference.registry
        hosts = {name.partition("/")[0] for name in reference.spellings}
        if not any(matches(host, self.registries) for host in hosts):
            what = f"The image {full} may not be used: not from {registry}"
            raise PolicyRefused(what, "Policy.registries")
        if not self._may_use(reference):
            what, hint = f"The image {full} may not be used", ""
            if reference.digest and reference.tag and self._may_use(replace(reference, digest="")):
                hint = "Name it by its tag alone: a notebook records the digest that it had."
            raise PolicyRefused(what, "Policy.images", hint)
        return full

    def _may_use(self, reference: Reference) -> bool:
        """A digest counts and not the tag beside it, in whose place a glob sees it: who may use
        python:3.* may not use any image of that name, whatever tag is written before its digest."""
        seen = replace(reference, tag=reference.digest or reference.tag, digest="").spellings
        whole = [glob for glob in self.images if "@" in glob]
        others = [glob for glob in self.images if "@" not in glob]
        return any(matches_place(name, others) for name in seen) or any(
            matches_place(name, whole) for name in reference.spellings
        )

    def check_pull(self, reference: str, stands_for: str = "") -> str:
        """Called before every pull. What a notebook recorded for an image `stands_for` it."""
        return self.check_image(stands_for or reference)

    def check_outputs(self, outputs: str) -> None:
        """Called before a person's decision on a notebook's outputs is kept."""
        if outputs != self.outputs == ISOLATED:
            raise PolicyRefused("Outputs may not be trusted", "Policy.outputs")

    def check_terminals(self) -> None:
        """Called before a terminal or a program is started in a kernel's container."""
        if not self.terminals:
            what = "Terminals and programs beside a kernel may not be opened"
            raise PolicyRefused(what, "Policy.terminals")

    # -- containers ------------------------------------------------------------------------

    def source_of(self, name: str) -> str:
        """The host path of `${name}` in a mount's source. Called by `Settings.resolved`."""
        if name not in self.mount_names:
            raise PolicyRefused(
                f"${{{name}}} names no place here",
                "Policy.mount_names",
                f"Known are: {', '.join(self.mount_names) or 'none'}. The administrator adds "
                f"more in {CONFIG}.py.",
            )
        return str(Path(self.mount_names[name].removesuffix(":rw")).expanduser())

    def with_defaults(self, settings: Settings) -> Settings:
        """The limits where none are asked. Called by `Settings.resolved`; raises where more is
        asked than may be."""
        return self._limited(settings)

    def check_run(self, spec: ContainerSpec) -> ContainerSpec:
        """The spec as it may run: sources resolved, limits filled in, keys covered.

        Called by `Guarded` for every container, probes too. Raises PolicyRefused, and
        BadSettings where a mount's source is not there.
        """
        self._check_origin(spec)
        ports = [pair for pair in spec.publish if pair[1] not in RESERVED_PORTS]
        self._check_parts(spec.devices, spec.network, spec.user.mode, ports)
        limited = self._limited(spec)
        allowed = slurm.allowed(spec.slurm, self, limited.cpus)
        private = spec.network == "private"
        return self._mounted(
            replace(
                limited,
                slurm=allowed,
                network_name=self.docker_network if private else "",
                barred=self.barred if private else (),
            )
        )

    @property
    def barred(self) -> tuple[Barred, ...]:
        """What a private network may not lead to. `Guarded` sees that an engine can bar it."""
        access: dict[Barred, bool] = {"host": self.host_access, "metadata": self.metadata_access}
        return tuple(name for name, may in access.items() if not may)

    def check_asked(self, settings: Settings, *, image: bool = True) -> None:
        """What `check_run` would refuse of a request, before anybody is asked to approve it; of
        its image too, unless that is yet to be. `settings` are `resolved`. Changes nothing. Raises
        PolicyRefused, BadSettings."""
        if image:
            self.check_image(settings.image)
        self._check_parts(settings.devices, settings.network, settings.user, settings.ports)
        slurm.allowed(settings.slurm, self, settings.cpus)
        look = Look(mount.source for mount in settings.mounts)
        rules = self._rules(look)
        for mount in settings.mounts:
            judge(mount, rules, look, make=False)

    def _check_parts(
        self, devices: Sequence[str], network: str, user: str, ports: Sequence[tuple[int, int]]
    ) -> None:
        for device in devices:
            every = device.partition("=")[0] + "=all"  # who may have all may have each
            if not any(matches(one, self.devices) for one in (device, every)):
                raise PolicyRefused(f"The device {device} may not be used", "Policy.devices")
        if network not in self.networks:
            what = f"The network may not be {network!r}"
            raise PolicyRefused(what, "Policy.networks", _instead("network", self.networks))
        if user not in self.users:
            what = f"One may not be {user!r} inside"
            raise PolicyRefused(what, "Policy.users", _instead("user", self.users))
        for host, inside in ports:
            if not _within(inside, self.ports):
                raise PolicyRefused(f"Port {inside} may not be published", "Policy.ports")
            if host and not _within(host, self.host_ports):
                what = f"Port {host} of this machine may not be used"
                few = f"one of {', '.join(self.host_ports)}; or " if self.host_ports else ""
                hint = f"Take {few}any that is free: {inside} alone, without a port before it."
                raise PolicyRefused(what, "Policy.host_ports", hint)

    def _check_origin(self, spec: ContainerSpec) -> None:
        """By the name that was asked for, since containers are started by the image's id. A
        probe, which has no name, no mount and no network, only looks at an image."""
        probe = not (spec.reference or spec.mounts or spec.devices) and spec.network == "none"
        if not (probe and spec.image.startswith("sha256:")):
            self.check_image(spec.reference or spec.image)

    def _limited(self, asked: _Limited) -> _Limited:
        limits: dict[str, Any] = {}
        for name in ("cpus", "memory", "pids"):
            value, most = getattr(asked, name), getattr(self, f"max_{name}")
            default = getattr(self, f"default_{name}")
            if value is None:
                limits[name] = min((one for one in (default, most) if one), default=None)
            elif most is not None and value > most:
                wanted, limit = (
                    (format_size(value), format_size(most))
                    if name == "memory"
                    else (f"{value:g}", f"{most:g}")
                )
                what = f"{name} may not be {wanted}: at most {limit}"
                raise PolicyRefused(what, f"Policy.max_{name}", f'Set "{name}" to {limit} or less.')
        if asked.shm is None:
            memory = limits.get("memory", asked.memory)
            limits["shm"] = self.default_shm or (memory or environment.memory()) // 2
        return replace(asked, **limits)

    def _mounted(self, spec: ContainerSpec) -> ContainerSpec:
        if not spec.mounts:
            return spec
        look = Look(mount.source for mount in spec.mounts)
        rules = self._rules(look)
        allowed = [judge(mount, rules, look) for mount in spec.mounts]
        taken = {mount.target for mount in (*spec.mounts, *spec.own)}
        over = {mount for one in allowed for mount in one.over if mount.target not in taken}
        kept = {mount.target for mount in (*spec.mounts, *over)}
        sources = with_exposed(allowed, told_writable(), look.names)
        return replace(
            spec,
            mounts=tuple(one.mount for one in allowed),
            own=(*spec.own, *sorted(over, key=lambda one: one.target)),
            sources=tuple(one for one in sources if one.target in kept),
        )

    def _rules(self, look: Look | None = None) -> dict[str, str]:
        named = {
            path.removesuffix(":rw"): "rw" if path.endswith(":rw") else "ro"
            for path in self.mount_names.values()
        }
        return rules_of(named | self.mounts, self.build_secrets, look)

    # -- builds ----------------------------------------------------------------------------

    def check_build(self, demands: Demands, context_bytes: int) -> None:
        """Called by `builds` with all that a Dockerfile and the triggers of its bases demand."""
        for image in demands.images:
            try:
                self.check_image(image)
            except PolicyRefused as refused:
                refused.message = _at(demands, image) + refused.message
                raise
        # Whoever builds downloads it, and not a RUN that could be barred from an address.
        urls = [glob for glob in self.build_urls if not (self.barred and glob == "*")]
        for url in demands.urls:
            if not matches_place(url, urls):
                what = f"{_at(demands, url)}ADD may not download {url}"
                raise PolicyRefused(what, "Policy.build_urls")
        for wanted in demands.entitlements:
            what = f"{_at(demands, wanted)}{wanted} would leave the build's sandbox"
            raise PolicyRefused(what, "Policy", "No policy allows it: leave it out.")
        if self.max_context is not None and context_bytes > self.max_context:
            what = f"The files that COPY and ADD name take {_about(context_bytes)}"
            most = f"At most {format_size(self.max_context)} may be sent: mount data instead."
            raise PolicyRefused(what, "Policy.max_context", most)

    def check_context(self, directory: Path, paths: Iterable[str]) -> None:
        """Called by `builds` with the files a build copies: what may not be mounted, such as
        keys, may not be copied either. `directory` is resolved."""
        rules = self._rules()
        if blocked := refused_files(directory, paths, rules):
            what = f"`{blocked}` may not be copied into an image"
            raise PolicyRefused(what, "Policy.mounts", "Copy it to the notebook's folder first.")

    def secret_source(self, name: str) -> Path:
        """The file of a build's secret. Called by `builds` for each `--secret`."""
        if name not in self.build_secrets:
            raise PolicyRefused(f"There is no secret {name!r} for builds", "Policy.build_secrets")
        return Path(self.build_secrets[name]).expanduser()

    def ca_bundle(self) -> Path | None:
        """The CA bundle that RUN is to trust, or None. Called by `builds`."""
        return environment.ca_bundle(self.build_ca)

    def proxies(self) -> dict[str, str]:
        """http_proxy and its kin for RUN. Called by `builds`."""
        return environment.proxies() if self.build_proxies else {}

    def kernel_ca_bundle(self) -> Path | None:
        """The CA bundle that a kernel's container is to trust, or None. Called by `kernels`."""
        return environment.ca_bundle(self.kernel_ca)

    def kernel_proxy_variables(self) -> dict[str, str]:
        """http_proxy and its kin for a kernel's container. Called by `kernels`."""
        return environment.proxies() if self.kernel_proxies else {}


def _rank(name: str, globs: Sequence[str]) -> int:
    return next(rank for rank, glob in enumerate(globs) if fnmatchcase(name, glob))


def _within(port: int, ranges: Sequence[str]) -> bool:
    for one in ranges:
        first, _, last = one.partition("-")
        if int(first) <= port <= int(last or first):
            return True
    return False


def _instead(key: str, allowed: Sequence[str]) -> str:
    return f'Set "{key}" to {" or ".join(allowed)}.' if allowed else ""


def _at(demands: Demands, what: str) -> str:
    line = demands.lines.get(what)
    return f"Dockerfile line {line}: " if line else ""


def _about(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.1f} MiB"
