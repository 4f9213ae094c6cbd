"""SIGHUP on a gateway in a process of its own: secrets for new connects, and broken files that change nothing."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ingress_process import IngressProcess, SocketDevice, ingress

from taosink.embedded.librdkafka import MockCluster

READING = {"Timestamp": "2026-01-31T08:00:00.5Z", "Cols": [1.5, "on"]}


@pytest.fixture
def broker() -> Iterator[MockCluster]:
    with MockCluster({"readings": 1}) as found:
        yield found


def connects(gateway: IngressProcess, secret: str) -> str:
    """The status, or the code of the refusal."""
    with SocketDevice(gateway.address()) as device:
        answer = device.ask("connect", deviceUid="pump-1", uid=1, token=secret)
        return str(answer.get("errorCode", answer["status"]))


def reload(gateway: IngressProcess, event: str) -> None:
    gateway.events.pop(event, None)
    gateway.process.send_signal(signal.SIGHUP)
    gateway.event(event)


def test_a_new_secrets_file_counts_for_new_connects_and_a_broken_one_changes_nothing(
    broker: MockCluster, tmp_path: Path
) -> None:
    """A connection that is there goes on all the while; what is broken is an ERROR in the log."""
    secrets = tmp_path / "secrets"
    secrets.write_text("pump-1:first\nother:x\n")
    settings = {
        "kafka.brokers": broker.bootstrap,
        "topic": "readings",
        "ingress.auth": "secrets",
        "ingress.secrets-file": str(secrets),
    }
    with ingress(settings) as gateway, SocketDevice(gateway.address()) as held:
        assert held.ask("connect", deviceUid="other", uid=1, token="x")["status"] == "ok"
        assert connects(gateway, "first") == "ok"

        secrets.write_text("pump-1:second\n")
        reload(gateway, "ingress.auth_reloaded")
        assert connects(gateway, "first") == "unauthorized"
        assert connects(gateway, "second") == "ok"

        secrets.write_text("this is no pair\n")
        reload(gateway, "ingress.auth_reload_failed")
        assert gateway.events["ingress.auth_reload_failed"]["level"] == "error"
        assert connects(gateway, "second") == "ok"
        assert held.ask("data", uid=2, data=READING)["status"] == "ok"
