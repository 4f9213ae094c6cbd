"""What a purge would delete. Pure."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taosink.dlq.letters import Found
from taosink.dlq.scan import Place


@dataclass(slots=True)
class Prefix:
    """What stands before the offsets of a purge (partition -> offset). `waiting` letters were never replayed."""

    offsets: dict[int, int]
    letters: int = 0
    waiting: int = 0
    foreign: int = 0
    receipts: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        return self.letters + self.foreign + self.receipts

    def as_json(self, *, done: bool) -> dict[str, Any]:
        return {
            "done": done,
            "before": {str(p): offset for p, offset in self.offsets.items()},
            "letters": self.letters,
            "waiting": self.waiting,
            "foreign": self.foreign,
            "receipts": self.receipts,
            "reasons": self.reasons,
        }


def prefix(records: Iterable[Found], offsets: Mapping[int, int], replayed: Container[Place]) -> Prefix:
    """Counts what stands before the offsets."""
    found = Prefix(dict(offsets))
    for record in records:
        if record.offset >= offsets.get(record.partition, 0):
            continue
        if record.info is None:
            found.receipts += record.kind == "receipt"
            found.foreign += record.kind == "foreign"
            continue
        found.letters += 1
        found.waiting += Place(record.partition, record.offset) not in replayed
        found.reasons[record.info.reason] = found.reasons.get(record.info.reason, 0) + 1
    return found


def replayed_before(
    records: Iterable[Found], ends: Mapping[int, int], replayed: Container[Place]
) -> dict[int, int]:
    """For each partition the first record that still waits: a letter without a receipt, or a foreign record.
    Everything before it has been dealt with."""
    first = dict(ends)
    for record in records:
        place = Place(record.partition, record.offset)
        if record.kind != "receipt" and place not in replayed:
            first[record.partition] = min(first[record.partition], record.offset)
    return first
