"""The containers that Slurm runs, or ran, for this person."""

from __future__ import annotations

from collections.abc import Mapping

from ..models import Container
from .process_engine.base import ProcessEngine
from .process_engine.containers import container_of
from .slurm.job import labels_of
from .slurm.queue import Job


def listed(inner: ProcessEngine, name: str, jobs: Mapping[str, Job]) -> list[Container]:
    """Those of the engine `name` whose directories are here, and jobs of ours that have lost
    theirs, by their comment."""
    found = {}
    for _, record in inner.contained.records():
        if record.get("host") == name:
            row = jobs.get(str(record.get("job")))
            one = container_of(record, running=row is not None and row.alive)
            found[one.name] = one
    for row in jobs.values():
        labels = labels_of(row.comment, row.name, inner.name)
        goes_on = row.alive and row.state != "COMPLETING"
        if goes_on and labels and row.name not in found:
            found[row.name] = Container(
                id=row.name, name=row.name, image="", running=True, labels=labels
            )
    return list(found.values())
