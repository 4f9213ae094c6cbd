"""How `memory.budget` is divided: fixed shares, so that encoding never waits for memory that only encoding frees."""

from dataclasses import dataclass

MIN_BUDGET = 32 * 1024 * 1024
ENCODED_PER_VALUE_BYTE = 5
"""What a batch holds while it is written, per byte that it counts for: values, decoded cells, text, statements."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Bytes. `prefetch` is librdkafka's queue of the whole consumer, `refill` what one poll may bring beyond the
    queue's bound, `queue` what waits or is parked, `batch` what one worker's batch may count for."""

    prefetch: int
    refill: int
    queue: int
    batch: int


def divide(budget: int, workers: int) -> Shares:
    """An eighth is prefetched, a sixteenth is one poll, five sixteenths wait, and half is with the workers."""
    return Shares(
        prefetch=budget // 8,
        refill=budget // 16,
        queue=budget * 5 // 16,
        batch=budget // 2 // workers // ENCODED_PER_VALUE_BYTE,
    )
