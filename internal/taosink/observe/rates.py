"""How fast it goes, and how many consumers that would need. Pure: totals come in about once a second."""

from collections import deque
from dataclasses import dataclass

WINDOW = 5.0
"""Seconds that a rate is taken over."""
REMEMBER = 300.0
"""Seconds for which the most rows a second count as what this machine can do."""
CATCH_UP = 60.0
"""Seconds in which a backlog should be worked off."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Since the start. `end` is the sum of the partitions' ends, None where a partition's is not known; `end_at` is
    when they were looked at, None for now."""

    consumed: int
    stored: int
    dead_lettered: int
    lag: int | None
    end: int | None
    partitions: int
    end_at: float | None = None


@dataclass(frozen=True, slots=True)
class Speed:
    """Records a second. `desired_consumers`: see `desired`."""

    consumed: float = 0.0
    stored: float = 0.0
    dead_lettered: float = 0.0
    arriving: float | None = None
    desired_consumers: float = 0.0


def desired(arriving: float, lag: int, capacity: float, partitions: int) -> float:
    """This member's share in the consumers that the group needs: to be summed over its members, and rounded up.

    (arriving + lag / 60 s) / the most rows a second that this member stored lately; at most its partitions, since
    more consumers than those have nothing to do. One, where it has not been seen at work.
    """
    if not partitions:
        return 0.0
    if capacity <= 0:
        return 1.0
    return min(float(partitions), (arriving + lag / CATCH_UP) / capacity)


class Rates:
    """Used by one thread."""

    def __init__(self) -> None:
        self._history: deque[tuple[float, Totals]] = deque()
        self._best: deque[tuple[float, float]] = deque()
        self._capacity = 0.0
        self.speed = Speed()

    def __repr__(self) -> str:
        return f"<Rates {self.speed.stored:.0f} stored/s>"

    def look(self, now: float, totals: Totals) -> Speed:
        while len(self._history) > 1 and now - self._history[0][0] > WINDOW:
            self._history.popleft()
        self._history.append((now, totals))
        then, old = self._history[0]
        seconds = now - then
        if seconds <= 0:
            return self.speed
        stored = (totals.stored - old.stored) / seconds
        arriving = _arriving(then, old, now, totals)
        # A few records are under way at any rate; a second's worth of them is a backlog.
        backlog = min(old.lag or 0, totals.lag or 0)
        self._learn(now, stored, busy=backlog > max(stored, arriving or 0.0))
        self.speed = Speed(
            consumed=(totals.consumed - old.consumed) / seconds,
            stored=stored,
            dead_lettered=(totals.dead_lettered - old.dead_lettered) / seconds,
            arriving=arriving,
            desired_consumers=desired(
                stored if arriving is None else arriving, totals.lag or 0, self._capacity, totals.partitions
            ),
        )
        return self.speed

    def _learn(self, now: float, stored: float, *, busy: bool) -> None:
        """What it does while it has enough to do is what it can do; an outage teaches nothing."""
        while self._best and now - self._best[0][0] > REMEMBER:
            self._best.popleft()
        if busy and stored > 0:
            while self._best and self._best[-1][1] <= stored:
                self._best.pop()
            self._best.append((now, stored))
        if self._best:
            self._capacity = self._best[0][1]


def _arriving(then: float, old: Totals, now: float, new: Totals) -> float | None:
    """By the time between the two looks at the ends: they are a beat of their own, and over the time between the
    looks at all else they would be one beat too many or too few once in a while."""
    # A partition that came or went moves the sum of the ends by its whole length.
    if old.partitions != new.partitions or old.end is None or new.end is None:
        return None
    seconds = _or(new.end_at, now) - _or(old.end_at, then)
    return max(0.0, (new.end - old.end) / seconds) if seconds > 0 else None


def _or(known: float | None, other: float) -> float:
    return other if known is None else known
