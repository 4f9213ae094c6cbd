"""Where partitions begin on a real broker, and what a commit says beside its offset."""

import time

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined] # re-exported there
from support.kafka_broker import KafkaUnderTest, admin
from support.kafka_data import commit, committed, committed_with_metadata, produce, unique
from support.source_rig import running, wait_for

from taosbatch.offsets import Lane
from taosink.kafka import resolver, topic_watch
from taosink.kafka.commit_metadata import CommitMetadata, decode
from taosink.kafka.options import SourceOptions
from taosink.kafka.start import EARLIEST, LATEST, Start

pytestmark = pytest.mark.kafka


def options(kafka: KafkaUnderTest, topic: str, group: str, start: Start = EARLIEST) -> SourceOptions:
    quick = {"topic.metadata.refresh.interval.ms": "500"}
    return SourceOptions(kafka.bootstrap, group, (topic,), start=start, commit_interval=0.1, properties=quick)


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%d" % n for n in range(first, last)]


def delete_before(kafka: KafkaUnderTest, topic: str, offset: int) -> None:
    """What retention does: the low watermark moves up to `offset`."""
    client = admin(kafka.bootstrap)  # kept: its end would cancel the request
    for future in client.delete_records([TopicPartition(topic, 0, offset)]).values():
        future.result(30)


def test_latest_is_resolved_and_committed_at_once(kafka: KafkaUnderTest) -> None:
    """A group that starts at the end commits that end before it has read anything."""
    topic, group = unique(), unique("group")
    kafka.create_topic(topic)
    produce(kafka.bootstrap, topic, numbered(0, 100))
    with running(options(kafka, topic, group, LATEST)) as rig:
        wait_for(lambda: committed(kafka.bootstrap, group, topic) == {0: 100})
        produce(kafka.bootstrap, topic, [b"new"])
        wait_for(lambda: rig.values == [b"new"])


@pytest.mark.parametrize(("offset", "first"), [(40, 40), (0, 0), (1_000, 100)])
def test_an_offset_is_kept_within_what_there_is(kafka: KafkaUnderTest, offset: int, first: int) -> None:
    """A number beyond the end starts at the end."""
    topic, group = unique(), unique("group")
    kafka.create_topic(topic)
    produce(kafka.bootstrap, topic, numbered(0, 100))
    with running(options(kafka, topic, group, Start("offset", offset))) as rig:
        wait_for(lambda: rig.source.at_end)
        assert rig.values == numbered(first, 100)
        wait_for(lambda: committed(kafka.bootstrap, group, topic) == {0: 100})


def test_a_time_starts_at_the_first_record_from_then_on(real_kafka: KafkaUnderTest) -> None:
    """Records with an earlier timestamp are not read; a partition without later ones starts at its end."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic, partitions=2)
    now = int(time.time() * 1000)
    produce(real_kafka.bootstrap, topic, [b"old"] * 5, partition=0, timestamp=now - 60_000)
    produce(real_kafka.bootstrap, topic, [b"new"] * 5, partition=0, timestamp=now)
    produce(real_kafka.bootstrap, topic, [b"old"] * 5, partition=1, timestamp=now - 60_000)
    with running(options(real_kafka, topic, group, Start("time", now - 30_000))) as rig:
        wait_for(lambda: rig.source.at_end)
        assert rig.values == [b"new"] * 5
        wait_for(lambda: committed(real_kafka.bootstrap, group, topic) == {0: 10, 1: 5})


def test_a_commit_of_somebody_else_is_taken_and_stamped(real_kafka: KafkaUnderTest) -> None:
    """An older consumer's offset holds, whatever kafka.offset says, and gets topic id and partition count."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, numbered(0, 100))
    commit(real_kafka.bootstrap, group, [TopicPartition(topic, 0, 60)])
    with running(options(real_kafka, topic, group, LATEST)) as rig:
        wait_for(lambda: rig.source.at_end)
        assert rig.values == numbered(60, 100)
    _, metadata = committed_with_metadata(real_kafka.bootstrap, group, topic)[0]
    found = decode(metadata)
    assert found is not None
    assert found.partitions == 1
    assert len(found.topic_id) > 10


