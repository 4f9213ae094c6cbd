"""Members come, go and die: nothing is missing, and what had ended is not read again."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, produce, unique
from support.kafka_jars_broker import JarKafka
from support.mock_cluster import MockKafka
from support.source_rig import Rig, running, wait_for

from taosink.kafka.errors import FatalClientError
from taosink.kafka.options import GroupProtocol, SourceOptions

pytestmark = pytest.mark.kafka
PROTOCOLS = pytest.mark.parametrize("protocol", ["consumer", "classic"])


def options(kafka: KafkaUnderTest, topic: str, group: str, protocol: GroupProtocol) -> SourceOptions:
    return SourceOptions(
        kafka.bootstrap,
        group,
        (topic,),
        group_protocol=protocol,
        session_timeout=6.0 if protocol == "classic" else None,
        commit_interval=0.1,
        poll_records=100,
    )


@contextmanager
def flow(kafka: KafkaUnderTest, topic: str, counts: list[int]) -> Iterator[threading.Event]:
    """Produces 200 records at a time until the block ends; `counts` sums up."""
    ended = threading.Event()

    def go() -> None:
        while not ended.wait(0.05):
            produce(kafka.bootstrap, topic, [b"x"] * 200)
            counts.append(200)

    thread = threading.Thread(target=go, name="flow")
    thread.start()
    try:
        yield ended
    finally:
        ended.set()
        thread.join()


@PROTOCOLS
def test_members_share_and_hand_over_without_a_duplicate(
    kafka: KafkaUnderTest, protocol: GroupProtocol
) -> None:
    """A second member joins under flow, the first drains and leaves: every record is read exactly once."""
    topic, group = unique(), unique("group")
    kafka.create_topic(topic, partitions=6)
    counts: list[int] = []
    with flow(kafka, topic, counts) as ended, running(options(kafka, topic, group, protocol)) as one:
        wait_for(lambda: len(one.values) > 400)
        with running(options(kafka, topic, group, protocol)) as two:
            wait_for(lambda: len(one.source.view.lanes) == len(two.source.view.lanes) == 3)
            wait_for(lambda: len(two.values) > 400)
            one.drain()
            wait_for(lambda: len(two.source.view.lanes) == 6)
            ended.set()
            wait_for(lambda: len(one.values) + len(two.values) >= sum(counts) and two.source.at_end)
            two.drain()
    read = Counter(one.offsets + two.offsets)
    assert read.total() == len(read) == sum(counts)
    assert sum(committed(kafka.bootstrap, group, topic).values()) == sum(counts)
    assert not any(lost for rig in (one, two) for _, _, lost in rig.seen.revocations)


@PROTOCOLS
def test_a_revoke_waits_for_what_a_worker_holds(real_kafka: KafkaUnderTest, protocol: GroupProtocol) -> None:
    """A partition goes only after its records on the way have ended and are committed."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic, partitions=2)
    produce(real_kafka.bootstrap, topic, [b"x"] * 400)
    with running(options(real_kafka, topic, group, protocol), closed=True) as one:
        wait_for(lambda: one.tracker.pending_records == 400)
        opener = threading.Timer(1.0, one.gate.set)
        opener.start()
        with running(options(real_kafka, topic, group, protocol)) as two:
            wait_for(lambda: len(one.source.view.lanes) == len(two.source.view.lanes) == 1)
            wait_for(lambda: one.source.at_end and two.source.at_end)
            opener.join()
            assert len(one.values) == 400
            assert two.values == []
            assert [pending for _, pending, _ in one.seen.revocations] == [0]


