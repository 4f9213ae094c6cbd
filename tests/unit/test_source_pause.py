"""Pausing: it comes when a lane is full, and goes when half of its room is free."""

from taosbatch.offsets import Lane
from taosink.kafka.pause import Pressure, decide

A, B = Lane("t", 0), Lane("t", 1)


def fills(a: float, b: float = 0.0, queue: float = 0.5) -> Pressure:
    return Pressure(queue=queue, lanes={A: a, B: b}, refused=frozenset())


def test_a_full_lane_is_paused_alone() -> None:
    """Its neighbour is read on."""
    assert decide(fills(1.0, 0.9), frozenset()) == {A}


def test_a_paused_lane_resumes_at_half() -> None:
    """Not before: each pause throws away what was prefetched."""
    assert decide(fills(0.6), frozenset({A})) == {A}
    assert decide(fills(0.6), frozenset()) == frozenset()
    assert decide(fills(0.5), frozenset({A})) == frozenset()


def test_a_lane_that_was_refused_stays_paused() -> None:
    """Until what waits of it has been taken."""
    refused = Pressure(queue=0.2, lanes={A: 0.0, B: 0.0}, refused=frozenset({A}))
    assert decide(refused, frozenset({A})) == {A}


def test_a_full_queue_resumes_nobody() -> None:
    """And pauses nobody that has not been refused: a blocked neighbour must not pause the rest for ever."""
    assert decide(fills(0.1, 0.1, queue=1.0), frozenset({A})) == {A}


def test_lanes_that_went_are_not_paused() -> None:
    """Only what is read is decided about."""
    assert decide(fills(0.0), frozenset({Lane("gone", 0)})) == frozenset()
