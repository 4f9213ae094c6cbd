"""The once-a-second line: what moved, and how far behind it is. Pure: snapshots in, an event out."""

from dataclasses import dataclass
from typing import Any

from taosink.observe.counters import Counts


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is true now, beside what was counted. `lag` is in records; None where the broker has not said yet."""

    queue_fill: float
    lag: int | None
    paused: int
    assigned: int


def moves(counts: Counts) -> tuple[int, ...]:
    return counts.consumed, counts.stored, counts.dead_lettered, counts.waits


class Stats:
    """Turns snapshots into the fields of `consumer.stats`. One thread calls it."""

    def __init__(self) -> None:
        self._last: Counts | None = None
        self._lag: int | None = None

    def line(self, counts: Counts, gauges: Gauges) -> dict[str, Any] | None:
        """The fields of the next line, or None when nothing moved since the last one."""
        last, self._last = self._last, counts
        lag, self._lag = self._lag, gauges.lag
        # The lag follows the commits: without it the last line of a drained topic would show one for ever.
        if not counts.consumed or (last is not None and moves(last) == moves(counts) and lag == gauges.lag):
            return None
        return {
            "total": counts.consumed,
            "last_second": counts.consumed - (last.consumed if last else 0),
            "stored": counts.stored,
            "dead_lettered": counts.dead_lettered,
            "lag": gauges.lag,
            "queue_fill": round(gauges.queue_fill, 3),
            "paused": gauges.paused,
            "assigned": gauges.assigned,
            "per_partition": {
                f"{lane.topic}/{lane.partition}": n for lane, n in sorted(counts.per_lane.items())
            },
        }
