"""The whole way with 1,000 devices, each gateway and consumer killed in turn, the broker stopped and killed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chaos.servers import Operator, operated_kafka
from support.ingress_e2e.plan import Plan
from support.ingress_e2e.run import run_whole_way

pytestmark = [pytest.mark.soak, pytest.mark.kafka]

SECONDS = float(os.environ.get("TAOSINK_TEST_SOAK_INGRESS_SECONDS", "90"))


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    with operated_kafka(tmp_path / "kafka") as found:
        yield found


def test_a_thousand_devices(operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that was acknowledged is missing, and every command ends as all gateways tell alike."""
    plan = Plan(
        devices=1000,
        seconds=SECONDS,
        period=2.0,
        command_period=0.1,
        faults=(
            (0.1, "kill_gateway"),
            (0.25, "kill_consumer"),
            (0.4, "restart_broker"),
            (0.55, "kill_gateway"),
            (0.7, "kill_consumer"),
            (0.85, "kill_broker"),
        ),
        late=50,
        ghosts=50,
        down=2.0,
        patience=180,
    )
    report = run_whole_way(plan, operator, tmp_path)
    with capsys.disabled():
        sys.stdout.write(f"\n{report.line}\n")
    assert report.clean, report.line
    assert report.reconnects >= plan.devices / 2
    assert report.commands["expired"] >= plan.ghosts
