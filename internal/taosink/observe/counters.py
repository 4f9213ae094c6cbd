"""What a consumer did, in numbers: the one place that the log line, the health and the demo read from."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

from taosbatch.offsets import Lane


@dataclass(frozen=True, slots=True)
class Counts:
    """A snapshot. `stored` counts acknowledged rows; a row that was sent again counts each time."""

    consumed: int
    stored: int
    dead_lettered: int
    waits: int
    per_lane: dict[Lane, int]
    rejected_by_reason: dict[str, int]


@dataclass(slots=True)
class Counters:
    """Thread-safe; a call costs one lock and is made once a chunk, never once a record."""

    _lock: Lock = field(default_factory=Lock)
    _consumed: "Counter[Lane]" = field(default_factory=Counter)
    _stored: int = 0
    _waits: int = 0
    _dead_lettered: int = 0
    _rejected: "Counter[str]" = field(default_factory=Counter)

    def consumed(self, lane: Lane, records: int) -> None:
        with self._lock:
            self._consumed[lane] += records

    def stored(self, rows: int) -> None:
        with self._lock:
            self._stored += rows

    def waited(self) -> None:
        with self._lock:
            self._waits += 1

    def rejected(self, reason: str) -> None:
        with self._lock:
            self._rejected[reason] += 1

    def dead_lettered(self) -> None:
        with self._lock:
            self._dead_lettered += 1

    def snapshot(self) -> Counts:
        with self._lock:
            return Counts(
                consumed=self._consumed.total(),
                stored=self._stored,
                dead_lettered=self._dead_lettered,
                waits=self._waits,
                per_lane=dict(self._consumed),
                rejected_by_reason=dict(self._rejected),
            )
