from dataclasses import replace

from taosbatch.offsets import Lane
from taosink.observe.counters import Counters
from taosink.observe.stats import Gauges, Stats

GAUGES = Gauges(queue_fill=0.25, lag=7, paused=0, assigned=2)


def test_nothing_is_said_until_something_moved() -> None:
    """An idle consumer writes no line."""
    stats, counters = Stats(), Counters()
    assert stats.line(counters.snapshot(), GAUGES) is None
    counters.consumed(Lane("t", 0), 3)
    assert stats.line(counters.snapshot(), GAUGES) is not None
    assert stats.line(counters.snapshot(), GAUGES) is None


def test_a_line_holds_total_last_second_and_partitions() -> None:
    """The line counts in total, since the last line, and per partition."""
    stats, counters = Stats(), Counters()
    counters.consumed(Lane("t", 1), 3)
    stats.line(counters.snapshot(), GAUGES)
    counters.consumed(Lane("t", 0), 4)
    counters.stored(5)
    line = stats.line(counters.snapshot(), GAUGES)
    assert line is not None
    assert (line["total"], line["last_second"], line["stored"]) == (7, 4, 5)
    assert line["per_partition"] == {"t/0": 4, "t/1": 3}
    assert line["lag"] == 7


def test_storing_and_waiting_count_as_movement() -> None:
    """A consumer that reads nothing but stores, or waits for the database, still says so."""
    stats, counters = Stats(), Counters()
    counters.consumed(Lane("t", 0), 1)
    stats.line(counters.snapshot(), GAUGES)
    counters.waited()
    assert stats.line(counters.snapshot(), GAUGES) is not None
    counters.dead_lettered()
    assert stats.line(counters.snapshot(), GAUGES) is not None


def test_a_lag_that_shrinks_is_said_although_nothing_else_moved() -> None:
    """The commits come behind the rows: the last line of a drained topic shows no lag."""
    stats, counters = Stats(), Counters()
    counters.consumed(Lane("t", 0), 1)
    stats.line(counters.snapshot(), GAUGES)
    drained = replace(GAUGES, lag=0)
    line = stats.line(counters.snapshot(), drained)
    assert line is not None
    assert (line["lag"], line["last_second"]) == (0, 0)
    assert stats.line(counters.snapshot(), drained) is None
