"""Notices that a topic was deleted and made anew under a running member.

Neither librdkafka nor a classic group does: it goes on at the old offset, inside the new topic, and what lies
before that offset would be skipped without a word.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException

from taosbatch.offsets import Lane
from taosink.kafka.asking import Broker, id_of

EVERY = 10.0
TIMEOUT = 5.0


class TopicWatch:
    """Owned by the polling thread; never blocks. `known` are the topic ids under which partitions are read: of one
    topic they may differ, where some came after it was made anew."""

    def __init__(self, broker: Broker, known: Mapping[Lane, str]) -> None:
        self._broker = broker
        self._known = known
        self._next = 0.0
        self._asked: dict[str, Future[Any]] = {}

    def hasten(self) -> None:
        """Something hints at a change: the next `changed` asks."""
        self._next = 0.0

    def changed(self, now: float) -> dict[Lane, str]:
        """Partitions whose topic has another id than the known one, and that id."""
        answers = {topic: asked for topic, asked in self._asked.items() if asked.done()}
        for topic in answers:
            del self._asked[topic]
        ids = {topic: found for topic, asked in answers.items() if (found := self._answer(asked))}
        if now >= self._next and not self._asked:
            topics = {lane.topic for lane, known in self._known.items() if known}
            if topics:
                self._next = now + EVERY
                self._asked = self._broker.begin_topic_ids(topics, TIMEOUT)
        return (
            {
                lane: ids[lane.topic]
                for lane, known in self._known.items()
                if known and ids.get(lane.topic, known) != known
            }
            if ids
            else {}
        )

    @staticmethod
    def _answer(asked: "Future[Any]") -> str:
        try:
            return id_of(asked.result(0))
        except (KafkaException, TimeoutError):
            return ""
