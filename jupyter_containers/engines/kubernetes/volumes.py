"""What a Pod mounts: folders of the cluster's volumes, and empty places of its own. Pure.

A container's spec names folders of this machine. What a person asks for is mapped by the policy's
volumes; what is ours (`spec.own`) is told by its place inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import BadSettings, PolicyRefused, Unsupported
from ...layout import BYTECODE_TARGET, CA_FILE, INSIDE, KIT_TARGET
from ...models import ContainerSpec, Mount
from ...text import one_line
from .site import VOLUMES, Site

DEFAULT_SHM = 64 << 20
_SECRETS = 16 << 20
"""Bytes for sockets, tokens and the connection file: in memory, and on no node's disk."""
_IN_IMAGE = (KIT_TARGET, BYTECODE_TARGET)
"""What is a layer of the image that was pushed."""
_ETC = {"/etc/passwd": "passwd", "/etc/group": "group"}
EMPTY = "empty"
"""The file that stands over a file in a volume which nobody inside may see."""
_READ_ALL = 0o444
_SHOWN = 3


@dataclass
class Volumes:
    """The Pod's `volumes` and its container's `volumeMounts`, as they are put together."""

    guest: str
    """The ConfigMap with our programs."""
    etc: str
    """The ConfigMap with passwd and its kin."""
    volumes: list[dict[str, Any]] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, target: str, source: Mapping[str, Any], **more: Any) -> None:
        """Mount a volume at a place; the volume is made where it is not there."""
        if all(one["name"] != name for one in self.volumes):
            self.volumes.append({"name": name, **source})
        given = {key: value for key, value in more.items() if value}
        self.mounts.append({"name": name, "mountPath": _target(target), **given})

    def empty(self, target: str, name: str = "", size: int | None = None, **more: Any) -> None:
        """An empty directory; with a size in memory."""
        kind = {} if size is None else {"medium": "Memory", "sizeLimit": quantity(size)}
        self.add(name or f"empty-{len(self.volumes)}", target, {"emptyDir": kind}, **more)

    def config(self, name: str, map: str, target: str, **more: Any) -> None:
        """Files of a ConfigMap, read-only."""
        source = {"configMap": {"name": map, "defaultMode": _READ_ALL}}
        self.add(name, target, source, readOnly=True, **more)

    def claim(self, mount: Mount, claim: str, sub_path: str) -> None:
        """A folder or file of a claim. Each claim is one volume, however many of its folders are
        mounted: a node attaches it once."""
        names = [
            one["name"]
            for one in self.volumes
            if one.get("persistentVolumeClaim", {}).get("claimName") == claim
        ]
        name = names[0] if names else f"claim-{len(self.volumes)}"
        source = {"persistentVolumeClaim": {"claimName": claim}}
        # What is mounted below it on the node, too; older clusters do not know that.
        # https://kubernetes.io/docs/concepts/storage/volumes/#recursive-read-only-mounts
        all_of_it = "" if mount.writable else "IfPossible"
        self.add(
            name,
            mount.target,
            source,
            subPath=sub_path,
            readOnly=not mount.writable,
            recursiveReadOnly=all_of_it,
        )


def volumes_of(
    spec: ContainerSpec, site: Site, *, guest: str, etc: str, empty_file: str, has_ca: bool = False
) -> Volumes:
    """All of it. `guest` and `etc` are names of ConfigMaps, `empty_file` is the path by which the
    policy covers a file. Raises Unsupported for a folder that the cluster does not have,
    PolicyRefused where it may only be read there, BadSettings for a place that is none."""
    found = Volumes(guest, etc)
    asked = [_asked(found, mount, spec, site) for mount in spec.mounts]
    for mount in spec.own:
        _own(found, mount, [one for one in asked if one], spec, site, empty_file)
    if has_ca:  # over the directory that comes by the tunnel, where a kernel may write
        found.config("etc", etc, f"{INSIDE}/conf/{CA_FILE}", subPath=CA_FILE)
    found.empty("/dev/shm", "shm", spec.shm or DEFAULT_SHM)
    for target in spec.tmpfs:
        found.empty(target, size=spec.shm or DEFAULT_SHM)
    if spec.read_only:
        taken = {one["mountPath"] for one in found.mounts}
        for target in ("/tmp", "/var/tmp"):
            if target not in taken:
                found.empty(target)
    return found


