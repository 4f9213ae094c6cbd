"""Says why rows wait: once at first, then once in a while, and once when writing goes on."""

import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from taosink.observe.repeats import Repeats

log = structlog.get_logger()

SAY_AGAIN = 30.0
"""Seconds between two lines about the same cause while it lasts."""
OUTAGE = 2.0
"""Seconds without a batch that went through, after which the first one that does ends an outage. After less it is no
sign of anything: one partition may wait alone, and its neighbours' batches go through all the time."""
MOST_OUTAGES = 5
"""Outages told within those seconds: a database that comes and goes with every statement would fill the log."""


class Waits:
    """What the workers report; thread-safe. `cause` is the last reason, None while writing goes well.

    `needs_operator` decides between WARN (it mends itself) and ERROR (somebody has to act). Each outage is told
    with its end, also one that begins soon after another; what is not told because there are too many is told by
    the next line about it. The log's last word is never that writing goes on while it does not for long.
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
        self.recovered_at = float("-inf")
        """When (of the clock) the last outage ended."""
        self._since = 0.0
        self._told = False
        self._outages: deque[float] = deque(maxlen=MOST_OUTAGES)

    def __repr__(self) -> str:
        return f"<Waits {'none' if self._cause is None else type(self._cause).__name__}>"

    @property
    def cause(self) -> Exception | None:
        return self._cause

    @property
    def outage(self) -> tuple[Exception, float] | None:
        """The cause, and since when (of the clock) nothing went through."""
        with self._lock:
            return None if self._cause is None else (self._cause, self._since)

    def waiting(self, cause: Exception, rows: int, delay: float) -> None:
        """Rows were handed back because of `cause`, and are tried again in `delay` seconds."""
        now = self._clock()
        with self._lock:
            if self._cause is None:
                self._since, self._told = now, False
            self._cause = cause
        quiet = self._repeats.due(_kind(cause), now)
        if not self._may_tell(now, quiet):
            return
        say = log.error if self._needs_operator(cause) else log.warning
        say("write.waiting", cause=str(cause), rows=rows, again_in=round(delay, 2), unsaid=quiet or 0)

    def _may_tell(self, now: float, quiet: int | None) -> bool:
        with self._lock:
            begun_often = len(self._outages) == MOST_OUTAGES and now - self._outages[0] < SAY_AGAIN
            if quiet is None and (self._told or begun_often):
                return False
            if not self._told:
                self._outages.append(now)
            self._told = True
            return True

    def wrote(self) -> bool:
        """A batch went through; whether that ends an outage."""
        if self._cause is None:
            return False
        with self._lock:
            cause, self._cause = self._cause, None
            since, told = self._since, self._told
        lasted = self._clock() - since
        if cause is not None and told:
            log.info("write.resumed", after_seconds=round(lasted, 1), was=str(cause))
        if lasted < OUTAGE:
            return False
        self.recovered_at = self._clock()
        return True


def _kind(cause: Exception) -> str:
    # Not its text: a server may name another table or place in each answer.
    return f"{type(cause).__name__} {getattr(cause, 'code', cause)}"
