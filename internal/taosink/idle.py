"""Whether a consumer with `until-idle` has finished: all that it was assigned is read, and stored."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from taosink.kafka.group_admin import GroupError
from taosink.kafka.source import Source
from taosink.kafka.topics import TopicError
from taosink.offsets.state import read_group

log = structlog.get_logger()

SETTLED = 0.5
"""Seconds for which it must look finished: a view of the source may be older than what has come since."""
LOOK = 0.1
ASK = 1.0
"""Seconds between two questions about the group, and for which one is asked."""


class IdleWatch:
    """One thread, `idle`; sets `idle` once. Nothing is finished while brokers or the database are away, a topic is
    missing, or a partition waits for an operator.

    A member without partitions has nothing of its own: it ends when the group as a whole has nothing left. Ending
    at once would call a backfill done whose partitions a killed member still holds.
    """

    def __init__(
        self,
        source: Source,
        properties: Mapping[str, Any],
        topics: Sequence[str],
        group: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._properties = properties
        self._topics = topics
        self._group = group
        self._clock = clock
        self._since: float | None = None
        self._next_question = 0.0
        self._group_done = False
        self.idle = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="idle", daemon=True)

    def __repr__(self) -> str:
        return f"<IdleWatch {self._group} {'idle' if self.idle.is_set() else 'watching'}>"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Does not wait for a question that is under way; the thread ends behind it."""
        self._stop.set()

    def look(self, now: float) -> bool:
        """Whether it has looked finished for long enough. Blocks where the group has to be asked."""
        source = self._source
        own = bool(source.view.lanes)
        if source.fault is not None or not (source.at_end if own else self._nothing_left(now)):
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since >= SETTLED

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            if self.look(self._clock()):
                log.info(
                    "consumer.idle", group=self._group, meaning="all that is assigned is read and stored"
                )
                self.idle.set()
                return

    def _nothing_left(self, now: float) -> bool:
        if now >= self._next_question:
            self._group_done = self._ask_group()
            self._next_question = self._clock() + ASK
        return self._group_done

    def _ask_group(self) -> bool:
        try:
            found = read_group(self._properties, self._topics, self._group, timeout=ASK, ids=False)
        except (TopicError, GroupError):
            return False
        return not sum(place.unread for place in found)
