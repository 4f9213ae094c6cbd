"""The last bound on the log: no event fills it, whoever forgot to keep it quiet."""

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

AT_ONCE = 20
"""Lines of one event that may follow each other as they come."""
EVERY = 10.0
"""Seconds until one more may, beyond those."""
ALWAYS = frozenset(
    {
        "consumer.stats",
        "segments.stats",
        "producer.progress",
        # Once a partition, however many those are, and what one of them lost stands in no other line.
        "kafka.lost_by_broker",
        "kafka.partition_stopped",
    }
)
"""Events whose pace is a setting, or their own."""
_NEVER_HELD = frozenset({"debug", "critical"})


class Restraint:
    """A structlog processor, thread-safe: of an event that comes faster, lines are dropped, and the next one that is
    written says in `unsaid` how many. `library.log` is kept apart by the library's logger.

    Debug lines are never dropped, nor those that tell why a process ends.
    """

    def __init__(
        self, at_once: int = AT_ONCE, every: float = EVERY, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._at_once, self._every, self._clock = at_once, every, clock
        self._lock = threading.Lock()
        self._of: dict[tuple[str, str], tuple[float, float, int]] = {}

    def __repr__(self) -> str:
        return f"<Restraint {len(self._of)} events>"

    def __call__(self, _logger: Any, method: str, event: Any) -> Any:
        name = str(event.get("event"))
        if method in _NEVER_HELD or name in ALWAYS:
            return event
        quiet = self._take((name, str(event.get("logger", ""))), event.get("unsaid", 0))
        if quiet is None:
            raise structlog.DropEvent
        if quiet:
            event["unsaid"] = event.get("unsaid", 0) + quiet
        return event

    def _take(self, key: tuple[str, str], unsaid: int) -> int | None:
        """How many were dropped since the last one that was written; None to drop this one too, with those for which
        it stands."""
        now = self._clock()
        with self._lock:
            left, at, quiet = self._of.get(key, (float(self._at_once), now, 0))
            left = min(float(self._at_once), left + (now - at) / self._every)
            if left < 1.0:
                self._of[key] = (left, now, quiet + 1 + unsaid)
                return None
            self._of[key] = (left - 1.0, now, 0)
            return quiet
