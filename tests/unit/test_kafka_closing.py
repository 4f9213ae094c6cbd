"""A close that may block, and how long it is waited for."""

import threading

import pytest

from taosink.kafka.closing import close_within


def test_a_close_that_returns_is_waited_for() -> None:
    """It has been called, once."""
    calls: list[int] = []
    assert close_within(object(), lambda: calls.append(1), 10.0)
    assert calls == [1]


def test_a_close_that_does_not_return_is_left_behind() -> None:
    """The caller goes on, and is told."""
    never = threading.Event()
    assert not close_within(object(), never.wait, 0.05)
    never.set()


def test_what_a_close_raises_reaches_the_caller() -> None:
    """As if it had been called in place."""

    def close() -> None:
        raise RuntimeError("already closed")

    with pytest.raises(RuntimeError, match="already closed"):
        close_within(object(), close, 10.0)
