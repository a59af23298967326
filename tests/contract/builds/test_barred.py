"""RUN of a build reaches neither this machine nor a metadata address where the policy bars them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_containers.engines.base import BARS_RUN
from jupyter_containers.errors import BuildFailed
from tests.contract.builds.building import build, lines, nothing_left, spec_of
from tests.helpers.listening import addresses, listening

REACH = """
import socket, sys
for address, port in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        with socket.create_connection((address, int(port)), timeout=3) as found:
            print("said", address, found.recv(99).decode())
    except OSError as error:
        print("said", address, "no:", error)
"""


@pytest.mark.usefixtures("private_temporary_directory")
async def test_run_is_barred(engine, program, images, tag, features) -> None:
    if BARS_RUN not in features:
        pytest.skip("this engine cannot: RUN has no network then (tests/engines/test_barred.py)")
    seen = addresses()
    if not seen:
        pytest.skip("this machine has no address but 127.0.0.1")
    with listening() as port, listening("127.0.0.1") as private:
        asked = [*seen, "10.0.2.2", "169.254.169.254"]
        ports = [*(port for _ in seen), private, 80]
        pairs = " ".join(
            f"{address} {number}" for address, number in zip(asked, ports, strict=True)
        )
        code = REACH.strip().replace("\n", "\\n")
        text = f"FROM {images['python3.11']}\nRUN printf '{code}' >/t.py && python3 /t.py {pairs}\n"
        spec = replace(spec_of(text, tag), no_cache=True)
        with nothing_left(engine):
            open_said = lines(await build(program, spec))
            assert any(line.endswith("this machine") for line in open_said), open_said
            # What listens on 127.0.0.1 alone is reached by no RUN.
            assert any("said 10.0.2.2 no: " in line for line in open_said), open_said
            barred = replace(spec, barred=("host", "metadata"))
            said = [line for line in lines(await build(program, barred)) if "said" in line]
            assert len(said) == len(asked)
            assert [line for line in said if " no: " not in line] == []


@pytest.mark.usefixtures("private_temporary_directory")
async def test_a_barred_run_that_fails_says_why_and_leaves_nothing(
    engine, program, images, tag, features
) -> None:
    if BARS_RUN not in features:
        pytest.skip("this engine cannot")
    text = f"FROM {images['python3.11']}\nRUN echo before && exit 7\n"
    spec = replace(spec_of(text, tag), barred=("host",), no_cache=True)
    with nothing_left(engine), pytest.raises(BuildFailed) as raised:
        await build(program, spec)
    assert raised.value.code == 7
    assert raised.value.line == 2
