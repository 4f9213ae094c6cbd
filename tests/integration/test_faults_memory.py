"""The memory of a consumer stays within its budget while the database is gone and the backlog is large."""

import sys
from pathlib import Path

import pytest
from support.chaos.backlog import LARGE, SMALL, SQUEEZED, Backlog, measure
from support.chaos.memory import MIB
from support.chaos.stage import stage
from support.kafka_broker import KafkaUnderTest

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(sys.platform != "linux", reason="the resident size is read from /proc"),
]
BUDGET = 64 * MIB


@pytest.mark.parametrize("backlog", [SMALL, LARGE, SQUEEZED], ids=lambda backlog: backlog.name)
def test_a_backlog_without_a_database_stays_within_the_budget(
    real_kafka: KafkaUnderTest, tmp_path: Path, backlog: Backlog
) -> None:
    """Idle size, plus the budget, plus the stated constant: while everything waits, and while it is written."""
    with stage(real_kafka, tmp_path) as found:
        measure(found, backlog, BUDGET, cut_for=3.0, drain_for=2.0)
