"""What an audit found: counts that add up, and the records that are not accounted for, by name. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from taosink.audit.bounds import Part


@dataclass(frozen=True, slots=True)
class Named:
    """A record, or a row, that does not agree. `time` is the reading's, or Kafka's where it has none."""

    fault: str
    device: str
    time: str
    topic: str
    partition: int
    offset: int
    detail: str = ""

    def __str__(self) -> str:
        told = f"{self.fault}: device {self.device or '(unknown)'} at {self.time}, "
        return f"{told}{self.topic}/{self.partition}/{self.offset}{f': {self.detail}' if self.detail else ''}"

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Lane:
    """One partition's share of the account."""

    part: Part
    records: int = 0
    dead_lettered: int = 0
    missing: int = 0


@dataclass(slots=True)
class Account:
    """Every record of the range is in exactly one of `stored`, `merged`, `repeated`, `dead_lettered` and
    `missing`; the other counts tell more about them.

    `merged`: another timestamp that the database's precision makes one with a stored row. `repeated`: the
    very timestamp of a stored row, produced again. `different`: rows whose values are not the last in
    partition order. `unexpected`: rows between a device's first and last reading that no record explains.
    `replayed`: rows that only a dead letter explains. `pending`: missing ones behind the group's committed
    offset.
    """

    topic: str
    lanes: dict[int, Lane]
    group: str = ""
    max_named: int = 100
    records: int = 0
    devices: int = 0
    stored: int = 0
    merged: int = 0
    repeated: int = 0
    dead_lettered: int = 0
    missing: int = 0
    pending: int = 0
    different: int = 0
    unexpected: int = 0
    replayed: int = 0
    letters: int = 0
    letters_repeated: int = 0
    letters_elsewhere: int = 0
    letters_foreign: int = 0
    named: list[Named] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, topic: str, parts: Sequence[Part], *, group: str = "", max_named: int = 100) -> "Account":
        return cls(topic, {p.partition: Lane(p) for p in parts}, group, max_named)

    def name(self, found: Named) -> None:
        """Keeps it, up to `max_named`: the counts tell how many there are."""
        if len(self.named) < self.max_named:
            self.named.append(found)

    @property
    def balanced(self) -> bool:
        """Whether the counts add up; if not, the audit itself is wrong."""
        return self.records == self.stored + self.merged + self.repeated + self.dead_lettered + self.missing

    def agrees(self, *, strict: bool = False) -> bool:
        """Whether every record is accounted for. `strict`: and every row is."""
        faults = self.missing + self.different + (self.unexpected if strict else 0)
        return self.balanced and not faults

    def as_json(self, *, strict: bool = False, seconds: float = 0.0) -> dict[str, Any]:
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.type is int or f.type == "int"}
        del counts["max_named"]
        return {
            "topic": self.topic,
            "group": self.group,
            "agrees": self.agrees(strict=strict),
            "lost": self.missing,
            **counts,
            "partitions": [
                {
                    "partition": lane.part.partition,
                    "start": lane.part.start,
                    "end": lane.part.end,
                    "records": lane.records,
                    "dead_lettered": lane.dead_lettered,
                    "missing": lane.missing,
                }
                for lane in self.lanes.values()
            ],
            "named": [n.as_json() for n in self.named],
            "remarks": self.remarks,
            "seconds": round(seconds, 2),
        }
