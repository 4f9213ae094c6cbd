"""Reads topics as they grow, whole or from now on, in no group: what every process has to know for itself."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from taosink.kafka.errors import fault_of, is_out_of_range
from taosink.kafka.topic_ids import TopicIds
from taosink.kafka.topics import failure
from taosink.ports import SourceMessage

log = structlog.get_logger(__name__)

Start = Literal["earliest", "end"]
Place = tuple[str, int]

AT_ONCE = 500
POLL = 0.1
METADATA_TIMEOUT = 2.0
REFRESH = 15.0
RETRY = 1.0
_BEGINNING, _END = -2, -1


def follower_properties(properties: Mapping[str, Any], prefetch_bytes: int) -> dict[str, Any]:
    """Bounded prefetch, no commits, and an offset that is gone is told, never skipped."""
    fetch = max(64 << 10, prefetch_bytes // 4)
    return {
        "log_level": 2,
        "max.partition.fetch.bytes": min(1 << 20, fetch),
        "reconnect.backoff.max.ms": 1000,
        **properties,
        # Never joined: the client wants a name before it reads anything.
        "group.id": "taosink-follower",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 10,
        "queued.max.messages.kbytes": max(1, prefetch_bytes >> 10),
        "queued.min.messages": 2_000,
        "fetch.max.bytes": fetch,
        "message.max.bytes": min(fetch, 1_000_000),
    }


class Follower:
    """A thread that reads all partitions of `topics`, those added later too, and goes on through outages.

    Callbacks come from that thread and hold up the reading while they last: `on_messages` with what one poll gave,
    in the order of each partition; `on_caught_up` once, when everything has been read that was there at the start
    (from `end`: when the places to read from are fixed, so that nothing written from then on is missed);
    `on_restart(topic)` before a topic that was deleted and made again is read from its beginning;
    `on_brokers(reason)` when no broker answers, and with "" when one does again. A missing topic is waited for,
    without a caught up; one that comes later is read from its beginning. Nothing is committed.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        topics: Iterable[str],
        *,
        start: Start = "earliest",
        on_messages: Callable[[Sequence[SourceMessage]], None],
        on_caught_up: Callable[[], None] = lambda: None,
        on_restart: Callable[[str], None] = lambda _topic: None,
        on_brokers: Callable[[str], None] = lambda _reason: None,
        prefetch_bytes: int = 8 << 20,
        refresh: float = REFRESH,
        name: str = "taosink-follower",
    ) -> None:
        self._topics = tuple(topics)
        self._start: Start = start
        self._on_messages, self._on_caught_up = on_messages, on_caught_up
        self._on_restart, self._on_brokers = on_restart, on_brokers
        self._refresh = refresh
        self._known: dict[str, int] = {}
        self._seen: set[str] = set()
        self._unread: set[Place] = set()
        self._gone: set[str] = set()
        self._known_ids: dict[str, str] = {}
        self._ids = TopicIds(properties)
        self._told: set[str] = set()
        self._looked = self._caught_up = self._is_down = False
        self._at_once = 100
        self._chunk_bytes = max(1, prefetch_bytes // 2)
        self._stop = threading.Event()
        settings = follower_properties(properties, prefetch_bytes)
        try:
            self._consumer = Consumer({**settings, "error_cb": self._heard})
        except KafkaException as error:
            raise failure("*", error) from error
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __repr__(self) -> str:
        state = "caught up" if self._caught_up else f"{len(self._unread)} partitions behind"
        return f"<Follower {','.join(self._topics)}: {state}>"

    def start(self) -> None:
        self._thread.start()

    @property
    def caught_up(self) -> bool:
        return self._caught_up

    def close(self, timeout: float = 5.0) -> None:
        """Ends the thread, waiting for up to `timeout` seconds for a callback or call that is under way.
        Idempotent; not to be called from a callback."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        if not self._thread.is_alive():
            self._consumer.close()

    def _run(self) -> None:
        looked_at, settled = -math.inf, False
        while not self._stop.is_set():
            try:
                # Topics in which nothing happens do not tell that the brokers are back.
                wait = self._refresh if settled and not self._is_down else RETRY
                if time.monotonic() >= looked_at + wait:
                    settled = self._look()
                    looked_at = time.monotonic()
                if self._read():
                    looked_at = -math.inf
            except Exception:  # a dead thread would leave its owner with a picture that ages
                log.exception("kafka.follow_failed", topics=self._topics)
                self._stop.wait(RETRY)

    def _look(self) -> bool:
        """Compares the topics that there are with those that are read; False where one has to be awaited."""
        try:
            found = self._consumer.list_topics(timeout=METADATA_TIMEOUT).topics
        except KafkaException as error:
            self._down(error.args[0].str())
            return False
        self._up()
        there = {name: len(found[name].partitions) for name in self._topics if name in found}
        self._check_ids([topic for topic in self._topics if there.get(topic)])
        for topic in self._topics:
            count = there.get(topic, 0)
            if count:
                self._extend(topic, count)
            else:
                self._missing(topic)
        self._looked = True
        self._check_caught_up()
        return len(self._known) == len(self._topics) and not self._gone

    def _check_ids(self, topics: Iterable[str]) -> None:
        # One that was made again, and has grown past the place read up to, goes on without any error.
        for topic, found in self._ids.of(topics).items():
            before = self._known_ids.get(topic)
            self._known_ids[topic] = found
            if before not in (None, found) and topic in self._known:
                self._forget(topic)

    def _extend(self, topic: str, count: int) -> None:
        self._gone.discard(topic)
        known = self._known.get(topic, 0)
        if count < known:
            # Made again with fewer partitions.
            self._forget(topic)
            known = 0
        if count == known:
            return
        if topic in self._seen and not known:
            self._on_restart(topic)
        from_end = self._start == "end" and not self._looked
        self._known[topic] = count
        self._seen.add(topic)
        self._assign(topic, range(known, count), _END if from_end else _BEGINNING)

    def _missing(self, topic: str) -> None:
        if topic not in self._known:
            if topic not in self._told:
                self._told.add(topic)
                log.warning(
                    "kafka.follow_topic_missing", topic=topic, todo="create it; reading begins by itself"
                )
        elif topic in self._gone:
            self._forget(topic)
        else:
            # A broker that has just started may not know all topics yet: it is asked twice.
            self._gone.add(topic)

    def _forget(self, topic: str) -> None:
        log.warning("kafka.follow_topic_gone", topic=topic, meaning="what stands there now is read anew")
        self._gone.discard(topic)
        self._drop(topic)

    def _drop(self, topic: str) -> None:
        count = self._known.pop(topic)
        self._unread -= {(topic, p) for p in range(count)}
        self._consumer.incremental_unassign([TopicPartition(topic, p) for p in range(count)])

    def _assign(self, topic: str, partitions: Iterable[int], offset: int) -> None:
        places = [TopicPartition(topic, p, offset) for p in partitions]
        if not self._caught_up:
            self._unread |= {(topic, tp.partition) for tp in places}
        self._consumer.incremental_assign(places)

    def _read(self) -> bool:
        """One poll; True where the topics have to be looked at."""
        # consume() alone would wait for its whole time to gather more.
        first = self._consumer.poll(POLL)
        if first is None:
            return False
        polled = [first, *self._consumer.consume(self._at_once, 0)]
        taken = [message for message in polled if message.error() is None]
        if taken:
            self._up()
            mean = sum(map(len, taken)) // len(taken) + 1
            self._at_once = max(1, min(AT_ONCE, self._chunk_bytes // mean))
            # The stub's message is generic; at run time it is one.
            self._on_messages(cast("list[SourceMessage]", taken))
        errors = [(message, error) for message in polled if (error := message.error()) is not None]
        look = [self._heard_of(message, error) for message, error in errors]
        self._check_caught_up()
        return any(look)

    def _heard_of(self, message: Message, error: KafkaError) -> bool:
        topic, partition = message.topic(), message.partition()
        if topic is None or partition is None or partition >= self._known.get(topic, 0):
            return False
        if error.code() == KafkaError._PARTITION_EOF:
            self._up()
            self._unread.discard((topic, partition))
        elif is_out_of_range(error):
            # The topic was made again, or the broker has removed what was to be read.
            if self._start == "earliest":
                self._forget(topic)
                return True
            log.warning(
                "kafka.follow_passed_over", topic=topic, partition=partition, meaning="answers were missed"
            )
            self._consumer.incremental_unassign([TopicPartition(topic, partition)])
            self._assign(topic, [partition], _BEGINNING)
        else:
            log.warning("kafka.follow_error", topic=topic, partition=partition, error=error.str())
            return True
        return False

    def _check_caught_up(self) -> None:
        if self._caught_up or self._unread or not self._looked:
            return
        # What is written into a topic that comes later is all after the start.
        if self._start == "end" or len(self._known) == len(self._topics):
            self._caught_up = True
            self._on_caught_up()

    def _heard(self, error: KafkaError) -> None:
        fault = fault_of(error)
        if fault is not None and fault.kind != "topic_missing":
            self._down(fault.detail)

    def _down(self, reason: str) -> None:
        if not self._is_down:
            self._is_down = True
            self._on_brokers(reason)

    def _up(self) -> None:
        if self._is_down:
            self._is_down = False
            self._on_brokers("")