def test_a_partition_that_is_added_is_read_from_its_beginning(real_kafka: KafkaUnderTest) -> None:
    """With latest, records that a later partition got before this group saw it are not skipped."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, numbered(0, 10))
    chosen = options(real_kafka, topic, group, LATEST)
    with running(chosen) as rig:
        wait_for(lambda: committed(real_kafka.bootstrap, group, topic) == {0: 10})
        rig.drain()
    client = admin(real_kafka.bootstrap)
    for future in client.create_partitions([NewPartitions(topic, 2)]).values():
        future.result(30)
    produce(real_kafka.bootstrap, topic, [b"later"] * 5, partition=1)
    with running(chosen) as rig:
        wait_for(lambda: rig.values == [b"later"] * 5)
        wait_for(lambda: committed(real_kafka.bootstrap, group, topic) == {0: 10, 1: 5})
    assert '"partitions": 1' in str(committed_with_metadata(real_kafka.bootstrap, group, topic)[1][1])


def test_a_topic_that_comes_to_match_is_read_from_its_beginning(real_kafka: KafkaUnderTest) -> None:
    """With latest, a pattern's later topic is not one to skip."""
    prefix, group = unique(), unique("group")
    real_kafka.create_topic(f"{prefix}-a")
    produce(real_kafka.bootstrap, f"{prefix}-a", [b"skipped"])
    with running(options(real_kafka, f"^{prefix}-.*", group, LATEST)) as rig:
        wait_for(lambda: committed(real_kafka.bootstrap, group, f"{prefix}-a") == {0: 1})
        real_kafka.create_topic(f"{prefix}-b")
        produce(real_kafka.bootstrap, f"{prefix}-b", [b"read"])
        wait_for(lambda: rig.values == [b"read"], 60)


def test_a_missing_topic_is_said_and_waited_for(kafka: KafkaUnderTest) -> None:
    """The source tells which topic is missing, and reads it when it is there."""
    topic, group = unique(), unique("group")
    if kafka.kind == "mock":
        pytest.skip("the mock makes a topic when it is asked for one")
    with running(options(kafka, topic, group)) as rig:
        wait_for(lambda: rig.source.fault is not None)
        assert rig.source.fault is not None
        assert rig.source.fault.kind == "topic_missing"
        assert topic in str(rig.source.fault)
        kafka.create_topic(topic)
        produce(kafka.bootstrap, topic, [b"here"])
        wait_for(lambda: rig.values == [b"here"], 60)
        wait_for(lambda: rig.source.fault is None)


def test_what_retention_took_while_away_is_counted_and_passed(real_kafka: KafkaUnderTest) -> None:
    """Reading goes on from the low watermark; the difference is at most what was lost."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, numbered(0, 100))
    commit(real_kafka.bootstrap, group, [TopicPartition(topic, 0, 10)])
    delete_before(real_kafka, topic, 30)
    with running(options(real_kafka, topic, group)) as rig:
        wait_for(lambda: rig.source.at_end)
        assert rig.values == numbered(30, 100)
        assert rig.seen.lost == {Lane(topic, 0): 20}


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_what_retention_takes_while_running_is_counted_and_passed(
    real_kafka: KafkaUnderTest, protocol: str
) -> None:
    """A partition that was paused too long goes on from the low watermark, and what was held still ends."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, [b"x" * 10_000] * 200)
    chosen = SourceOptions(
        real_kafka.bootstrap,
        group,
        (topic,),
        group_protocol=protocol,  # type: ignore[arg-type] # one of the two
        commit_interval=0.1,
        poll_records=10,
        prefetch_bytes=64 << 10,
        refill_bytes=100 << 10,
    )
    with running(chosen, queue_bytes=400_000, closed=True) as rig:
        wait_for(lambda: rig.source.view.paused)
        held = rig.tracker.pending_records
        produce(real_kafka.bootstrap, topic, numbered(0, 50))
        delete_before(real_kafka, topic, 200)
        rig.gate.set()
        wait_for(lambda: rig.source.at_end)
        assert rig.values[-50:] == numbered(0, 50)
        read = len(rig.values) - 50
        assert held <= read < 200
        assert rig.seen.lost == {Lane(topic, 0): 200 - read}
        wait_for(lambda: committed(real_kafka.bootstrap, group, topic) == {0: 250})