@PROTOCOLS
def test_a_revoke_under_a_backlog_writes_nothing_twice(
    real_kafka: KafkaUnderTest, protocol: GroupProtocol
) -> None:
    """What no worker has begun goes to the next owner; what they have begun ends and is committed first."""
    topic, group, each = unique(), unique("group"), 20_000
    real_kafka.create_topic(topic, partitions=2)
    for partition in (0, 1):
        produce(real_kafka.bootstrap, topic, [b"x"] * each, partition=partition)
    chosen = replace(options(real_kafka, topic, group, protocol), poll_records=5_000, revoke_deadline=2.0)
    with running(chosen) as one:
        one.pace = 0.3
        wait_for(lambda: len(one.values) > 2_000)
        with running(chosen) as two:
            wait_for(lambda: len(two.source.view.lanes) == 1)
            one.pace = 0.0
            wait_for(lambda: one.source.at_end and two.source.at_end)
            [(_, pending, lost)] = [told for told in one.seen.revocations if told[0]]
            assert pending > 0
            assert not lost
            sent = Counter(one.sent + two.sent)
            assert sent.total() == len(sent) == 2 * each


def test_a_revoke_does_not_wait_where_nothing_can_end(real_kafka: KafkaUnderTest) -> None:
    """While the database is down a partition is given up at once, and its records are read by the next
    owner."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic, partitions=2)
    produce(real_kafka.bootstrap, topic, [b"x"] * 400)
    chosen = replace(options(real_kafka, topic, group, "consumer"), revoke_deadline=20.0)
    with running(chosen, can_finish=lambda: False, closed=True) as one:
        wait_for(lambda: one.tracker.pending_records == 400)
        with running(chosen) as two:
            wait_for(lambda: len(two.source.view.lanes) == 1, 10)
            wait_for(lambda: two.values and two.source.at_end)
            [(_, pending, _)] = one.seen.revocations
            assert pending == len(two.values)


@PROTOCOLS
def test_a_pause_does_not_outlive_an_assignment(real_kafka: KafkaUnderTest, protocol: GroupProtocol) -> None:
    """A partition that was paused when it went is read when it comes back to the same member."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic, partitions=2)
    for partition in (0, 1):
        produce(real_kafka.bootstrap, topic, [bytes(1_000)] * 1_000, partition=partition)
    chosen = options(real_kafka, topic, group, protocol)
    with running(chosen, queue_bytes=200_000, can_finish=lambda: False, closed=True) as one:
        wait_for(lambda: len(one.source.view.paused) == 2)
        with running(chosen, closed=True) as two:
            wait_for(lambda: len(one.source.view.lanes) == len(two.source.view.lanes) == 1)
        wait_for(lambda: len(one.source.view.lanes) == 2)
        one.gate.set()
        wait_for(lambda: one.source.at_end)
        everything = {(p, o) for p in (0, 1) for o in range(1_000)}
        assert set(one.offsets) | set(two.offsets) == everything


@PROTOCOLS
def test_a_killed_member_loses_nothing(real_kafka: KafkaUnderTest, protocol: GroupProtocol) -> None:
    """After SIGKILL the next owner goes on from the committed prefix: nothing is missing in between."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic, partitions=3)
    produce(real_kafka.bootstrap, topic, [b"x"] * 3_000)
    victim = subprocess.Popen(
        [sys.executable, "-m", "support.source_process", real_kafka.bootstrap, group, topic, protocol],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert victim.stdout is not None
    with victim, victim.stdout:
        lines = [victim.stdout.readline() for _ in range(500)]
        victim.kill()
        lines += victim.stdout.readlines()
    first = {(int(p), int(o)) for p, o in (line.split() for line in lines if line.endswith("\n"))}
    assert 500 <= len(first) < 3_000
    before = committed(real_kafka.bootstrap, group, topic)
    with running(options(real_kafka, topic, group, protocol)) as rig:
        wait_for(lambda: rig.source.at_end and len(rig.source.view.lanes) == 3, 60)
        rig.drain()
    assert len(first | set(rig.offsets)) == 3_000
    assert min((o for p, o in rig.offsets if p == 0), default=before.get(0, 0)) >= before.get(0, 0)


def test_a_static_member_that_was_killed_ends_a_new_one_fatally(real_kafka: KafkaUnderTest) -> None:
    """With KIP-848 a static id that is still taken makes the client's handle fatal: the source ends and says
    so."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    holder = Consumer(
        {
            "bootstrap.servers": real_kafka.bootstrap,
            "group.id": group,
            "group.protocol": "consumer",
            "group.instance.id": "one",
        }
    )
    holder.subscribe([topic])
    try:
        wait_for(lambda: holder.poll(0.1) is None and holder.assignment())
        chosen = SourceOptions(
            real_kafka.bootstrap, group, (topic,), group_protocol="consumer", static_id="one"
        )
        with running(chosen) as rig:
            outcome = rig.source.wait(30)
            assert outcome is not None
            assert outcome.reason == "fatal"
            assert isinstance(outcome.error, FatalClientError)
            assert outcome.error.exit_code == 4
    finally:
        holder.close()


