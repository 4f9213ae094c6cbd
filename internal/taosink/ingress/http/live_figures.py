"""What moves in a gateway: rates and times of answers over the last moments. Pure: looks come in with their time."""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RATES = 5.0
"""Seconds that a rate is taken over."""
TIMES = 60.0
"""Seconds whose answers the times are of."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Totals since the start, at `now` of the monotonic clock. `acks`: how many answers, by what they waited for and
    by the time that took, in the histogram's buckets."""

    now: float
    frames_in: int = 0
    frames_out: int = 0
    readings: int = 0
    rejects: int = 0
    acks: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moving:
    """A second each; `times` are the p50 and p99 in seconds, None where nothing was answered."""

    frames_in: float = 0.0
    frames_out: float = 0.0
    readings: float = 0.0
    rejects: float = 0.0
    acks: Mapping[str, float] = field(default_factory=dict)
    times: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


class Moments:
    """Used by one thread; keeps a minute of looks, at most `most` of them."""

    def __init__(self, bounds: Sequence[float], most: int = 70) -> None:
        self._bounds = tuple(bounds)
        self._kept: deque[Seen] = deque(maxlen=most)
        self.moving = Moving()

    def __repr__(self) -> str:
        return f"<Moments {self.moving.readings:.0f} readings/s>"

    def look(self, seen: Seen) -> Moving:
        """About once a second."""
        while self._kept and seen.now - self._kept[0].now > TIMES:
            self._kept.popleft()
        times = self._times(seen, self._kept[0]) if self._kept else {}
        self._kept.append(seen)
        then = self._kept[max(0, bisect_left(self._kept, seen.now - RATES, key=lambda one: one.now))]
        seconds = seen.now - then.now
        if seconds > 0:
            self.moving = Moving(
                frames_in=(seen.frames_in - then.frames_in) / seconds,
                frames_out=(seen.frames_out - then.frames_out) / seconds,
                readings=(seen.readings - then.readings) / seconds,
                rejects=(seen.rejects - then.rejects) / seconds,
                acks={k: (sum(n) - sum(then.acks.get(k, ()))) / seconds for k, n in seen.acks.items()},
                times=times,
            )
        return self.moving

    def _times(self, seen: Seen, then: Seen) -> dict[str, tuple[float | None, float | None]]:
        found = {}
        for kind, counts in seen.acks.items():
            before = then.acks.get(kind, (0,) * len(counts))
            lately = [n - was for n, was in zip(counts, before, strict=True)]
            found[kind] = quantile(self._bounds, lately, 0.5), quantile(self._bounds, lately, 0.99)
        return found


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """As near as buckets tell: in a straight line through the one that holds it. Past the last bound it is that
    bound. None of nothing."""
    wanted, below = share * sum(counts), 0
    if not wanted:
        return None
    for at, n in enumerate(counts[: len(bounds)]):
        if below + n >= wanted:
            start = bounds[at - 1] if at else 0.0
            return start + (bounds[at] - start) * (wanted - below) / n
        below += n
    return bounds[-1]