def test_an_offset_of_a_topic_that_was_deleted_stops_the_partition(real_kafka: KafkaUnderTest) -> None:
    """The commit names another topic id: the partition stops, although its offset lies within the topic."""
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, numbered(0, 50))
    old = CommitMetadata("id-of-the-old-topic", 1).encode()
    commit(real_kafka.bootstrap, group, [TopicPartition(topic, 0, 10, metadata=old)])
    with running(options(real_kafka, topic, group)) as rig:
        wait_for(lambda: rig.source.view.blocked)
        assert rig.source.view.blocked[Lane(topic, 0)].reason == "other_topic"
        assert not rig.source.at_end
        rig.drain()
        assert rig.values == []
    assert committed(real_kafka.bootstrap, group, topic) == {0: 10}


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_a_topic_that_is_made_anew_is_never_skipped_into(
    real_kafka: KafkaUnderTest, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted and created again under a running member, already longer than the offset committed of the old:
    either the group has forgotten its offset and all is read, or the partition stops and says so."""
    monkeypatch.setattr(topic_watch, "EVERY", 0.5)
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, numbered(0, 10))
    chosen = SourceOptions(
        real_kafka.bootstrap,
        group,
        (topic,),
        group_protocol=protocol,  # type: ignore[arg-type] # one of the two
        commit_interval=0.1,
        properties={"topic.metadata.refresh.interval.ms": "500"},
    )
    with running(chosen) as rig:
        wait_for(lambda: committed(real_kafka.bootstrap, group, topic) == {0: 10})
        real_kafka.delete_topic(topic)
        wait_for(lambda: topic not in admin(real_kafka.bootstrap).list_topics(timeout=10).topics)
        real_kafka.create_topic(topic)
        produce(real_kafka.bootstrap, topic, [b"new"] * 50)
        wait_for(lambda: rig.source.view.blocked or rig.values.count(b"new") == 50)


def test_an_offset_beyond_the_end_stops_the_partition(
    real_kafka: KafkaUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are missing that the group has read: an operator decides, the others are read."""
    monkeypatch.setattr(resolver, "SETTLE", 1.5)
    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic, partitions=2)
    produce(real_kafka.bootstrap, topic, numbered(0, 10), partition=0)
    produce(real_kafka.bootstrap, topic, numbered(0, 10), partition=1)
    commit(real_kafka.bootstrap, group, [TopicPartition(topic, 0, 99)])
    with running(options(real_kafka, topic, group)) as rig:
        wait_for(lambda: rig.source.view.blocked)
        assert rig.source.view.blocked.keys() == {Lane(topic, 0)}
        wait_for(lambda: len(rig.values) == 10)
        rig.drain()
    assert committed(real_kafka.bootstrap, group, topic) == {0: 99, 1: 10}


def test_transaction_markers_leave_no_lag(real_kafka: KafkaUnderTest) -> None:
    """The end behind a marker is committed, so that nothing seems to be left."""
    from confluent_kafka import Producer

    topic, group = unique(), unique("group")
    real_kafka.create_topic(topic)
    producer = Producer(
        {"bootstrap.servers": real_kafka.bootstrap, "transactional.id": unique("tx"), "log_level": 0}
    )
    producer.init_transactions(30)
    for _ in range(3):
        producer.begin_transaction()
        producer.produce(topic, b"x")
        producer.commit_transaction(30)
    with running(options(real_kafka, topic, group)) as rig:
        wait_for(lambda: len(rig.values) == 3 and rig.source.at_end)
        wait_for(lambda: committed(real_kafka.bootstrap, group, topic) == {0: 6})
        wait_for(lambda: rig.source.lag == {Lane(topic, 0): 0})
