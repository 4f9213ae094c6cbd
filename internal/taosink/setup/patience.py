"""Waiting for what does not answer yet, up to one moment, and saying so while it lasts."""

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

PAUSE = 1.0
"""Seconds between two tries."""
SAY_EVERY = 10.0


class Patience:
    """One side's wait; for one thread. `rest` is how long is still left, in seconds. Once `over` is set, by whoever
    waits for both sides, nothing is tried again."""

    def __init__(
        self,
        what: str,
        timeout: float,
        over: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._over, self._clock = what, over, clock
        self._end = clock() + timeout
        self._said = ""
        self._next = 0.0

    def __repr__(self) -> str:
        return f"<Patience for {self._what}: {self.rest:.0f} s left>"

    @property
    def rest(self) -> float:
        return max(0.0, self._end - self._clock())

    def again(self, reason: str) -> bool:
        """Pauses before another try; False, at once, where the time is over.

        The reason is logged when it is a new one, and every ten seconds.
        """
        now = self._clock()
        if now >= self._end or self._over.is_set():
            return False
        if reason != self._said or now >= self._next:
            self._said, self._next = reason, now + SAY_EVERY
            log.info("init.waiting", waits_for=self._what, reason=reason, seconds_left=round(self.rest))
        return not self._over.wait(min(PAUSE, self.rest))
