"""SIGTERM in the middle of a rebalance: the member drains, leaves within its deadline, and nothing is written twice."""

import json
import signal
import time
from pathlib import Path

import pytest
from support.chaos.members import Member
from support.chaos.run import ChaosPlan, Run, chaos
from support.chaos.schedule import Cast
from support.chaos.servers import Operator
from support.kafka_broker import KafkaUnderTest

pytestmark = pytest.mark.kafka


def stops(run: Run, member: Member) -> float:
    """SIGTERM, and no new process in its place; the seconds until it has ended."""
    begun = time.monotonic()
    member.wanted = False
    assert member.send(signal.SIGTERM)
    run.tend_until(lambda: member.process is None)
    return time.monotonic() - begun


def joins(run: Run, member: Member) -> None:
    """Returns when its process asks the group for its part: the others are about to give up some of theirs."""
    run.group.begin("join", member.name)
    run.tend_until(lambda: member.working)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_stop_in_mid_rebalance(real_kafka: KafkaUnderTest, tmp_path: Path, protocol: str) -> None:
    """Under flow: a member is stopped while another one joins, then one while another one leaves."""
    plan = ChaosPlan(seed=4, seconds=6, protocol=protocol, telling=False, cast=Cast(members=2, spares=1))
    with Operator(real_kafka) as operator, chaos(plan, operator, tmp_path / "logs") as run:
        run.begin()
        first, second = run.group.members["member-0"], run.group.members["member-1"]
        third = run.group.members["spare-0"]
        with run.producing():
            joins(run, third)
            took = [stops(run, first)]
            joins(run, first)
            third.wanted = False
            third.send(signal.SIGTERM)
            took.append(stops(run, second))
            run.tend_until(lambda: third.process is None)
            run.begin()
        run.settle()
        report = run.report()
        rebalances = sum(event["event"] in ("kafka.assigned", "kafka.revoked") for event in run.group.said())
    assert report.clean, json.dumps(report.as_json(), indent=2)
    assert max(took) < plan.stop_deadline
    assert report.exits == {"0": 5}
    assert report.written_again == 0
    assert rebalances > 8
