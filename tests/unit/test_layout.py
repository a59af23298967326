"""What stands alone, and says facts of `layout.py` once more, says the same."""

from jupyter_containers import layout
from jupyter_containers.host.reaper import process_container


def test_the_reaper_looks_where_the_container_has_it() -> None:
    assert process_container.INSIDE == layout.INSIDE
