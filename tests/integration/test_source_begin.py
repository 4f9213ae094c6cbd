"""Where librdkafka really reads, on a real broker: after a late answer, and from a place that it was not told."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager

import pytest
from confluent_kafka import Consumer
from structlog.testing import capture_logs
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, produce, unique
from support.kafka_jars_broker import JarKafka
from support.source_rig import running, wait_for

from taosbatch.offsets import Lane
from taosink.kafka.assignment import Assignment
from taosink.kafka.client import consumer_properties
from taosink.kafka.options import GroupProtocol, SourceOptions
from taosink.kafka.start import Blocked

pytestmark = pytest.mark.kafka

BEFORE, MEANWHILE = 100, 60


@contextmanager
def frozen(kafka: JarKafka) -> Iterator[None]:
    kafka.freeze()
    try:
        yield
    finally:
        kafka.thaw()


@pytest.mark.parametrize("cooperative", [False, True])
def test_an_assignment_that_was_lost_while_its_start_was_unknown_leaves_nothing_behind(
    own_kafka: JarKafka, cooperative: bool
) -> None:
    """Assigned without a start, lost, and assigned with one, all while the broker is silent: what it answers then
    to the first does not move the second."""
    lane = Lane(unique(), 0)
    own_kafka.create_topic(lane.topic)
    produce(own_kafka.bootstrap, lane.topic, [b"x"] * BEFORE)
    options = SourceOptions(own_kafka.bootstrap, unique("group"), (lane.topic,))
    read: list[int] = []

    def poll(seconds: float) -> bool:
        found = consumer.consume(1_000, seconds)
        read.extend(m.offset() or 0 for m in found if m.error() is None)
        return bool(found)

    def lose() -> None:
        assignment.remove([lane])
        consumer.unassign()

    with closing(Consumer(consumer_properties(options, "classic"))) as consumer:
        assignment = Assignment(consumer, cooperative=cooperative)
        assignment.add([lane], {lane: 0}, {})
        wait_for(lambda: poll(0.1))  # the leader is known, so the next question goes out at once
        lose()
        read.clear()
        with frozen(own_kafka):
            assignment.add([lane], {}, {})
            poll(0.5)
            lose()
            assignment.add([lane], {lane: 0}, {})
            poll(0.2)
        for _ in range(MEANWHILE):
            # For longer than the half second after which librdkafka asks again.
            produce(own_kafka.bootstrap, lane.topic, [b"y"])
            poll(0.02)
        wait_for(lambda: poll(0.1) and BEFORE + MEANWHILE - 1 in read)
    assert read == list(range(BEFORE + MEANWHILE))


@pytest.mark.parametrize("behind", [40, BEFORE])
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_client_that_begins_further_on_is_brought_back(
    real_kafka: KafkaUnderTest, monkeypatch: pytest.MonkeyPatch, protocol: GroupProtocol, behind: int
) -> None:
    """Also where it begins at the end, and the end is all that it tells: committed, every record would be lost."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, [b"%d" % n for n in range(BEFORE)])
    right = Assignment.add

    def wrong(
        it: Assignment, lanes: Collection[Lane], begins: Mapping[Lane, int], blocked: Mapping[Lane, Blocked]
    ) -> None:
        right(it, lanes, {lane: offset + behind for lane, offset in begins.items()}, blocked)
        it.positions |= begins

    monkeypatch.setattr(Assignment, "add", wrong)
    options = SourceOptions(
        real_kafka.bootstrap, group, (topic,), group_protocol=protocol, commit_interval=0.1
    )
    with capture_logs() as logs, running(options) as rig:
        wait_for(lambda: committed(real_kafka.bootstrap, group, topic) == {0: BEFORE})
        assert rig.values == [b"%d" % n for n in range(BEFORE)]
    told = [line["offset"] for line in logs if line["event"] == "kafka.records_passed_over"]
    assert told == [0]
