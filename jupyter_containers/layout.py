"""Where a container's inside has what is ours: paths, ports, and the names of labels.

The reaper stands alone and has `INSIDE` once more: `tests/unit/test_layout.py` compares them.
"""

from __future__ import annotations

from pathlib import Path

GUEST_DIR = Path(__file__).with_name("guest")
"""Our programs for the inside, as this host has them."""
INSIDE = "/opt/jupyter-containers"
"""What of ours stands inside: `guest`, `run`, `conf`, `kit`, `bytecode`."""
KIT_TARGET = f"{INSIDE}/kit"
BYTECODE_TARGET = f"{INSIDE}/bytecode"
CA_FILE = "ca.pem"
"""In `conf`: the certificates that the policy lends to kernels."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of an image that sets none."""

GUEST_PORT = 20000
TCP_PORTS = (20001, 20002, 20003, 20004, 20005)
"""Not where others choose theirs by chance in the container: ipykernel 7 itself binds one between
49152 and 65535 first (`IOPubThread`, pyzmq's `bind_to_random_port`), Linux takes 32768 and up."""
STREAMS_PORT = 20006
"""The forwarder's, where it has no socket: `guest/streams.py`."""
RESERVED_PORTS = range(GUEST_PORT, STREAMS_PORT + 1)
"""All of these."""

LABEL = "jupyter-containers"
"""On every container of ours: `kernel`. What else is known of it has labels `LABEL.name`."""
POD_CONTAINER = "kernel"
"""The name of our container in its Pod: an admission webhook may put others beside it."""
BUILD_LABEL = f"{LABEL}.build"
"""On every image that we build: its fingerprint, its lineage and its origin. One label, because
podman commits a layer for each."""
