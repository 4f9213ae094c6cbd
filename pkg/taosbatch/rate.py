"""A rate that several workers keep together: each is told how long to wait before it goes."""

import threading


class Rate:
    """At most `per_second` units a second. Thread-safe; time comes in as `now`, and nobody waits in here.

    Time that nobody used is not saved up: after a quiet hour the first unit goes at once, and no burst
    follows it. Raises ValueError for a rate that is not above zero.
    """

    def __init__(self, per_second: float) -> None:
        if not per_second > 0:
            raise ValueError(f"a rate must be above zero, not {per_second}")
        self.per_second = per_second
        self._lock = threading.Lock()
        self._free_at = float("-inf")

    def reserve(self, units: int, now: float) -> float:
        """Takes a place behind all that was reserved before; seconds until it is this one's turn."""
        with self._lock:
            at = max(now, self._free_at)
            self._free_at = at + units / self.per_second
        return at - now

    def __repr__(self) -> str:
        return f"<Rate {self.per_second:g}/s free_at={self._free_at:.3f}>"
