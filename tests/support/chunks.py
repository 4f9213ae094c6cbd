"""Chunks for tests of the mechanism: their values name their lane and place, so that order can be judged."""

from taosbatch.batch import Chunk
from taosbatch.offsets import Lane, OffsetTracker


class Feed:
    """Makes chunks of lanes, offsets without gaps, on tickets of one tracker."""

    def __init__(self) -> None:
        self.tracker = OffsetTracker()
        self._next: dict[Lane, int] = {}

    def chunk(self, lane: Lane, records: int = 1, nbytes: int | None = None) -> Chunk:
        """The lane's next `records` values, 10 bytes each in the budget unless `nbytes` is given."""
        if self.tracker.epoch(lane) is None:
            self.tracker.assign([lane])
        first = self._next.get(lane, 0)
        self._next[lane] = first + records
        size = 10 * records if nbytes is None else nbytes
        ticket = self.tracker.open(lane, first, first + records, records)
        values = [f"{lane.topic}/{lane.partition}/{i}".encode() for i in range(first, first + records)]
        return Chunk(lane, values, values, ticket, size)


def lane(partition: int) -> Lane:
    return Lane("readings", partition)


class FakeClock:
    """A clock that moves when the test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
