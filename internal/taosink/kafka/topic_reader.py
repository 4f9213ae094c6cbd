"""Reads spans of a topic, in no group: for audits and tools. Nothing is committed, nothing stays behind."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from taosink.kafka.topics import BrokerUnreachableError, TopicError, failure
from taosink.ports import SourceMessage

TIMEOUT = 10.0
PREFETCH_BYTES = 8 << 20
MOST_AT_ONCE = 1000
LEAST_AT_ONCE = 1
QUEUED_RECORDS = 2_000
POLL = 0.05
OUT_OF_RANGE = frozenset((KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE))


class TopicMissingError(TopicError):
    """The broker answers, and has no such topic."""


class StalledError(TopicError):
    """Records are there, and none has come for a while."""


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one partition, from `start` up to but without `end`."""

    partition: int
    start: int
    end: int

    def __len__(self) -> int:
        return max(0, self.end - self.start)


class TopicReader:
    """One topic's extent and records. Used by one thread; to be closed (a context manager does it).

    Calls block for up to `timeout` seconds and raise `topics.TopicError`: BrokerUnreachableError,
    TopicMissingError or another. Memory: about twice `prefetch_bytes`, and one chunk, whatever a topic holds.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        topic: str,
        *,
        timeout: float = TIMEOUT,
        prefetch_bytes: int = PREFETCH_BYTES,
    ) -> None:
        self.topic = topic
        self._timeout = timeout
        self._chunk_bytes = prefetch_bytes // 2
        self._complaint = ""
        self._consumer = _consumer(properties, "taosink-reader", self._heard, prefetch_bytes)

    def __repr__(self) -> str:
        return f"<TopicReader {self.topic}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._consumer.close()

    def exists(self) -> bool:
        """Whether the broker has this topic. It is never made by asking."""
        return self.topic in self._topics()

    def extent(self) -> dict[int, Span]:
        """For each partition the offsets that can be read now, ascending."""
        partitions = self._topics().get(self.topic)
        if partitions is None:
            raise TopicMissingError(
                self.topic, KafkaError.UNKNOWN_TOPIC_OR_PART, "UNKNOWN_TOPIC_OR_PART", "it does not exist"
            )
        return {p: self._span(p) for p in sorted(partitions)}

    def at_time(self, extent: Mapping[int, Span], moment_ms: int) -> dict[int, int]:
        """For each partition the first offset stamped at or after the moment; its end where there is none."""
        asked = [TopicPartition(self.topic, p, moment_ms) for p in extent]
        try:
            found = self._consumer.offsets_for_times(asked, timeout=self._timeout)
        except KafkaException as error:
            raise self._failure(error) from error
        at = {}
        for answer in found:
            if answer.error is not None:
                raise self._failure(KafkaException(answer.error))
            at[answer.partition] = answer.offset if answer.offset >= 0 else extent[answer.partition].end
        return at

    def read(self, spans: Sequence[Span], *, idle: float = TIMEOUT) -> Iterator[list[SourceMessage]]:
        """Yields what the spans hold, in the order of each partition, and ends when all are read.

        Offsets without a record (compaction, transaction markers) are passed over. Raises StalledError where
        nothing came for `idle` seconds, TopicError where the broker has removed what was to be read.
        """
        open_spans = {s.partition: s for s in spans if len(s)}
        self._consumer.assign([TopicPartition(self.topic, s.partition, s.start) for s in open_spans.values()])
        at_once = 100
        moved = time.monotonic()
        while open_spans:
            messages = self._consumer.consume(at_once, POLL)
            taken, ended = self._sort(messages, open_spans)
            if taken:
                # The stub's message is generic; at run time it is one.
                yield cast("list[SourceMessage]", taken)
                at_once = self._next_count(taken)
            if ended:
                for partition in ended:
                    del open_spans[partition]
                self._consumer.incremental_unassign([TopicPartition(self.topic, p) for p in ended])
            if messages:
                moved = time.monotonic()
            elif time.monotonic() - moved > idle:
                raise self._stalled(sorted(open_spans), idle)

    def _sort(
        self, messages: Sequence[Message], open_spans: Mapping[int, Span]
    ) -> tuple[list[Message], list[int]]:
        """The records inside their spans, and the partitions that are read to the end of theirs."""
        taken: list[Message] = []
        ended: set[int] = set()
        for message in messages:
            partition = message.partition()
            span = open_spans.get(partition) if partition is not None else None
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise self._read_failure(error, partition)
            if span is None:
                continue
            if error is not None:
                ended.add(span.partition)
                continue
            offset = message.offset()
            if offset is not None and offset < span.end:
                taken.append(message)
            if offset is None or offset >= span.end - 1:
                ended.add(span.partition)
        return taken, sorted(ended)

    def _next_count(self, taken: Sequence[Message]) -> int:
        # consume() gathers a count, not bytes: 1,000 records of 500 kB would be half a gigabyte.
        mean = sum(len(m) for m in taken) // len(taken) + 1
        return max(LEAST_AT_ONCE, min(MOST_AT_ONCE, self._chunk_bytes // mean))

    def _topics(self) -> dict[str, list[int]]:
        # All topics are asked for: asking for one by name makes it where the broker creates topics by itself.
        try:
            found = self._consumer.list_topics(timeout=self._timeout).topics
        except KafkaException as error:
            raise self._failure(error) from error
        return {name: list(topic.partitions) for name, topic in found.items()}

    def _span(self, partition: int) -> Span:
        asked = TopicPartition(self.topic, partition)
        try:
            # The stub knows no None; the call gives it where the time is over.
            found = cast(
                "tuple[int, int] | None", self._consumer.get_watermark_offsets(asked, timeout=self._timeout)
            )
        except KafkaException as error:
            raise self._failure(error) from error
        if found is None:
            raise BrokerUnreachableError(self.topic, KafkaError._TIMED_OUT, "_TIMED_OUT", "no answer")
        low, high = max(0, found[0]), max(0, *found)
        return Span(partition, low, high)

    def _heard(self, error: KafkaError) -> None:
        # The telling one is often not the last: "all brokers down" comes behind a refused login.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._complaint:
            self._complaint = error.str()

    def _failure(self, error: KafkaException) -> TopicError:
        found = failure(self.topic, error)
        if isinstance(found, BrokerUnreachableError) and self._complaint:
            return BrokerUnreachableError(found.topic, found.code, found.name, self._complaint)
        return found

    def _read_failure(self, error: KafkaError, partition: int | None) -> TopicError:
        if error.code() in OUT_OF_RANGE:
            reason = f"the broker has removed records of partition {partition} that were to be read"
            return TopicError(self.topic, error.code(), error.name(), reason)
        return self._failure(KafkaException(error))

    def _stalled(self, partitions: Sequence[int], idle: float) -> StalledError:
        because = f" ({self._complaint})" if self._complaint else ""
        reason = (
            f"nothing came for {idle:g} s, partitions {list(partitions)} are not read to their end{because}"
        )
        return StalledError(self.topic, KafkaError._TIMED_OUT, "_TIMED_OUT", reason)


def committed_offsets(
    properties: Mapping[str, Any],
    topic: str,
    group: str,
    partitions: Sequence[int],
    *,
    timeout: float = TIMEOUT,
) -> dict[int, int]:
    """What the group has committed, for the partitions of which it has. The group is not joined.

    Blocks for up to `timeout` seconds; raises `topics.TopicError`.
    """
    consumer = _consumer(properties, group, lambda _error: None, PREFETCH_BYTES)
    try:
        answers = consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=timeout)
    except KafkaException as error:
        raise failure(topic, error) from error
    finally:
        consumer.close()
    for answer in answers:
        if answer.error is not None:
            raise failure(topic, KafkaException(answer.error))
    return {answer.partition: answer.offset for answer in answers if answer.offset >= 0}


def read_topic(
    properties: Mapping[str, Any], topic: str, *, idle: float = TIMEOUT
) -> Iterator[SourceMessage]:
    """Every record of the topic as it is now, partition after partition; none where it does not exist.

    Blocks for the broker; raises `topics.TopicError`.
    """
    with TopicReader(properties, topic) as reader:
        if not reader.exists():
            return
        for span in reader.extent().values():
            for messages in reader.read([span], idle=idle):
                yield from messages


def _consumer(
    properties: Mapping[str, Any], group: str, on_error: Callable[[KafkaError], None], prefetch_bytes: int
) -> Consumer:
    try:
        return Consumer(_settings(properties, group, on_error, prefetch_bytes))
    except KafkaException as error:
        raise failure("*", error) from error


def _settings(
    properties: Mapping[str, Any], group: str, on_error: Callable[[KafkaError], None], prefetch_bytes: int
) -> dict[str, Any]:
    fetch = max(64 << 10, prefetch_bytes // 4)
    return {
        "log_level": 2,
        "max.partition.fetch.bytes": min(1 << 20, fetch),
        **properties,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        # An offset that is gone is told, never skipped.
        "auto.offset.reset": "error",
        # A request that waits at the end of one span holds up the first one of the next.
        "fetch.wait.max.ms": 20,
        "fetch.queue.backoff.ms": 10,
        "queued.max.messages.kbytes": max(1, prefetch_bytes >> 10),
        # Sizes count the values alone: 100,000 small records, the default, weigh 50 MB in the client.
        "queued.min.messages": QUEUED_RECORDS,
        "fetch.max.bytes": fetch,
        "message.max.bytes": min(fetch, 1_000_000),
        "error_cb": on_error,
    }
