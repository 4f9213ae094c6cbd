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
    """Since the start. `end` is the sum of the partitions' ends, None where a partition's is not known."""

    consumed: int
    stored: int
    dead_lettered: int
    lag: int | None
    end: int | None
    partitions: int


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
        self._learn(now, stored, busy=bool(old.lag and totals.lag))
        # A partition that came or went moves the sum of the ends by its whole length.
        same = old.partitions == totals.partitions and old.end is not None and totals.end is not None
        arriving = max(0.0, (totals.end - old.end) / seconds) if same else None  # type: ignore[operator]  # both are set
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
