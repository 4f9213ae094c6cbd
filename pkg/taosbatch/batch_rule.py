"""When a batch is ready, and what it may hold: pure arithmetic, time comes in as `now`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchRule:
    """Sizes of a batch. `min_records` only delays: `linger` seconds after the batch's first record, and when
    the queue closes, whatever there is goes. Raises ValueError for sizes that no batch could satisfy."""

    min_records: int = 1
    max_records: int = 10_000
    max_bytes: int = 4_194_304
    linger: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.min_records <= self.max_records:
            raise ValueError(
                f"needs 1 <= min_records <= max_records, not {self.min_records} and {self.max_records}"
            )
        if self.max_bytes < 1:
            raise ValueError(f"max_bytes must be positive, not {self.max_bytes}")
        if not self.linger >= 0:
            raise ValueError(f"linger must be zero or more seconds, not {self.linger}")

    def enough(self, records: int, nbytes: int) -> bool:
        """Whether this much is released without waiting for more."""
        return records >= self.min_records or nbytes >= self.max_bytes

    def wait(self, records: int, nbytes: int, first_at: float, now: float, *, closing: bool = False) -> float:
        """Seconds until such a batch is released; 0.0 means now. `first_at`: when its first record came.

        `closing`: nothing more will join it.
        """
        if closing or self.enough(records, nbytes):
            return 0.0
        return max(0.0, first_at + self.linger - now)

    def takes(self, chunk_records: int, chunk_bytes: int, records: int = 0, nbytes: int = 0) -> int:
        """How many leading records of a chunk may join a batch that holds `records` and `nbytes` already.

        A chunk joins whole or not at all, except that one that is too large even alone is cut; at least one
        record goes into an empty batch, whatever its size, so that nothing sticks.
        """
        if records + chunk_records <= self.max_records and nbytes + chunk_bytes <= self.max_bytes:
            return chunk_records
        if records:
            return 0
        by_bytes = chunk_records * self.max_bytes // max(1, chunk_bytes)
        return min(chunk_records, self.max_records, max(1, by_bytes))