def reads_by_classic(rig: Rig) -> None:
    wait_for(lambda: len(rig.values) == 100)
    assert rig.source.protocol == "classic"
    rig.drain()
    assert rig.source.outcome is not None
    assert rig.source.outcome.reason == "stopped"


def test_a_broker_with_kip_848_switched_off_is_served_by_classic(tmp_path: Path) -> None:
    """The refusal is no fatal error with auto: the source goes on with the classic protocol."""
    if not shutil.which("java") or not shutil.which("mvn"):
        pytest.skip("needs a broker with settings of its own")
    broker = JarKafka(tmp_path / "kafka", {"group.coordinator.rebalance.protocols": "classic"})
    try:
        broker.create_topic("old")
        produce(broker.bootstrap, "old", [b"x"] * 100)
        with running(SourceOptions(broker.bootstrap, "g", ("old",))) as rig:
            reads_by_classic(rig)
    finally:
        broker.close()


def test_a_broker_that_never_heard_of_kip_848_is_served_by_classic() -> None:
    """A broker older than the protocol: librdkafka asks it for ever, the source does not."""
    broker = MockKafka()
    broker.refuse(68)
    try:
        broker.create_topic("older")
        produce(broker.bootstrap, "older", [b"x"] * 100)
        with running(SourceOptions(broker.bootstrap, "g", ("older",))) as rig:
            reads_by_classic(rig)
    finally:
        broker.close()


@PROTOCOLS
def test_a_member_that_does_not_poll_loses_its_partitions_and_commits_nothing(
    real_kafka: KafkaUnderTest, protocol: GroupProtocol
) -> None:
    """Epochs of lost partitions end; when polling goes on the member joins again and reads from the
    commit."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, [b"x"] * 10)
    frozen = threading.Event()
    blocked_for = 10.0 if protocol == "consumer" else 4.5

    chosen = SourceOptions(
        real_kafka.bootstrap,
        group,
        (topic,),
        group_protocol=protocol,
        session_timeout=2.0 if protocol == "classic" else None,
        commit_interval=0.1,
        properties={"max.poll.interval.ms": "3000"},
    )
    with running(chosen) as rig:
        wait_for(lambda: len(rig.values) == 10)
        session = rig.source._session
        assert session is not None
        step = session.step

        def slow_step() -> None:
            if not frozen.is_set():
                frozen.set()
                time.sleep(blocked_for)
            step()

        rig.gate.clear()
        produce(real_kafka.bootstrap, topic, [b"y"] * 10)
        wait_for(lambda: rig.tracker.pending_records == 10)
        session.step = slow_step  # type: ignore[method-assign] # the freeze that the test is about
        wait_for(lambda: len(rig.seen.revocations) == 1, 60)
        assert rig.seen.revocations[0][1:] == (10, True)
        rig.gate.set()
        wait_for(lambda: rig.values.count(b"y") == 10, 60)
        wait_for(lambda: committed(real_kafka.bootstrap, group, topic) == {0: 20})
