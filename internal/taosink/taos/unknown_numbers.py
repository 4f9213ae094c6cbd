"""Error numbers that nobody has judged: how long each has been seen while other statements succeeded."""

import threading
import time
from collections.abc import Callable

from taosink.taos.errors import TaosError, report_unknown

ISOLATE_AFTER = 300.0
"""Seconds of success elsewhere after which a number looks like a matter of its rows, not of the server."""


class UnknownNumbers:
    """Shared by the writers of a process; thread-safe. Reports each number once."""

    def __init__(
        self, *, isolate_after: float = ISOLATE_AFTER, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._isolate_after = isolate_after
        self._clock = clock
        self._lock = threading.Lock()
        self._first_seen: dict[int, float] = {}
        self._last_seen: dict[int, float] = {}
        self._last_success = float("-inf")

    def __repr__(self) -> str:
        return f"<UnknownNumbers {[f'0x{code:04X}' for code in sorted(self._first_seen)]}>"

    def succeeded(self) -> None:
        """A statement was acknowledged. Cheap while no unknown number has been seen."""
        if self._first_seen:
            with self._lock:
                self._last_success = self._clock()

    def seen(self, error: TaosError) -> bool:
        """Notes it; true once its rows are to be told from neighbours that the database may well take."""
        report_unknown(error)
        now = self._clock()
        with self._lock:
            if now - self._last_seen.get(error.code, now) > self._isolate_after:
                del self._first_seen[error.code]  # it had gone away: a new episode
            first = self._first_seen.setdefault(error.code, now)
            self._last_seen[error.code] = now
            return self._last_success - first >= self._isolate_after
