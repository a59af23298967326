"""Several tasks of MPI in a kernel's job, started from a cell by the image's own `mpirun`."""

from __future__ import annotations

import pytest

from tests.helpers.derived import make_image as make_image
from tests.helpers.harness import running

INSTALL = (
    "RUN apt-get update && apt-get install -y --no-install-recommends openmpi-bin python3-mpi4py"
    " && rm -rf /var/lib/apt/lists/*\n"
)
RUN = """
import subprocess
say = "from mpi4py.MPI import COMM_WORLD as w; print(w.size, w.allreduce(w.rank + 1))"
done = subprocess.run(["mpirun", "-n", "2", "python3", "-c", say], capture_output=True, text=True)
print(done.stdout, done.stderr)
"""


async def test_mpirun_starts_several_tasks_in_the_job(engine, image, make_image, notebook):
    if engine != "slurm+charliecloud":
        pytest.skip("of one engine that Slurm places: it is the image's own program")
    mpi = await make_image("mpi", f"FROM {image}\n{INSTALL}")
    slurm = {"slurm": {"ntasks": 2}}
    async with running(notebook(image=mpi, **slurm)) as kernel:
        done = await kernel.run(RUN, timeout=60)
        assert done["text"].splitlines()[:2] == ["2 3", "2 3"], done
