"""The rate that workers share, and how batches and the queue are cut to it."""

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosbatch.batch_rule import BatchRule
from taosbatch.rate import Rate
from taosink.pacing import Pace, paced_queue, paced_rule, unpaced


def test_each_waits_until_those_before_it_are_written() -> None:
    """Three batches of 100 rows at 50 rows a second go at once, after two and after four seconds."""
    rate = Rate(50)
    assert [rate.reserve(100, 10.0) for _ in range(3)] == [0.0, 2.0, 4.0]


def test_quiet_time_is_not_saved_up() -> None:
    """After an hour without rows the first batch goes at once, and the second waits as ever."""
    rate = Rate(10)
    rate.reserve(10, 0.0)
    assert rate.reserve(10, 3600.0) == 0.0
    assert rate.reserve(10, 3600.0) == 1.0


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 5)), min_size=1, max_size=50),
)
def test_no_stretch_of_time_holds_more_than_the_rate(per_second: int, asked: list[tuple[int, float]]) -> None:
    """Whoever asks when: between any two starts there is time for all the rows of the first and what followed."""
    rate, now, starts = Rate(per_second), 0.0, []
    for rows, pause in asked:
        now += pause
        starts.append((now + rate.reserve(rows, now), rows))
    for (begin, rows), (following, _) in pairwise(starts):
        assert following - begin >= rows / per_second - 1e-6


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_a_rate_must_be_above_zero(wrong: float) -> None:
    """A division by it would end the worker instead."""
    with pytest.raises(ValueError, match="above zero"):
        Rate(wrong)


def test_workers_together_keep_the_rate() -> None:
    """Four threads of 10 rows each at 100 rows a second: the last one begins 0.3 s after the first."""
    pace, begun, lock = Pace(100, threading.Event().wait), [], threading.Lock()

    def work() -> None:
        pace(10)
        with lock:
            begun.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(begun) - min(begun) >= 0.29


def test_a_stop_that_abandons_ends_every_wait() -> None:
    """A worker that waits for an hour's turn is back at once."""
    ended = threading.Event()
    pace = Pace(1, ended.wait)
    pace(3600)
    waiting = threading.Thread(target=pace, args=(1,))
    waiting.start()
    ended.set()
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_batch_without_live_rows_takes_no_turn() -> None:
    """Rows of an ended epoch are dropped, and hold nobody up."""
    pace = Pace(1, threading.Event().wait)
    pace(3600)
    began = time.monotonic()
    pace(0)
    unpaced(10**9)
    assert time.monotonic() - began < 1


def test_batches_and_queue_hold_seconds_of_the_rate() -> None:
    """So that rows come evenly, and a stop can drain what waits; a rate above the sizes changes nothing."""
    rule = BatchRule(min_records=5000, max_records=10_000)
    assert (paced_rule(rule, 200).min_records, paced_rule(rule, 200).max_records) == (200, 200)
    assert paced_rule(rule, 7000).min_records == 5000
    assert paced_rule(rule, 10**6) == rule
    assert paced_queue(200_000, 200) == 1000
    assert paced_queue(200_000, 10**6) == 200_000
