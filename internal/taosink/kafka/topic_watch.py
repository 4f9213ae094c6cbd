"""Notices that a topic was deleted and made anew under a running member.

Neither librdkafka nor a classic group does: it goes on at the old offset, inside the new topic, and what lies
before that offset would be skipped without a word.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException

from taosink.kafka.asking import Broker, id_of

EVERY = 10.0
TIMEOUT = 5.0


class TopicWatch:
    """Owned by the polling thread; never blocks. `known` are the ids under which topics are read."""

    def __init__(self, broker: Broker, known: Mapping[str, str]) -> None:
        self._broker = broker
        self._known = known
        self._next = 0.0
        self._asked: dict[str, Future[Any]] = {}

    def hasten(self) -> None:
        """Something hints at a change: the next `changed` asks."""
        self._next = 0.0

    def changed(self, now: float) -> dict[str, str]:
        """Topics that have another id than the known one, and that id."""
        found = {}
        for topic, asked in list(self._asked.items()):
            if asked.done():
                del self._asked[topic]
                new = self._answer(asked)
                if new and self._known.get(topic, new) != new:
                    found[topic] = new
        topics = [topic for topic, known in self._known.items() if known]
        if topics and now >= self._next and not self._asked:
            self._next = now + EVERY
            self._asked = self._broker.begin_topic_ids(topics, TIMEOUT)
        return found

    @staticmethod
    def _answer(asked: "Future[Any]") -> str:
        try:
            return id_of(asked.result(0))
        except (KafkaException, TimeoutError):
            return ""
