"""A full queue pauses partitions and polling goes on; a blocked partition holds back no other."""

import time

import pytest
from support.kafka_broker import KafkaUnderTest
from support.kafka_data import committed, produce, unique
from support.source_rig import running, wait_for

from taosbatch.offsets import Lane
from taosink.kafka.chunks import RECORD_OVERHEAD
from taosink.kafka.options import GroupProtocol, SourceOptions

pytestmark = pytest.mark.kafka

QUEUE = 500_000
REFILL = 100_000


def options(
    kafka: KafkaUnderTest, topic: str, protocol: GroupProtocol = "consumer", **properties: str
) -> SourceOptions:
    return SourceOptions(
        kafka.bootstrap,
        unique("group"),
        (topic,),
        group_protocol=protocol,
        session_timeout=2.0 if protocol == "classic" else None,
        commit_interval=0.1,
        prefetch_bytes=1 << 20,
        refill_bytes=REFILL,
        properties=properties,
    )


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_a_full_queue_pauses_and_polling_goes_on(kafka: KafkaUnderTest, protocol: GroupProtocol) -> None:
    """For longer than max.poll.interval.ms nothing is taken: the member keeps its partitions, what is held
    stays bounded, and afterwards everything is read once and in order."""
    topic = unique()
    kafka.create_topic(topic, partitions=2)
    values = [b"%09d" % n + bytes(991) for n in range(2_000)]
    produce(kafka.bootstrap, topic, values[::2], partition=0)
    produce(kafka.bootstrap, topic, values[1::2], partition=1)
    chosen = options(kafka, topic, protocol, **{"max.poll.interval.ms": "3000"})
    with running(chosen, queue_bytes=QUEUE, closed=True) as rig:
        wait_for(lambda: len(rig.source.view.paused) == 2)
        until = time.monotonic() + 4.0
        wait_for(lambda: time.monotonic() > until)
        held = rig.tracker.pending_records * len(values[0])
        # Two workers hold a batch each; queue, overflow and one more poll stand beside them.
        assert held <= 3 * QUEUE + 2 * REFILL
        assert rig.tracker.pending_records < 2_000
        assert time.monotonic() - rig.source.beat < 1.0
        rig.gate.set()
        wait_for(lambda: rig.source.at_end)
        assert [lost for _, _, lost in rig.seen.revocations] == []
        assert len(rig.values) == 2_000
        for partition in (0, 1):
            assert [o for p, o in rig.offsets if p == partition] == list(range(1_000))
        wait_for(lambda: committed(kafka.bootstrap, chosen.group, topic) == {0: 1_000, 1: 1_000})


def test_a_blocked_lane_holds_back_no_other(kafka: KafkaUnderTest) -> None:
    """One partition's batch is held for ever: it alone is paused, the other is read to its end."""
    topic = unique()
    kafka.create_topic(topic, partitions=2)
    produce(kafka.bootstrap, topic, [bytes(1_000)] * 2_000, partition=0)
    chosen = options(kafka, topic)
    with running(chosen, queue_bytes=QUEUE, gated=0, closed=True) as rig:
        wait_for(lambda: rig.source.view.paused == {Lane(topic, 0)})
        produce(kafka.bootstrap, topic, [bytes(1_000)] * 2_000, partition=1)
        wait_for(lambda: committed(kafka.bootstrap, chosen.group, topic).get(1) == 2_000)
        assert rig.source.view.paused == {Lane(topic, 0)}
        assert rig.tracker.pending(Lane(topic, 0)) < 2_000
        rig.gate.set()
        wait_for(lambda: len(rig.values) == 4_000)


def test_a_lane_too_far_ahead_of_its_prefix_is_paused(kafka: KafkaUnderTest) -> None:
    """Delivered minus committable is bounded, however small the records are."""
    topic = unique()
    kafka.create_topic(topic)
    produce(kafka.bootstrap, topic, [b"x"] * 20_000)
    chosen = SourceOptions(kafka.bootstrap, unique("group"), (topic,), max_ahead=2_000, commit_interval=0.1)
    with running(chosen, closed=True) as rig:
        wait_for(lambda: rig.source.view.paused)
        assert rig.tracker.pending_records <= 2_000 + chosen.poll_records
        rig.gate.set()
        wait_for(lambda: len(rig.values) == 20_000)


def test_large_records_make_small_polls(kafka: KafkaUnderTest) -> None:
    """Records of 100 kB come a few at a time: what one poll brings stays near its share."""
    topic = unique()
    kafka.create_topic(topic)
    produce(kafka.bootstrap, topic, [bytes(100_000)] * 40)
    with running(options(kafka, topic), queue_bytes=QUEUE) as rig:
        wait_for(lambda: len(rig.values) == 40)
        first, *later = rig.seen.chunks
        assert first <= 10 * (100_000 + RECORD_OVERHEAD)
        assert max(later) <= REFILL + RECORD_OVERHEAD


def test_stop_hands_over_what_did_not_fit(kafka: KafkaUnderTest) -> None:
    """A stop under a full queue drains it all: what is committed is what was written, and nothing is
    pending."""
    topic = unique()
    kafka.create_topic(topic)
    produce(kafka.bootstrap, topic, [bytes(1_000)] * 2_000)
    chosen = options(kafka, topic)
    with running(chosen, queue_bytes=QUEUE, closed=True) as rig:
        wait_for(lambda: rig.source.view.paused)
        rig.source.stop(time.monotonic() + 20)
        rig.gate.set()
        rig.drain()
        outcome = rig.source.outcome
        assert outcome is not None
        assert (outcome.reason, outcome.committed, outcome.pending, outcome.closed) == (
            "stopped",
            True,
            0,
            True,
        )
        assert committed(kafka.bootstrap, chosen.group, topic) == {0: len(rig.values)}
        assert 0 < len(rig.values) < 2_000
