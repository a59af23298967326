"""Our data as JSON, for programs: what `--json` prints and what the server answers.

Text in it was made printable by the module that read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .builds.jobs import Job
from .builds.lint import Diagnostic
from .engines.placement import Placement
from .errors import BadSettings, BuildError, ContainersError, DockerfileError, NotApproved
from .guest.cell import OPTIONS
from .images.labextensions import Lacking
from .kernels.listing import OwnedContainer
from .kernels.preflight import NotebookState
from .kernels.prune import Leftover
from .kernels.state import KernelState
from .models import EngineInfo, Image, Progress
from .policy.approvals import Ask
from .policy.records import ISOLATED, Record
from .settings.schema import FIELDS
from .text import one_line, printable


def error(error: ContainersError) -> dict[str, Any]:
    """An error with its sentence, its way out, and what a form or editor marks."""
    said: dict[str, Any] = {
        "message": error.message,
        "hint": error.hint,
        "type": type(error).__name__,
    }
    if isinstance(error, BadSettings):
        said["key"] = error.key
    if isinstance(error, NotApproved):
        said["items"] = list(error.items)
    if isinstance(error, DockerfileError | BuildError) and error.line:
        said |= {"line": error.line, "instruction": error.instruction}
    if isinstance(error, BuildError) and error.tail:
        said["tail"] = error.tail
    return said


def problem(error: ContainersError | None) -> dict[str, str] | None:
    """Its two sentences."""
    return {"message": error.message, "hint": error.hint} if error is not None else None


def engine(info: EngineInfo) -> dict[str, Any]:
    """An engine as `doctor` sees it."""
    return {
        "name": info.name,
        "version": info.version,
        "installed": info.installed,
        "usable": info.usable,
        "rootless": info.rootless,
        "features": sorted(info.features),
        "problems": [{"message": one.message, "fix": one.fix} for one in info.problems],
    }


def images(engine: str, found: list[Image]) -> list[dict[str, Any]]:
    """One row for each name of an engine's images, in their order."""
    rows = [
        {
            "reference": reference,
            "id": image.id,
            "engine": engine,
            "size": image.size,
            "created": image.created,
        }
        for image in found
        for reference in image.references
    ]
    return sorted(rows, key=lambda row: str(row["reference"]))


def image(engine: str, reference: str, image: Image) -> dict[str, Any]:
    """All that an engine says of one image."""
    return {
        "reference": reference,
        "id": image.id,
        "engine": engine,
        "size": image.size,
        "created": image.created,
        "architecture": image.architecture,
        "user": image.user,
        "digests": list(image.digests),
        "env": {one_line(name): printable(value) for name, value in image.env.items()},
        "entrypoint": [printable(word) for word in image.entrypoint],
        "labels": dict(image.labels),
    }


def leftover(one: Leftover) -> dict[str, Any]:
    """Something to remove; a size of None is not known."""
    return {"kind": one.kind, "name": one.name, "size": one.size}


def container(one: OwnedContainer) -> dict[str, Any]:
    """A container of ours."""
    return {
        "id": one.container.id[:12],
        "name": one.container.name,
        "engine": one.engine.name,
        "image": one.image,
        "notebook": one.notebook,
        "kernel_id": one.label("kernel"),
        "running": one.container.running,
        "created": one.container.created,
        "orphan": one.orphan,
    }


def job(job: Job, root: Path) -> dict[str, Any]:
    """A build or pull. `root` is the server's, which paths of notebooks are relative to."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "title": one_line(job.title),
        "engine": job.engine.name,
        "path": contents_path(job.notebook, root) or None,
        "index": job.index,
        "cell_id": job.cell_id,
        "started": job.started,
        "ended": job.ended,
        "error": error(job.error) if job.error is not None else None,
        "result": _outcome(job),
    }


def _outcome(job: Job) -> dict[str, Any] | None:
    if job.outcome is None or job.state != "done":
        return None
    said = asdict(job.outcome)
    return said | {"missing": list(job.outcome.missing)}


def progress(number: int, event: Progress) -> dict[str, Any]:
    """One event of a job."""
    return {
        "n": number,
        "kind": event.kind,
        "text": event.text,
        "step": event.step,
        "steps": event.steps,
        "line": event.line,
        "stage": event.stage,
        "done": event.done,
        "total": event.total,
    }


def end(number: int, ended: Job, root: Path) -> dict[str, Any]:
    """The last line of a job's events, in the shape of the others."""
    last = progress(number, Progress(kind="notice"))
    return last | {"kind": "end", "job": job(ended, root)}


def kernel(state: KernelState) -> dict[str, Any]:
    """A notebook's kernel."""
    return {
        "id": state.id,
        "state": state.state,
        "phase": state.phase,
        "trouble": problem(state.trouble),
        "container": state.container or None,
        "engine": state.engine,
        "image": state.image,
        "applied": asdict(state.applied) if state.applied is not None else None,
        "running": state.settings.to_json() if state.settings is not None else None,
        "placement": placement(state.placement) if state.placement is not None else None,
    }


def placement(at: Placement) -> dict[str, Any]:
    """Where a cluster's scheduler has put a kernel."""
    return {
        "job": at.job,
        "node": at.node or None,
        "ends": at.ends,
        "warning": at.warning or None,
    }


def notebook(state: NotebookState) -> dict[str, Any]:
    """A notebook on disk."""
    return {
        "asked": dict(state.asked) if state.asked is not None else None,
        "error": error(state.error) if state.error is not None else None,
        **missing(state.missing),
        "asks": list(state.asks),
        "engine": state.engine or None,
        "image_here": state.image_here,
        "build_same": state.build_same,
        "warning": state.warning or None,
        "changed": state.changed,
    }


def lacking(found: Sequence[Lacking]) -> list[dict[str, Any]]:
    """JupyterLab's extensions that a server lacks."""
    return [
        {
            "extension": one.extension,
            "package": one.package or None,
            "version": one.version or None,
            "command": one.command or None,
        }
        for one in found
    ]


def approval(record: Record) -> dict[str, Any]:
    """What is approved for one notebook (or one shared folder), and since when."""
    return {
        "file": printable(record.path),
        "outputs": record.outputs or ISOLATED,
        "items": [{"text": one.text, "day": one.day or None} for one in record.given],
    }


def missing(asked: Sequence[Ask]) -> dict[str, Any]:
    """What has not been approved: in words, and the settings' keys that ask for it."""
    return {
        "missing": [ask.text for ask in asked],
        "missing_keys": list(dict.fromkeys(ask.setting for ask in asked)),
    }


def remark(one: Diagnostic) -> dict[str, Any]:
    """A remark on a Dockerfile."""
    return asdict(one)


def fields() -> list[dict[str, Any]]:
    """The table of the settings' keys, in the order of the form."""
    return [
        {
            "key": key,
            "kind": field.kind,
            "doc": field.doc,
            "default": _default(field.default, field.write),
            "choices": list(field.choices),
            "trait": field.trait,
            "option": field.option,
            "in_cell": field.option in OPTIONS,
            "unable": field.unable_engines,
        }
        for key, field in FIELDS.items()
    ]


def _default(value: Any, write: Any) -> Any:
    return None if value is None else write(value)


def contents_path(file: Path | None, root: Path) -> str:
    """A file's path as the contents API has it; empty where it is not below the root."""
    if file is None:
        return ""
    for base in (root, root.resolve()):
        if file.is_relative_to(base):
            return file.relative_to(base).as_posix()
    return ""
