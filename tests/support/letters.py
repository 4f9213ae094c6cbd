"""Records for the dead letters, and what became of them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_CREATE_TIME,
    Consumer,
    KafkaError,
    Message,
    TopicPartition,
)

from taosbatch.encoding import Reason, Reject


@dataclass(frozen=True)
class Source:
    """A record as `ports.SourceMessage`."""

    raw: bytes | None = b"value"
    raw_key: bytes | None = b"tb0"
    raw_headers: list[tuple[str, bytes | None]] | None = None
    at_ms: int = 1_700_000_000_123
    at_offset: int = 41

    def topic(self) -> str:
        return "test"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self.at_offset

    def key(self) -> bytes | None:
        return self.raw_key

    def value(self) -> bytes | None:
        return self.raw

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.raw_headers

    def timestamp(self) -> tuple[int, int]:
        return (TIMESTAMP_CREATE_TIME, self.at_ms)


REJECT = Reject(index=0, reason=Reason.VALUE, detail="column 2 is NaN", device="tb0", code=0)


@dataclass
class Done:
    """Counts calls of `done`, and the threads that they came from."""

    calls: int = 0
    threads: set[str] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self) -> None:
        with self.changed:
            self.calls += 1
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()

    def wait(self, count: int = 1, timeout: float = 20.0) -> None:
        wait_until(self.changed, lambda: self.calls >= count, timeout)


def wait_until(changed: threading.Condition, happened: Callable[[], bool], timeout: float = 20.0) -> None:
    with changed:
        assert changed.wait_for(happened, timeout), "it did not happen in time"


def messages_of(bootstrap: str, topic: str) -> list[Message]:
    """Everything in the topic as it is now, by partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,  # an empty answer is what says that the end is reached
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
        places = [TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions]
        # The broker's word: a fetch that it answered before the last record came says that the end is there.
        ends = {tp.partition: consumer.get_watermark_offsets(tp, timeout=20)[1] for tp in places}
        unread = {partition for partition, end in ends.items() if end}
        consumer.assign(places)
        found: list[Message] = []
        while unread:
            message = consumer.poll(20)
            assert message is not None, f"nothing came of {topic} for 20 s"
            error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
            assert error is None or error.code() == KafkaError._PARTITION_EOF, error
            if error is None and offset < ends[partition]:
                found.append(message)
            if offset + (error is None) >= ends[partition]:
                unread.discard(partition)
        return sorted(found, key=lambda m: (m.partition(), m.offset()))
    finally:
        consumer.close()


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    """The headers as a consumer gets them: a list, with bytes."""
    return cast("list[tuple[str, bytes | None]]", message.headers() or [])
