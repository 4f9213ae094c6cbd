"""Where librdkafka really reads, on a real broker that answers late."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from confluent_kafka import Consumer
from support.kafka_data import produce, unique
from support.kafka_jars_broker import JarKafka
from support.source_rig import wait_for

from taosbatch.offsets import Lane
from taosink.kafka.assignment import Assignment
from taosink.kafka.client import consumer_properties
from taosink.kafka.options import SourceOptions

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
