"""The dead-letter topics are looked at from a thread of their own, so that a broker that is down delays nothing."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from taosink.kafka.dead_letter_topics import dead_letter_topics, ensure_dead_letter_topics
from taosink.kafka.topics import AdminUnsupportedError, BrokerUnreachableError, TopicError

log = structlog.get_logger(__name__)

AGAIN = 2.0
"""Seconds between two tries while no broker answers."""


class DeadLetterSetup:
    """Checks or creates the topics once a broker answers. What fails here shows when the first letter is refused:
    then the records stay pending, and the dead letters say so."""

    def __init__(self, properties: Mapping[str, Any], subscription: Sequence[str], given: str) -> None:
        self._properties = properties
        self._origins = [name for name in subscription if not name.startswith("^")]
        self._topics = dead_letter_topics(subscription, dead_letters=given)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dead-letter-setup", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait for a call that is under way; the thread ends behind it."""
        self._stop.set()

    def create(self, topic: str) -> None:
        """Checks or creates one topic; blocks for the broker. Raises TopicError."""
        ensure_dead_letter_topics(self._properties, [topic], origins=self._origins)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                ensure_dead_letter_topics(self._properties, self._topics, origins=self._origins)
            except BrokerUnreachableError:
                self._stop.wait(AGAIN)
                continue
            except AdminUnsupportedError as error:
                log.info("dead_letters.topic_not_checked", reason=str(error))
            except TopicError as error:
                log.error("dead_letters.topic_not_ready", reason=str(error), topics=self._topics)
            return
