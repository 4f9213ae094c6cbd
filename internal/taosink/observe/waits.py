"""Says why rows wait: once at first, then once in a while, and once when writing goes on."""

import threading
import time
from collections.abc import Callable

import structlog

from taosink.observe.repeats import Repeats

log = structlog.get_logger()

SAY_AGAIN = 30.0
"""Seconds between two lines about the same cause."""


class Waits:
    """What the workers report; thread-safe. `cause` is the last reason, None while writing goes well.

    `needs_operator` decides between WARN (it mends itself) and ERROR (somebody has to act).
    """

    def __init__(
        self,
        *,
        needs_operator: Callable[[Exception], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._needs_operator = needs_operator
        self._clock = clock
        self._repeats = Repeats(SAY_AGAIN)
        self._lock = threading.Lock()
        self._cause: Exception | None = None
        self._since = 0.0

    def __repr__(self) -> str:
        return f"<Waits {'none' if self._cause is None else type(self._cause).__name__}>"

    @property
    def cause(self) -> Exception | None:
        return self._cause

    def waiting(self, cause: Exception, rows: int, delay: float) -> None:
        """Rows were handed back because of `cause`, and are tried again in `delay` seconds."""
        now = self._clock()
        with self._lock:
            if self._cause is None:
                self._since = now
            self._cause = cause
        quiet = self._repeats.due(str(cause), now)
        if quiet is None:
            return
        say = log.error if self._needs_operator(cause) else log.warning
        say("write.waiting", cause=str(cause), rows=rows, again_in=round(delay, 2), unsaid=quiet)

    def wrote(self) -> None:
        """A batch went through."""
        if self._cause is None:
            return
        with self._lock:
            cause, self._cause = self._cause, None
            since = self._since
        if cause is not None:
            log.info("write.resumed", after_seconds=round(self._clock() - since, 1), was=str(cause))
