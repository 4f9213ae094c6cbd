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
    waits_by_class: dict[str, int] = field(default_factory=dict)
    consumed_bytes: int = 0
    rebalances: int = 0
    rebalance_seconds: float = 0.0
    commits_failed: int = 0
    lost_by_broker: int = 0


@dataclass(slots=True)
class Counters:
    """Thread-safe; a call costs one lock and is made once a chunk, never once a record."""

    _lock: Lock = field(default_factory=Lock)
    _consumed: "Counter[Lane]" = field(default_factory=Counter)
    _consumed_bytes: int = 0
    _stored: int = 0
    _waits: "Counter[str]" = field(default_factory=Counter)
    _dead_lettered: int = 0
    _rejected: "Counter[str]" = field(default_factory=Counter)
    _rebalances: int = 0
    _rebalance_seconds: float = 0.0
    _commits_failed: int = 0
    _lost_by_broker: int = 0

    def consumed(self, lane: Lane, records: int, nbytes: int = 0) -> None:
        with self._lock:
            self._consumed[lane] += records
            self._consumed_bytes += nbytes

    def stored(self, rows: int) -> None:
        with self._lock:
            self._stored += rows

    def waited(self, kind: str = "other") -> None:
        """Rows were handed back; `kind` is the class of what they wait for."""
        with self._lock:
            self._waits[kind] += 1

    def rejected(self, reason: str) -> None:
        with self._lock:
            self._rejected[reason] += 1

    def dead_lettered(self) -> None:
        with self._lock:
            self._dead_lettered += 1

    def rebalanced(self, seconds: float) -> None:
        """Partitions came, `seconds` after others had gone."""
        with self._lock:
            self._rebalances += 1
            self._rebalance_seconds += seconds

    def commit_failed(self) -> None:
        with self._lock:
            self._commits_failed += 1

    def lost_by_broker(self, records: int) -> None:
        with self._lock:
            self._lost_by_broker += records

    def snapshot(self) -> Counts:
        with self._lock:
            return Counts(
                consumed=self._consumed.total(),
                stored=self._stored,
                dead_lettered=self._dead_lettered,
                waits=self._waits.total(),
                per_lane=dict(self._consumed),
                rejected_by_reason=dict(self._rejected),
                waits_by_class=dict(self._waits),
                consumed_bytes=self._consumed_bytes,
                rebalances=self._rebalances,
                rebalance_seconds=self._rebalance_seconds,
                commits_failed=self._commits_failed,
                lost_by_broker=self._lost_by_broker,
            )
