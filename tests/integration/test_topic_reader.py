"""The topic reader gives exactly the offsets that it was asked for, and leaves nothing behind."""

import time

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from support.kafka_broker import KafkaUnderTest, free_ports
from support.kafka_data import commit, produce, unique

from taosink.kafka.topic_reader import (
    Span,
    StalledError,
    TopicMissingError,
    TopicReader,
    committed_offsets,
    read_topic,
)
from taosink.kafka.topics import BrokerUnreachableError, TopicError

pytestmark = pytest.mark.kafka


def _properties(kafka: KafkaUnderTest) -> dict[str, str]:
    return {"bootstrap.servers": kafka.bootstrap}


def _offsets(reader: TopicReader, *spans: Span) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for messages in reader.read(spans):
        for message in messages:
            found.setdefault(message.partition() or 0, []).append(message.offset() or 0)
    return found


def test_spans_are_read_without_what_is_outside(kafka: KafkaUnderTest) -> None:
    """Start is included, end is not, an empty span gives nothing, and partitions keep their order."""
    topic = unique()
    kafka.create_topic(topic, partitions=3)
    for partition in range(3):
        produce(kafka.bootstrap, topic, [b"%d" % n for n in range(50)], partition)
    with TopicReader(_properties(kafka), topic) as reader:
        assert reader.extent() == {p: Span(p, 0, 50) for p in range(3)}
        found = _offsets(reader, Span(0, 10, 20), Span(1, 0, 50), Span(2, 7, 7))
        again = _offsets(reader, Span(2, 49, 50))
    assert found == {0: list(range(10, 20)), 1: list(range(50))}
    assert again == {2: [49]}


def test_the_end_of_a_topic_costs_no_waiting(kafka: KafkaUnderTest) -> None:
    """Reading a small topic whole ends at once, long before the time without records that is allowed."""
    topic = unique()
    kafka.create_topic(topic, partitions=2)
    produce(kafka.bootstrap, topic, [b"x"] * 10)
    started = time.monotonic()
    assert len(list(read_topic(_properties(kafka), topic, idle=30))) == 10
    assert time.monotonic() - started < 8


def test_offsets_without_a_record_are_passed_over(real_kafka: KafkaUnderTest) -> None:
    """Transaction markers end a partition as well as records do, and aborted records are not given."""
    topic = unique()
    real_kafka.create_topic(topic)
    producer = Producer(
        {"bootstrap.servers": real_kafka.bootstrap, "transactional.id": unique("tx"), "log_level": 0}
    )
    producer.init_transactions(60)
    for value, end in ((b"kept", producer.commit_transaction), (b"gone", producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush(30)
        end(30)
    with TopicReader(_properties(real_kafka), topic) as reader:
        (span,) = reader.extent().values()
        values = [m.value() for messages in reader.read([span]) for m in messages]
    assert span.end > 1
    assert values == [b"kept"]


def test_times_become_offsets(kafka: KafkaUnderTest) -> None:
    """The first record stamped at or after a moment; the end where there is none."""
    topic = unique()
    kafka.create_topic(topic)
    for at in (1_700_000_000_000, 1_700_000_001_000, 1_700_000_002_000):
        produce(kafka.bootstrap, topic, [b"x"], 0, timestamp=at)
    with TopicReader(_properties(kafka), topic) as reader:
        extent = reader.extent()
        asked = (1_600_000_000_000, 1_700_000_000_001, 1_700_000_003_000)
        if not kafka.real:
            pytest.skip("the mock cluster looks no times up")
        assert [reader.at_time(extent, moment) for moment in asked] == [{0: 0}, {0: 1}, {0: 3}]


def test_a_missing_topic_is_named_and_not_made(kafka: KafkaUnderTest) -> None:
    """Asking for a topic that does not exist raises, reads as empty, and does not create it."""
    topic = unique("missing")
    with TopicReader(_properties(kafka), topic) as reader:
        assert not reader.exists()
        with pytest.raises(TopicMissingError, match=f"topic '{topic}': it does not exist"):
            reader.extent()
    assert list(read_topic(_properties(kafka), topic)) == []
    client = AdminClient({**_properties(kafka), "log_level": 0})
    assert topic not in client.list_topics(timeout=10).topics


def test_no_broker_is_told_within_the_timeout() -> None:
    """A closed port is an unreachable broker, in about the time that was given."""
    started = time.monotonic()
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with (
        TopicReader({"bootstrap.servers": address}, "any", timeout=1) as reader,
        pytest.raises(BrokerUnreachableError),
    ):
        reader.extent()
    assert time.monotonic() - started < 8


def test_committed_offsets_are_read_without_joining(kafka: KafkaUnderTest) -> None:
    """Only partitions that the group has committed are named; reading makes no group."""
    topic, group = unique(), unique("group")
    kafka.create_topic(topic, partitions=2)
    produce(kafka.bootstrap, topic, [b"x"] * 5, 1)
    assert committed_offsets(_properties(kafka), topic, group, [0, 1]) == {}
    commit(kafka.bootstrap, group, [TopicPartition(topic, 1, 3)])
    assert committed_offsets(_properties(kafka), topic, group, [0, 1]) == {1: 3}


def test_reading_leaves_no_group_behind(real_kafka: KafkaUnderTest) -> None:
    """The reader's group id never reaches the broker."""
    topic = unique()
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, [b"x"] * 5)
    assert len(list(read_topic(_properties(real_kafka), topic))) == 5
    client = AdminClient({**_properties(real_kafka), "log_level": 0})
    groups = client.list_consumer_groups(request_timeout=10).result().valid
    assert "taosink-reader" not in {g.group_id for g in groups}


def test_a_start_that_was_removed_is_told(real_kafka: KafkaUnderTest) -> None:
    """Records that the broker removed are never skipped silently."""
    topic = unique()
    real_kafka.create_topic(topic)
    produce(real_kafka.bootstrap, topic, [b"x"] * 10)
    client = AdminClient({**_properties(real_kafka), "log_level": 0})
    wanted = TopicPartition(topic, 0, 5)
    client.delete_records([wanted])[wanted].result(10)
    with TopicReader(_properties(real_kafka), topic) as reader:
        assert reader.extent() == {0: Span(0, 5, 10)}
        with pytest.raises(TopicError, match="the broker has removed records of partition 0"):
            _offsets(reader, Span(0, 0, 10))


def test_silence_is_told_with_what_is_unread(own_kafka: KafkaUnderTest) -> None:
    """A broker that goes away in mid-read ends the read with the partitions that are not read."""
    topic = unique()
    own_kafka.create_topic(topic)
    produce(own_kafka.bootstrap, topic, [b"x" * 100_000] * 200)
    with TopicReader(_properties(own_kafka), topic, prefetch_bytes=1 << 20) as reader:
        chunks = reader.read([Span(0, 0, 200)], idle=1.5)
        next(chunks)
        own_kafka.kill()
        with pytest.raises(StalledError, match=r"partitions \[0\] are not read"):
            list(chunks)


def test_large_records_come_in_small_chunks(kafka: KafkaUnderTest) -> None:
    """What is handed over at once is bounded in bytes, not only in records."""
    topic = unique()
    kafka.create_topic(topic)
    produce(kafka.bootstrap, topic, [b"x" * 20_000] * 200)
    with TopicReader(_properties(kafka), topic, prefetch_bytes=1 << 20) as reader:
        sizes = [len(messages) for messages in reader.read([Span(0, 0, 200)])]
    assert sum(sizes) == 200
    assert max(sizes[1:]) <= 30
