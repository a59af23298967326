"""Who a server is that is in a Pod itself: what kubelet puts there, read as it changes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from kubernetes_asyncio.config import incluster_config

from jupyter_containers.engines.kubernetes import access
from jupyter_containers.engines.kubernetes.client import Cluster
from jupyter_containers.errors import EngineDown

CA = """\
-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUK2pMweh1vqKCAUDq+k7IbUOFJz4wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMzAwNTIyMzdaGA8yMTI2MTEwNjA1MjIz
N1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJuI
8WRJK/X4skjMG3NWlcWWJMWYRraW3GORwteH532rzJHZYalllGcU/v9MWfT/MAeo
KnZnXxoToPtGMU5oIDSjUzBRMB0GA1UdDgQWBBRJ4PitShoiyQo05C0sJMQOYoK5
kjAfBgNVHSMEGDAWgBRJ4PitShoiyQo05C0sJMQOYoK5kjAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDQxxdFZiOM6X7sbeLt/CiuhAly2uIT5AfC
XmAKMh19MQIhAMNFy3g0Gds7urGOT3hF+lHz+EsS9K8dzDeObdLAwyWk
-----END CERTIFICATE-----
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The service account's files of a Pod that this process is in."""
    for name, text in (("token", "t-1"), ("ca.crt", CA), ("namespace", "jupyter-a")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(access, "_OWN", tmp_path)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    return tmp_path


def test_a_server_in_a_pod(own: Path) -> None:
    assert access.is_configured()
    found = asyncio.run(Cluster().access())
    assert (found.host, found.namespace, found.context) == ("https://10.0.0.1:443", "jupyter-a", "")
    assert found.configuration.ssl_ca_cert == str(own / "ca.crt")


def test_its_token_is_read_anew(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubelet replaces it long before its end, and the API server refuses the old one then."""
    monkeypatch.setattr(incluster_config, "TOKEN_REFRESH_PERIOD", timedelta(0))

    async def main() -> None:
        found = await Cluster().access()
        assert await found.headers() == {"Authorization": "Bearer t-1"}
        (own / "token").write_text("t-2")
        assert await found.headers() == {"Authorization": "Bearer t-2"}

    asyncio.run(main())


def test_a_refused_token_is_read_anew_at_once(own: Path) -> None:
    async def main() -> None:
        cluster = Cluster()
        async with cluster._pool() as pool:
            (own / "token").write_text("t-2")
            assert await cluster._renew(pool)
            assert pool.access is not None
            assert await pool.access.headers() == {"Authorization": "Bearer t-2"}
            assert not await cluster._renew(pool)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "text"), [("ca.crt", ""), ("ca.crt", "no certificate"), ("namespace", None)]
)
def test_an_account_that_is_half_there(own: Path, name: str, text: str | None) -> None:
    if text is None:
        (own / name).unlink()
    else:
        (own / name).write_text(text)
    with pytest.raises(EngineDown, match=r"service account of this server's Pod cannot be read"):
        asyncio.run(Cluster().access())


def test_without_an_account_it_is_no_server_of_a_pod(own: Path) -> None:
    (own / "token").unlink()
    assert not access.is_configured()