def _asked(found: Volumes, mount: Mount, spec: ContainerSpec, site: Site) -> Mount | None:
    """What a person asked for, or their notebook's own folder; None where that one is empty."""
    volume, is_folder = site.volume_of(mount.source), mount.target == spec.folder
    if volume is None:
        if not is_folder:
            raise Unsupported(
                f"The folder {mount.source} cannot be mounted in a Pod: it is on no volume that "
                "the cluster has.",
                f"Remove the mount from the notebook's settings; or the administrator names its "
                f"volume in {VOLUMES}, as path to claim.",
            )
        found.empty(mount.target)
        found.notes.append(folder_note(site, mount.source))
        return None
    if mount.writable and not volume.writable:
        if not is_folder:
            what = f"{mount.source} may only be mounted read-only in a Pod"
            raise PolicyRefused(what, VOLUMES, 'Set the mount\'s "writable" to false.')
        found.notes.append(folder_note(site, mount.source))
        mount = Mount(mount.source, mount.target)
    found.claim(mount, volume.claim, volume.below(mount.source) or "")
    return mount


def folder_note(site: Site, source: str) -> str:
    """See `TunnelingEngine.folder_note`."""
    volume = site.volume_of(source)
    if volume is None:
        others = [one_line(one.path) for one in site.volumes if one.writable][:_SHOWN]
        move = f"move the notebook below {' or '.join(others)}, or " if others else ""
        return (
            f"The notebook's folder {one_line(source)} is empty in its Pod, and what cells write "
            "there is lost when the Pod ends: it is on no volume of the cluster. To have it there, "
            f"{move}ask the administrator to name its volume in {VOLUMES}."
        )
    if volume.writable:
        return ""
    return (
        f"The notebook's folder {one_line(source)} is read-only in its Pod, as its volume "
        f"{volume.claim} is ({VOLUMES}): have cells write to a folder such as /tmp."
    )


def _own(
    found: Volumes,
    mount: Mount,
    asked: list[Mount],
    spec: ContainerSpec,
    site: Site,
    empty_file: str,
) -> None:
    target = mount.target
    if target in _IN_IMAGE:
        return
    if target == f"{INSIDE}/guest":
        found.config("guest", found.guest, target)
    elif target in (f"{INSIDE}/run", f"{INSIDE}/conf"):
        found.empty(target, target.rpartition("/")[2], _SECRETS)
    elif target in _ETC:
        found.config("etc", found.etc, target, subPath=_ETC[target])
    elif (whole := _part_of(mount, spec.mounts)) is not None:
        if (seen := _part_of(mount, asked)) is not None and seen.target == whole.target:
            _again(found, mount, seen, site)
    elif mount.writable or (above := _above(target, spec.mounts)) is None:
        found.empty(target, readOnly=not mount.writable)
    elif above.target not in {one.target for one in asked}:
        return  # the folder above it is empty: there is nothing to cover
    elif mount.source == empty_file:
        found.config("etc", found.etc, target, subPath=EMPTY)
    else:
        found.empty(target, readOnly=True)


def _again(found: Volumes, mount: Mount, seen: Mount, site: Site) -> None:
    """A part of a mount as a mount of its own: read-only, or so that it stays where it is."""
    volume = site.volume_of(mount.source)
    assert volume is not None, "what is below a folder of a volume is on one"
    writable = mount.writable and seen.writable and volume.writable
    again = Mount(mount.source, mount.target, writable)
    found.claim(again, volume.claim, volume.below(mount.source) or "")


def _above(target: str, mounts: Sequence[Mount]) -> Mount | None:
    """The nearest mount that a place is in."""
    found = [one for one in mounts if target.startswith(one.target.rstrip("/") + "/")]
    return max(found, key=lambda one: len(one.target), default=None)


def _part_of(mount: Mount, mounts: Sequence[Mount]) -> Mount | None:
    """The nearest mount that shows the same folder at the same place."""
    found = [
        one
        for one in mounts
        if _above(mount.target, [one]) is not None
        and mount.source == one.source.rstrip("/") + mount.target[len(one.target.rstrip("/")) :]
    ]
    return max(found, key=lambda one: len(one.target), default=None)


def _target(target: str) -> str:
    # https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#volumes-1
    if ":" in target:
        raise BadSettings(
            "mounts",
            f"nothing can be mounted at {target} in a Pod: it has a colon.",
            "Mount it at another place, or rename the notebook's folder.",
        )
    return target


def quantity(size: int) -> str:
    """Bytes as Kubernetes writes them itself, so that what comes back compares equal.
    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""
    for unit, power in (("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)):
        if size and size % (1 << power) == 0:
            return f"{size >> power}{unit}"
    return str(size)
