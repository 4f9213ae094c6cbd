"""Sparing a shared database: workers wait their turn before a batch, and size batches to the rate."""

import time
from collections.abc import Callable
from dataclasses import replace

from taosbatch.batch_rule import BatchRule
from taosbatch.rate import Rate

QUEUED_SECONDS = 5
"""What is queued is written within this time at the rate given, so that a stop can still drain it."""


class Pace:
    """Waits until `rows` may be written. Shared by a process's workers; holds no lock while it waits.

    `wait` is an event's: what sets the event ends every wait at once, so that a stop is not held up.
    """

    def __init__(
        self,
        rows_per_second: float,
        wait: Callable[[float], object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = Rate(rows_per_second)
        self._wait = wait
        self._clock = clock

    def __call__(self, rows: int) -> None:
        delay = self._rate.reserve(rows, self._clock()) if rows else 0.0
        if delay > 0:
            self._wait(delay)

    def __repr__(self) -> str:
        return f"<Pace {self._rate!r}>"


def unpaced(_rows: int) -> None:
    """No limit: goes at once."""


def paced_rule(rule: BatchRule, rows_per_second: int) -> BatchRule:
    """Batches of at most one second's rows; larger ones would come as bursts with long pauses between."""
    most = min(rule.max_records, rows_per_second)
    return replace(rule, max_records=most, min_records=min(rule.min_records, most))


def paced_queue(max_records: int, rows_per_second: int) -> int:
    """The most records that may wait at this rate."""
    return min(max_records, QUEUED_SECONDS * rows_per_second)
