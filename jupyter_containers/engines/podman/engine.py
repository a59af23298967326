"""Podman, by its command line (4.0 and newer, rootless or rootful).

Its grammar is Docker's; this file is what differs: the user namespace, SELinux labels, and what
`info` says.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any, Literal

from ...errors import MountReplaced, StartFailed, Unsupported
from ...host.process import Completed, run
from ...host.reaper import podman_run
from ...models import (
    BuilderFaults,
    BuildSpec,
    ContainerSpec,
    EngineInfo,
    Image,
    Mount,
    Problem,
    Progress,
    User,
)
from ...text import as_dict, as_list, as_text, one_line
from ..base import BARS, BARS_RUN, ISOLATES
from ..common import cdi, versions
from ..common.build_grammar import PODMAN, lacks
from ..common.errors import container_trouble, daemon_trouble
from ..common.mounts import wrong_mount
from ..common.run_argv import env_file, needs_quotes
from ..docker import inspect
from ..docker.engine import LOG_BYTES, Docker
from ..docker.inspect import stamp_of, storage_tables
from . import build_probe, buildah, network

_NO_PASSWD = "--passwd=false"


class Podman(Docker):
    """Talks to the podman of the person who runs this process; there is no daemon."""

    name = "podman"
    program = "podman"
    _tables: tuple[Path, ...] = ()
    _network: str | None = None
    """The value of `--network` for a private one, by `info`; empty: Podman's default."""
    _has_init = True
    """Whether `podman init` makes what `podman run` would."""

    async def _ask_info(self) -> EngineInfo:
        done = await self._run(["info", "--format", "json"], timeout=30)
        said = inspect.parse_object(done.stdout)
        host, store = as_dict(said.get("host")), as_dict(said.get("store"))
        if done.code != 0 or not host:
            raise daemon_trouble(self.name, done.stderr)
        self._tables = storage_tables(store, host)
        rootless = bool(as_dict(host.get("security")).get("rootless"))
        features = {"build", "secrets", "pull", "network-none", "network-private", "ports"}
        if rootless:
            features.add("root")
        problems = list(_problems(host, store, rootless))
        self._network = network.option(host, rootless=rootless)
        if self._network:
            features.add(ISOLATES)
            problems.append(network.HOST)
        else:
            problems.append(network.TOGETHER)
        if network.can_bar(self._network, host):
            features |= {BARS, BARS_RUN} if which(network.SLIRP) else {BARS}
        if not rootless or _delegated(host):
            features.add("limits")
        version = as_text(as_dict(said.get("version")).get("Version"))
        if cdi.podman_gives(version):
            features.add(cdi.FEATURE)
        if versions.at_least(version, 4, 8):  # buildah 1.33
            features.add("heredocs")
        return EngineInfo(
            name=self.name,
            version=version,
            usable=True,
            rootless=rootless,
            features=frozenset(features),
            lacks=lacks(PODMAN, version),
            problems=tuple(problems),
            endpoint=f"podman:{os.getuid()}:{as_text(store.get('graphRoot'))}",
        )

    async def images(self) -> list[Image]:
        """See `Engine.images`. Podman's command takes from 0.2 s on: where nothing changed in its
        storage, what it said before stands."""
        await self.info()
        stamp = await asyncio.to_thread(stamp_of, self._tables)
        return await self._listed.images(self._checked, self._run, stamp)

    async def _whole(self, said: dict[str, Any]) -> Image:
        found = inspect.image(said)
        root = inspect.storage_root(said)
        if root is None:
            root = (await self.info()).endpoint.split(":", 2)[-1]
        return replace(found, onbuild=await asyncio.to_thread(inspect.onbuild, said, root))

    async def user(self, mode: Literal["me", "root", "image"], image_ids: tuple[int, int]) -> User:
        """Rootless podman can map the person to any id inside (`--userns=keep-id`)."""
        info, uid, gid = await self.info(), os.getuid(), os.getgid()
        if not info.rootless:
            return await super().user(mode, image_ids)
        inside = {"me": (uid, gid), "root": (0, 0), "image": image_ids}[mode]
        return User(mode=mode, uid=inside[0], gid=inside[1], host_uid=uid, host_gid=gid)

    def _user_argv(self, user: User) -> list[str]:
        argv = super()._user_argv(user)
        # SELinux would hide every mount; relabelling a person's home would be worse.
        # https://github.com/containers/podman/issues/3683
        argv += ["--security-opt=label=disable", _NO_PASSWD, "--http-proxy=false"]
        if user.host_uid == 0 or user.uid == 0:
            return argv  # rootless podman's own mapping: root inside is the person outside
        if (user.uid, user.gid) == (user.host_uid, user.host_gid):
            return [*argv, "--userns=keep-id"]
        return [*argv, f"--userns=keep-id:uid={user.uid},gid={user.gid}"]

    def _limits_argv(self, spec: ContainerSpec) -> list[str]:
        # Unlike Docker, podman would set its own default of 2048 where none is asked.
        return super()._limits_argv(spec) + (["--pids-limit=0"] if spec.pids is None else [])

    def _log_argv(self) -> list[str]:
        # journald, which is Podman's default where systemd is, knows no size.
        return ["--log-driver=k8s-file", f"--log-opt=max-size={LOG_BYTES}"]

    def _network_argv(self, spec: ContainerSpec) -> list[str]:
        return super()._network_argv(replace(spec, network_name=self._network or ""))

    async def _on_network(self, spec: ContainerSpec) -> ContainerSpec:
        if self._network is None:
            await self.info()
        return spec

    async def unused_networks(self) -> list[str]:
        """See `base.HasNetworks`: none is made."""
        return []

    async def _bar(self, spec: ContainerSpec) -> None:
        pid = await self.pid(spec.name) or 0
        enter = network.enter(self.program, pid, rootless=(await self.info()).rootless)
        for text in network.routes(spec.barred):
            done = await run([*enter, "ip", "-batch", "-"], input=text.encode(), timeout=20)
            if done.code and ":" in text:  # no route of IPv6 where there is no IPv6
                there = await run([*enter, "ip", "-6", "address", "show"], timeout=20)
                done = done if there.code or there.stdout.strip() else there
            if done.code:
                raise StartFailed(
                    "The container's network could not be barred from what the policy forbids: "
                    f"{one_line(done.stderr, 300)}",
                    'Set "network": "none" in the notebook\'s settings, or ask the administrator.',
                )

    async def check_mounts(self, mounts: Sequence[Mount]) -> None:
        """See `PickyEngine.check_mounts`. Podman splits `--mount` at every comma before 4.2.
        https://github.com/containers/podman/pull/13969"""
        odd = [path for m in mounts for path in (m.source, m.target) if needs_quotes(path)]
        if odd and not versions.at_least((await self.info()).version, 4, 2):
            raise Unsupported(
                f"This {self.name} cannot mount {odd[0]!r}: it takes no comma or quote in a path.",
                "Rename the folder, or update to Podman 4.2 or newer.",
            )

    async def run(self, spec: ContainerSpec, timeout: float) -> Completed:
        """See `Engine.run`. What we run so always prints something: where Podman says that it ended
        well without a word, its words were lost. Seen with Podman 4.3.1 and conmon 2.1.6 on a busy
        machine, of a program that ended at once."""
        done = await super().run(spec, timeout)
        if done.code or done.stdout or done.stderr:
            return done
        return await super().run(spec, timeout)

    def _mounter(self) -> int | None:
        """Rootless podman's containers are made in the namespaces of a process that it left there
        when it was first run; what was mounted later need not be seen in it."""
        for place in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"):
            with suppress(OSError, ValueError):
                pid = int(Path(place, "libpod/tmp/pause.pid").read_text())
                Path(f"/proc/{pid}/ns/mnt").readlink()  # it lives, and is this person's
                return pid
        return None

    async def _launch(
        self, spec: ContainerSpec, exposed: Mapping[str, int], nowhere: str, *, again: bool = True
    ) -> str:
        """Where a source could be swapped, or the policy bars something: make the container and
        its mounts, look at them from outside, bar, and only then let its first process run. All
        mounts, since one may have been led to where another belongs."""
        if not (exposed or spec.barred) or not self._has_init:
            return await super()._launch(spec, {}, nowhere, again=again)
        spec = await self._on_network(spec)
        # `create` of 4.3 does not know the option; ours is mounted over Podman's.
        rest = [word for word in self._rest_of_argv(spec, {}) if word != _NO_PASSWD]
        argv = [self.program, "create", *rest]
        done = await self._step(spec, argv, nowhere, env_file(spec.env))
        id = done.stdout.strip().splitlines()[-1]
        await self._step(spec, [self.program, "init", id], nowhere)
        pid = await self.pid(id)
        if pid is None:
            raise StartFailed("The container ended before it began.")
        if wrong := await asyncio.to_thread(wrong_mount, pid, spec.sources, mounted=True):
            raise MountReplaced(wrong)
        if spec.barred:
            await self._bar(spec)
        await self._step(spec, [self.program, "start", id], nowhere)
        return id

    async def _step(
        self, spec: ContainerSpec, argv: list[str], cwd: str, text: bytes | None = None
    ) -> Completed:
        done = await run(argv, input=text, timeout=120, cwd=cwd)
        if done.code != 0:
            raise container_trouble(self.name, spec, done)
        return done

    async def build(self, spec: BuildSpec) -> AsyncGenerator[Progress]:
        """See `Engine.build`."""
        info = await self.info()
        leads = network.leads_to_loopback(self._network or "", rootless=info.rootless)
        own = BARS_RUN in info.features and leads
        made = buildah.build((self.program,), None, spec, self.image, own_network=own)
        async with aclosing(made) as events:
            async for event in events:
                yield event

    async def builder_faults(self) -> BuilderFaults:
        """See `ProbedBuilder.builder_faults`."""
        info = await self.info()
        return await build_probe.faults((self.program,), info.version)

    def _rm(self, id: str) -> Sequence[str]:
        # Podman waits 10 s for SIGTERM unless told not to.
        return [self.program, "rm", "--force", "--time=0", "--volumes", "--ignore", id]

    def remove_argv(self, id: str) -> Sequence[str]:
        """See `Engine.remove_argv`. Whoever needs it may have been killed in a start."""
        return [sys.executable, "-I", "-S", podman_run.__file__, id, *self._rm(id)]

    async def _discard(self, name: str) -> None:
        await super()._discard(name)
        await run(self.remove_argv(name), timeout=60)


def _delegated(host: dict[str, Any]) -> bool:
    """Whether a rootless container's limits are enforced: cgroup v2 with delegation."""
    return host.get("cgroupVersion") == "v2" and "memory" in as_list(host.get("cgroupControllers"))


def _problems(host: dict[str, Any], store: dict[str, Any], rootless: bool) -> list[Problem]:
    found = []
    if rootless and not _delegated(host):
        found.append(
            Problem(
                "Limits on memory and CPUs are not enforced for rootless containers here "
                "(they need cgroup v2 with delegation).",
                "Ask the administrator: https://rootlesscontaine.rs/getting-started/common/cgroup2/",
            )
        )
    if store.get("graphDriverName") == "vfs":
        found.append(
            Problem(
                "Podman copies whole images (storage driver vfs): slow, and it fills the disk.",
                'Set driver = "overlay" in ~/.config/containers/storage.conf, then: '
                "podman system reset",
            )
        )
    return found
