"""Up to which time a partition counts as read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from taosbatch.offsets import Lane, OffsetTracker
from taosink.segments.frontier import LAG_AGE, SETTLE, Frontier

LANE = Lane("segments", 0)


@dataclass
class Source:
    """What the source tells: the end is the lag beyond what is committable."""

    fault: object | None = None
    lag: Mapping[Lane, int] = field(default_factory=dict)


class Rig:
    def __init__(self) -> None:
        self.source, self.tracker = Source(), OffsetTracker()
        self.paused: frozenset[Lane] = frozenset()
        self.frontier = Frontier(self.source, self.tracker, lambda: self.paused)
        self.tracker.assign([LANE])

    def deliver(self, first: int, next_offset: int, *, take: bool = True) -> None:
        ticket = self.tracker.open(LANE, first, next_offset, next_offset - first)
        if take:
            self.frontier.took(LANE, ticket.epoch, next_offset)

    def look(self, now: float, *, idle: bool = False) -> float | None:
        return self.frontier.look(now, idle=idle).get(LANE)


def test_a_partition_is_read_up_to_when_its_end_was_heard_of() -> None:
    """Not before the end is known for a while, and no further than the age of the lag allows."""
    rig = Rig()
    rig.deliver(0, 10)
    assert rig.look(0.0) is None
    rig.source.lag = {LANE: 10}
    assert rig.look(SETTLE - 0.1) is None
    assert rig.look(SETTLE) == SETTLE - LAG_AGE
    assert rig.look(SETTLE + 5) == SETTLE + 5 - LAG_AGE


def test_a_busy_partition_goes_on_although_it_is_never_quite_at_its_end() -> None:
    """The end of a moment ago is reached, while the end of now is not."""
    rig = Rig()
    rig.source.lag = {LANE: 10}
    rig.deliver(0, 8)
    rig.look(0.0)
    assert rig.look(SETTLE) is None
    for step in range(1, 20):
        rig.deliver(8 * step, 8 * step + 8)
        rig.source.lag = {LANE: 8 * step + 10}
        found = rig.look(SETTLE + step)
    assert found is not None
    assert found >= SETTLE + 15


def test_what_stands_in_the_queue_is_not_read() -> None:
    """Delivered is not taken, unless the queue has been empty: then markers alone lie beyond."""
    rig = Rig()
    rig.deliver(0, 5)
    rig.deliver(5, 10, take=False)
    rig.source.lag = {LANE: 10}
    rig.look(0.0)
    assert rig.look(9.0) is None
    assert rig.look(10.0, idle=True) == 9.0 - LAG_AGE


def test_an_end_heard_of_before_a_pause_or_an_outage_is_not_believed() -> None:
    """The time stands still until the end has been heard of anew."""
    rig = Rig()
    rig.deliver(0, 10)
    rig.source.lag = {LANE: 10}
    rig.look(0.0)
    assert rig.look(3.0) == 2.0
    rig.paused = frozenset({LANE})
    assert rig.look(4.0) == 2.0
    rig.paused = frozenset()
    assert rig.look(4.0 + SETTLE - 0.1) == 2.0
    rig.source.fault = "brokers down"
    assert rig.look(7.0) == 2.0
    rig.source.fault = None
    assert rig.look(7.0 + SETTLE) == 7.0 + SETTLE - LAG_AGE


def test_a_partition_that_comes_back_begins_anew() -> None:
    """What was taken in the time before says nothing of now."""
    rig = Rig()
    rig.deliver(0, 10)
    rig.source.lag = {LANE: 10}
    rig.look(0.0)
    assert rig.look(3.0) == 2.0
    rig.tracker.end([LANE])
    assert rig.look(4.0) is None
    rig.tracker.assign([LANE])
    rig.deliver(5, 8, take=False)
    rig.source.lag = {LANE: 5}
    assert rig.look(5.0) is None
    assert rig.look(9.0) is None
