"""Since when nothing moves, and how fast it goes."""

from dataclasses import replace

import pytest

from taosbatch.lane_offsets import LaneOffsets
from taosbatch.offsets import Lane
from taosink.observe.progress import Progress, Standing
from taosink.observe.rates import REMEMBER, Rates, Totals, desired
from taosink.observe.status.look import lag_seconds

A, B = Lane("t", 0), Lane("t", 1)


def test_a_record_after_a_quiet_hour_is_not_an_hour_without_progress() -> None:
    """The time counts from when there was something to do."""
    progress = Progress()
    progress.look(0.0, {A: Standing(1, 10, waits=False)}, 10)
    progress.look(3600.0, {A: Standing(1, 10, waits=True)}, 10)
    assert (progress.idle_since, progress.still_since(A)) == (3600.0, 3600.0)
    progress.look(3601.0, {A: Standing(1, 11, waits=False)}, 11)
    assert (progress.idle_since, progress.still_since(A)) == (None, None)


def test_one_partition_stands_still_while_another_moves() -> None:
    """What is stored elsewhere is progress of the consumer, and none of that partition."""
    progress = Progress()
    for second in range(10):
        lanes = {A: Standing(1, 5, waits=True), B: Standing(1, second, waits=True)}
        progress.look(float(second), lanes, second)
    assert progress.still_since(A) == 0.0
    assert progress.still_since(B) == 9.0
    assert progress.idle_since == 9.0


def test_a_partition_that_comes_again_begins_anew() -> None:
    """Another assignment is another epoch: what happened before was the former owner's."""
    progress = Progress()
    progress.look(0.0, {A: Standing(1, 5, waits=True)}, 0)
    progress.look(50.0, {A: Standing(2, 5, waits=True)}, 0)
    assert progress.still_since(A) == 50.0
    progress.look(60.0, {}, 0)
    assert progress.still_since(A) is None


def offsets(pending: int, oldest: float | None = None, newest: float | None = None) -> LaneOffsets:
    return LaneOffsets(1, 10, 5, 5, pending, 0.0 if pending else None, oldest, newest)


@pytest.mark.parametrize(
    ("standing", "lag", "expected"),
    [
        pytest.param(offsets(0, None, 40.0), 0, 0.0, id="idle"),
        pytest.param(offsets(3, 70.0, 90.0), 5, 30.0, id="the oldest that is not stored"),
        pytest.param(offsets(0, None, 90.0), 5, 10.0, id="not delivered yet: at most as old as the last one"),
        pytest.param(offsets(0), 5, None, id="nothing seen of it"),
        pytest.param(offsets(3, None), 5, None, id="a topic without timestamps"),
        pytest.param(offsets(3, 130.0), 5, 0.0, id="a producer's clock ahead of ours"),
    ],
)
def test_lag_in_seconds(standing: LaneOffsets, lag: int, expected: float | None) -> None:
    """By Kafka's timestamps, and nought where nothing waits."""
    assert lag_seconds(standing, lag, 100.0) == expected


def totals(stored: int, lag: int | None, end: int, partitions: int = 10) -> Totals:
    return Totals(stored, stored, 0, lag, end, partitions)


@pytest.mark.parametrize(
    ("arriving", "lag", "capacity", "partitions", "expected"),
    [
        (1000.0, 0, 500.0, 10, 2.0),
        (0.0, 60_000, 500.0, 10, 2.0),
        (1000.0, 60_000, 500.0, 3, 3.0),
        (100.0, 0, 500.0, 10, 0.2),
        (100.0, 0, 0.0, 10, 1.0),
        (100.0, 0, 500.0, 0, 0.0),
    ],
)
def test_desired_consumers(
    arriving: float, lag: int, capacity: float, partitions: int, expected: float
) -> None:
    """(Arriving + lag in a minute) by what one can do; never above the partitions."""
    assert desired(arriving, lag, capacity, partitions) == pytest.approx(expected)


def test_what_it_can_do_is_learned_while_it_has_enough_to_do() -> None:
    """An outage does not make it look slow, and neither does a quiet topic."""
    rates = Rates()
    for second in range(10):
        rates.look(float(second), totals(500 * second, 100_000, 500 * second + 100_000))
    assert rates.speed.stored == pytest.approx(500.0)
    assert rates.speed.desired_consumers == pytest.approx((0.0 + 500.0 + 100_000 / 60) / 500.0)
    for second in range(10, 60):
        rates.look(float(second), totals(4500, 100_000, 104_500))
    assert rates.speed.stored == 0.0
    assert rates.speed.desired_consumers == pytest.approx(100_000 / 60 / 500.0)
    rates.look(60.0 + REMEMBER, totals(4500, 0, 104_500))
    assert rates.speed.desired_consumers == 0.0


def test_a_light_load_teaches_nothing_about_what_it_can_do() -> None:
    """Else it would take a quiet topic for its limit, and ask for more of its kind in the first outage."""
    rates = Rates()
    for second in range(10):
        rates.look(float(second), totals(500 * second, 200, 500 * second + 200))
    for second in range(10, 40):
        rates.look(float(second), totals(4500, 500 * (second - 9), 500 * second))
    assert rates.speed.desired_consumers == 1.0


def test_what_arrives_is_counted_by_the_time_between_the_looks_at_the_ends() -> None:
    """Looks at the ends come once in 1.1 seconds here, those at all else every second."""
    rates, seen = Rates(), []
    for second in range(60):
        at = second // 1.1 * 1.1
        seen.append(rates.look(float(second), replace(totals(0, 0, round(1000 * at)), end_at=at)).arriving)
    assert {round(rate) for rate in seen[6:] if rate is not None} == {1000}


def test_a_partition_that_comes_is_no_burst_of_records() -> None:
    """Its end joins the sum: nobody knows then what arrived."""
    rates = Rates()
    rates.look(0.0, totals(0, 0, 100, partitions=1))
    assert rates.look(1.0, totals(0, 0, 1_000_100, partitions=2)).arriving is None
