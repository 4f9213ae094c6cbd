"""The consumer's memory over minutes without a database, at the default budget, and its curve."""

import os
import sys
from pathlib import Path

import pytest
from support.chaos.backlog import Backlog, measure
from support.chaos.memory import LARGE_CONSTANT, MIB
from support.chaos.stage import stage
from support.kafka_broker import KafkaUnderTest

pytestmark = [
    pytest.mark.soak,
    pytest.mark.kafka,
    pytest.mark.skipif(sys.platform != "linux", reason="the resident size is read from /proc"),
]

SECONDS = float(os.environ.get("TAOSINK_TEST_SOAK_MEMORY_SECONDS", "120"))
BUDGET = 256 * MIB
BACKLOGS = [
    Backlog("2 million of 100 B", 1_000_000, 100),
    Backlog("500 kB", 1_500, 500_000),
    Backlog("compressed tenfold", 6_000, 100_000, "zstd", restless=0.4),
]


@pytest.mark.parametrize("backlog", BACKLOGS, ids=lambda backlog: backlog.name)
def test_minutes_without_a_database(
    real_kafka: KafkaUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str], backlog: Backlog
) -> None:
    """The curve is flat while nothing can be written, and stays within the bound while the backlog is."""
    with stage(real_kafka, tmp_path) as found, capsys.disabled():
        measure(found, backlog, BUDGET, cut_for=SECONDS, drain_for=20, constant=LARGE_CONSTANT)
