"""A million records, and consumers killed by SIGKILL twenty times meanwhile."""

import json
import os
import sys
from pathlib import Path

import pytest
from support.chaos.run import ChaosPlan, chaos
from support.chaos.schedule import Cast
from support.chaos.servers import Operator
from support.kafka_broker import KafkaUnderTest

pytestmark = [pytest.mark.soak, pytest.mark.kafka]

RECORDS = int(os.environ.get("TAOSINK_TEST_SOAK_RECORDS", "1000000"))
RATE, KILLS = 6_000, 20


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_twenty_kills_lose_nothing(
    real_kafka: KafkaUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    """The audit knows every record from its seed, and says lost 0."""
    plan = ChaosPlan(
        seed=20,
        seconds=RECORDS / RATE,
        rate=RATE,
        protocol=protocol,
        tables=500,
        poison_share=0.0005,
        cast=Cast(members=3, spares=0),
    )
    with Operator(real_kafka) as operator, chaos(plan, operator, tmp_path / "logs") as run:
        run.kill(KILLS)
        run.settle()
        report = run.report()
    with capsys.disabled():
        sys.stdout.write(f"\n{report.line}\n")
    assert report.clean, json.dumps(report.as_json(), indent=2)
    assert report.exits["killed"] == KILLS
