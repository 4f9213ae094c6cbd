"""Reads a topic from given places and goes on as it grows, in no group, for whoever looks on."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from taosink.kafka.errors import fault_of
from taosink.kafka.topic_reader import TIMEOUT, TopicReader
from taosink.ports import SourceMessage

AT_ONCE = 500
POLL = 0.1
PROBE_EVERY = 1.0
PROBE_TIMEOUT = 0.25
LOOK_EVERY = 10.0
"""Seconds between two looks for partitions that a topic was given since."""


class TopicTail(TopicReader):
    """A reader that does not end. Used by one thread, as its base.

    `on_brokers` is called from within `follow`: with the reason once no broker answers, and with "" once one
    does again.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        topic: str,
        *,
        on_brokers: Callable[[str], None],
        timeout: float = TIMEOUT,
        look_every: float = LOOK_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_brokers = on_brokers
        self._clock = clock
        self._down = ""
        self._told = False
        self._next_probe = 0.0
        self._look_every = look_every
        self._next_look = 0.0
        self._partitions: set[int] = set()
        super().__init__(properties, topic, timeout=timeout)

    def follow(self, starts: Mapping[int, int]) -> Iterator[list[SourceMessage]]:
        """Yields what each poll gives, an empty list where nothing came; ends never, outages included.

        Partitions that the topic is given later are read too, from their beginning. Raises TopicError where a
        partition cannot be read any more (removed, no permission).
        """
        self._down = ""
        self._partitions = set(starts)
        self._next_look = self._clock() + self._look_every
        self._consumer.assign([TopicPartition(self.topic, p, offset) for p, offset in starts.items()])
        while True:
            # consume() alone would wait for its whole time to gather more.
            first = self._consumer.poll(POLL)
            polled = [] if first is None else [first, *self._consumer.consume(AT_ONCE, 0)]
            taken = [message for message in polled if message.error() is None]
            if taken:
                self._down = ""
            # The stub's message is generic; at run time it is one.
            yield cast("list[SourceMessage]", taken)
            for message in polled:
                if error := message.error():
                    self._take(error, message.partition())
            self._tell()
            self._look_for_new()

    def _look_for_new(self) -> None:
        if self._down or self._clock() < self._next_look:
            return
        try:
            topic = self._consumer.list_topics(timeout=PROBE_TIMEOUT).topics.get(self.topic)
        except KafkaException:
            topic = None  # whether brokers are away is told elsewhere
        new = set(topic.partitions if topic is not None else ()) - self._partitions
        if new:
            begin = [TopicPartition(self.topic, p, OFFSET_BEGINNING) for p in sorted(new)]
            self._consumer.incremental_assign(begin)
            self._partitions |= new
        self._next_look = self._clock() + self._look_every

    def _take(self, error: KafkaError, partition: int | None) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._down = ""
        elif fault := fault_of(error):
            if fault.kind in ("authorization", "topic_missing", "fatal"):
                raise self._failure(KafkaException(error))
        else:
            raise self._read_failure(error, partition)

    def _tell(self) -> None:
        if self._down and self._told and self._clock() >= self._next_probe:
            self._next_probe = self._clock() + PROBE_EVERY
            self._probe()
        if bool(self._down) != self._told:
            self._told = bool(self._down)
            self._on_brokers(self._down)

    def _probe(self) -> None:
        # With nothing new in the topic no message tells that a broker is there again.
        try:
            self._consumer.list_topics(timeout=PROBE_TIMEOUT)
        except KafkaException:
            return
        self._down = ""

    def _heard(self, error: KafkaError) -> None:
        super()._heard(error)
        fault = fault_of(error)
        if fault is not None and fault.kind in ("brokers_down", "authentication", "tls"):
            self._down = self._complaint or fault.detail
