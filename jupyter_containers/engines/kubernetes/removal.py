"""The end of a Pod whose owner was killed: what the reaper runs, with this Python.

python -I -c … SITE-PACKAGES CONTEXT NAMESPACE NAME
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from .client import Cluster
from .namespace import Namespace

_PACKAGE = __name__.partition(".")[0]
_RUN = (
    "import sys; sys.path.append(sys.argv[1]); "
    f"from {__name__} import main; sys.exit(main(sys.argv[2:]))"
)


def argv_of(context: str, namespace: str, name: str) -> list[str]:
    """The command; with an empty namespace in that of the context."""
    above = next(one for one in Path(__file__).parents if one.name == _PACKAGE).parent
    return [sys.executable, "-I", "-c", _RUN, str(above), context, namespace, name]


def main(words: Sequence[str]) -> int:
    """0 once there is no such Pod. Raises where the cluster does not answer, which is no 0."""
    asyncio.run(_remove(*words))
    return 0


async def _remove(context: str, namespace: str, name: str) -> None:
    cluster = Cluster(context)
    async with cluster.use():
        access = await cluster.access()
        await Namespace(cluster, namespace or access.namespace).remove_pod(name)
