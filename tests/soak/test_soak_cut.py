"""The database cut off for minutes while producers go on: memory, the lag after, and the account."""

import json
import os
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from support.chaos.members import Member
from support.chaos.memory import LARGE_CONSTANT, MIB, Curve, rss
from support.chaos.run import ChaosPlan, Run, chaos
from support.chaos.schedule import Cast
from support.chaos.servers import Operator
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, unique

pytestmark = [
    pytest.mark.soak,
    pytest.mark.kafka,
    pytest.mark.skipif(sys.platform != "linux", reason="the resident size is read from /proc"),
]

SECONDS = float(os.environ.get("TAOSINK_TEST_SOAK_CUT_SECONDS", "120"))
RATE = int(os.environ.get("TAOSINK_TEST_SOAK_CUT_RATE", "5000"))
BEFORE, AFTER = 10.0, 20.0
EVERY = 0.2
BUDGET = 256 * MIB
"""The default of memory.budget."""


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_long_cut_is_waited_for(
    real_kafka: KafkaUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    """Every member stays within its idle size, its budget and a constant; nobody restarts, nothing is
    dead-lettered, the lag is gone afterwards, and the audit finds every record."""
    cast = Cast(members=2, spares=0)
    plan = ChaosPlan(
        seed=5,
        seconds=BEFORE + SECONDS + AFTER,
        rate=RATE,
        protocol=protocol,
        tables=200,
        poison_share=0.0,
        cast=cast,
        patience=120.0,
    )
    with Operator(real_kafka) as operator, chaos(plan, operator, tmp_path / "logs") as run:
        run.begin()
        members = list(run.group.members.values())
        curves = [Curve(_pid(member)) for member in members]
        idle = _watched(run, curves, 1.0)
        with run.producing():
            _watched(run, curves, BEFORE)
            run.proxy.cut()
            _watched(run, curves, SECONDS)
            lag = _lag(run)
            run.proxy.restore()
            _watched(run, curves, AFTER)
        run.settle()
        after = _lag(run)
        starts = [member.starts for member in members]
        report = run.report()
    told = {
        **report.as_json(),
        "cut_seconds": SECONDS,
        "rate": RATE,
        "lag_at_restore": lag,
        "lag_after": after,
        "idle_mib": [round(size / MIB) for size in idle],
        "peak_mib": [round(curve.peak / MIB) for curve in curves],
        "budget_mib": BUDGET // MIB,
    }
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(told)}\n")
        for curve in curves:
            sys.stdout.write(f"{curve}\n")
    assert report.clean, told
    assert starts == [1, 1]
    assert report.dead_lettered == 0
    assert lag > after == 0
    for curve, size in zip(curves, idle, strict=True):
        assert curve.peak - size <= BUDGET + LARGE_CONSTANT, str(curve)


def _pid(member: Member) -> int:
    assert member.process is not None
    return member.process.pid


def _watched(run: Run, curves: list[Curve], seconds: float) -> list[int]:
    """Samples all of them for so long; their peaks so far."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for curve in curves:
            curve.samples.append((time.monotonic() - curve.begun, rss(curve.pid)))
        run.group.tend()
        time.sleep(EVERY)
    return [curve.peak for curve in curves]


def _lag(run: Run) -> int:
    """Records that the group has not committed, as the broker says: a member does not hear of new ones in
    partitions that it has paused."""
    asking = Consumer(
        {"bootstrap.servers": run.kafka.bootstrap, "group.id": unique("asking"), "log_level": 0}
    )
    with closing(asking):
        partitions = [TopicPartition(run.topic, p) for p in range(run.plan.partitions)]
        ends = sum(asking.get_watermark_offsets(tp, timeout=30)[1] for tp in partitions)
    return ends - sum(committed(run.kafka.bootstrap, run.topic, run.topic).values())
