"""Up to which time partitions have been read: silence counts up to there, and no further."""

from collections.abc import Callable, Mapping
from typing import Protocol

from taosbatch.lane_offsets import LaneOffsets
from taosbatch.offsets import Lane, OffsetTracker

LAG_AGE = 1.0
"""Seconds that the source's lag may be old."""
SETTLE = 2.0
"""Seconds for which the end of a partition is not believed that was paused, or whose brokers were away: it was last
heard of before."""


class Reading(Protocol):
    """What is asked of the source."""

    @property
    def fault(self) -> object | None: ...
    @property
    def lag(self) -> Mapping[Lane, int]: ...


class Frontier:
    """Compares what was taken of each partition with its end. For one thread."""

    def __init__(
        self, source: Reading, tracker: OffsetTracker, paused: Callable[[], frozenset[Lane]]
    ) -> None:
        self._source = source
        self._tracker = tracker
        self._paused = paused
        self._taken: dict[Lane, tuple[int, int]] = {}
        self._ends: dict[Lane, tuple[int, float]] = {}
        self._read_to: dict[Lane, float] = {}
        self._blind_at: dict[Lane, float] = {}

    def __repr__(self) -> str:
        return f"<Frontier taken={self._taken}>"

    def epochs(self) -> dict[Lane, int]:
        """The assignment that each partition is in now."""
        return {lane: state.epoch for lane, state in self._tracker.lanes().items()}

    def took(self, lane: Lane, epoch: int, next_offset: int) -> None:
        """Everything of this assignment before `next_offset` has been looked at."""
        self._taken[lane] = (epoch, next_offset)

    def look(self, now: float, *, idle: bool) -> Mapping[Lane, float]:
        """Up to which time each partition has been read, by what was its end then. To be called often. `idle`: the
        queue between the source and whoever takes from it has been empty for a while."""
        lanes = self._tracker.lanes()
        lag, paused, fault = self._source.lag, self._paused(), self._source.fault is not None
        for lane in self._blind_at.keys() - lanes.keys():
            self._forget(lane)
        for lane, state in lanes.items():
            known = lane in lag and state.committable is not None
            if fault or lane in paused or not known or lane not in self._blind_at:
                self._blind_at[lane] = now
            taken = self._position(lane, state, idle=idle)
            if lane not in self._ends and now - self._blind_at[lane] >= SETTLE:
                # What is committable grows: the sum is never below the end at the time of the lag.
                self._ends[lane] = lag[lane] + (state.committable or 0), now - LAG_AGE
            if lane in self._ends and taken >= self._ends[lane][0]:
                self._read_to[lane] = self._ends.pop(lane)[1]
        return self._read_to

    def _position(self, lane: Lane, state: LaneOffsets, *, idle: bool) -> int:
        epoch, taken = self._taken.get(lane, (-1, 0))
        if epoch != state.epoch:
            taken = 0
            self._read_to.pop(lane, None)
        if idle and state.delivered is not None:
            return max(taken, state.delivered)  # beyond the last record lie markers alone
        return taken

    def _forget(self, lane: Lane) -> None:
        for known in (self._taken, self._ends, self._read_to, self._blind_at):
            known.pop(lane, None)
