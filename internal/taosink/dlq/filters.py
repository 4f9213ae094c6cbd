"""Which letters are meant. Pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fnmatch import fnmatchcase

from taosink.dlq.letters import Found


@dataclass(frozen=True, slots=True)
class Filter:
    """What is empty or None lets everything pass. `device` is a shell pattern (`tb1*`); times are those of
    dead-lettering, in milliseconds, `until_ms` excluded; `origin` is the record's topic."""

    reasons: AbstractSet[str] = frozenset()
    classes: AbstractSet[str] = frozenset()
    codes: AbstractSet[int] = frozenset()
    device: str = ""
    origin: str = ""
    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def is_open(self) -> bool:
        """Nothing is asked: foreign records, which have none of these, are meant too."""
        return self == Filter()

    def takes(self, found: Found) -> bool:
        """False for receipts; true for a foreign record only where nothing is asked."""
        info = found.info
        if info is None:
            return self.is_open and found.kind == "foreign"
        return (
            (not self.reasons or info.reason in self.reasons)
            and (not self.classes or info.cls in self.classes)
            and (not self.codes or info.code in self.codes)
            and (not self.origin or info.topic == self.origin)
            and (not self.device or fnmatchcase(info.device, self.device))
            and (self.since_ms is None or info.time_ms >= self.since_ms)
            and (self.until_ms is None or info.time_ms < self.until_ms)
        )
