"""The whole way under faults: devices over TLS, two gateways, Kafka, two consumers, a database, and answers back."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chaos.servers import Operator, operated_kafka
from support.ingress_e2e.plan import Plan
from support.ingress_e2e.run import run_whole_way

pytestmark = pytest.mark.kafka


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with operated_kafka(tmp_path / "kafka") as found:
        yield found


def test_what_was_acknowledged_is_stored_whatever_dies(operator: Operator, tmp_path: Path) -> None:
    """A gateway and a consumer are killed and the broker is restarted: no acknowledged reading is missing, every
    command ends in one state that all gateways tell, and the audit agrees."""
    plan = Plan(devices=200, seconds=9, period=1.0, command_period=0.1)
    report = run_whole_way(plan, operator, tmp_path)
    sys.stdout.write(f"{report.line}\n")
    assert report.clean, report.line
    assert report.acknowledged["stored"] > plan.devices
    assert report.acknowledged["rejected"]
    assert report.reconnects >= plan.devices / 4
    assert report.probed
    assert report.commands["answered"] > plan.late
    assert report.commands["expired"] >= plan.ghosts
    assert report.commands["delivered"]
