"""What tests put into Kafka and read back: raw values, whole topics, committed offsets."""

import time
import uuid
from collections.abc import Iterable

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)


def unique(prefix: str = "test") -> str:
    """A name for a topic or a group that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def produce(
    bootstrap: str, topic: str, values: Iterable[bytes | None], partition: int = -1, timestamp: int = 0
) -> int:
    """Produces and waits for every acknowledgement; returns how many. `timestamp` 0 means now."""
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    settings = {"bootstrap.servers": bootstrap, "log_level": 0, "queue.buffering.max.messages": 1_000_000}
    producer = Producer({**settings, "message.max.bytes": 64 << 20, "sticky.partitioning.linger.ms": 0})
    count = 0
    for value in values:
        producer.produce(topic, value, partition=partition, on_delivery=delivered, timestamp=timestamp)
        count += 1
        if count % 1000 == 0:
            producer.poll(0)
    left = producer.flush(60)
    assert not failures, failures[0]
    assert not left, f"{left} messages were not acknowledged in 60 s"
    return count


def _reader(bootstrap: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
    )


def partitions_of(bootstrap: str, topic: str) -> list[int]:
    consumer = _reader(bootstrap, unique("reader"))
    try:
        return sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    finally:
        consumer.close()


def read_all(bootstrap: str, topic: str) -> list[Message]:
    """Every message of a topic, up to the end as it is now, partition by partition in order."""
    partitions = partitions_of(bootstrap, topic)
    consumer = _reader(bootstrap, unique("reader"))
    try:
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        found: list[Message] = []
        ended: set[int | None] = set()
        last = time.monotonic()
        while len(ended) < len(partitions):
            # consume() waits for the whole count: a long timeout would be spent at the end of every topic.
            messages = consumer.consume(500, timeout=0.05)
            last = time.monotonic() if messages else last
            assert time.monotonic() < last + 30, f"nothing came of {topic} for 30 s"
            for message in messages:
                error = message.error()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                else:
                    raise AssertionError(error)
        return sorted(found, key=lambda m: (m.partition(), m.offset()))
    finally:
        consumer.close()


def committed(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """The group's committed offsets, of partitions that have one."""
    return {p: o for p, (o, _) in committed_with_metadata(bootstrap, group, topic).items()}


def committed_with_metadata(bootstrap: str, group: str, topic: str) -> dict[int, tuple[int, str | None]]:
    partitions = [TopicPartition(topic, p) for p in partitions_of(bootstrap, topic)]
    consumer = _reader(bootstrap, group)
    try:
        answer = _ask_committed(consumer, partitions)
        return {tp.partition: (tp.offset, tp.metadata) for tp in answer if tp.offset >= 0}
    finally:
        consumer.close()


def _ask_committed(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """The first question makes the broker create its offsets topic, and is refused until that has a leader."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return consumer.committed(partitions, timeout=30)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def commit(bootstrap: str, group: str, offsets: Iterable[TopicPartition]) -> None:
    """Commits as an outsider; only while the group has no members."""
    consumer = _reader(bootstrap, group)
    try:
        consumer.commit(offsets=list(offsets), asynchronous=False)
    finally:
        consumer.close()
