"""Dead letters counted: by reason, class, code, device and origin. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from taosink.dlq.letters import Found, written_time

MOST_DEVICES = 10_000
"""Devices counted one by one; a topic may hold letters of more, which are then counted together."""

OTHERS = "(other devices)"


@dataclass(slots=True)
class Stats:
    """Adds up letters. Devices beyond `MOST_DEVICES` share one count, so that memory stays bounded."""

    letters: int = 0
    foreign: int = 0
    replayed: int = 0
    cut: int = 0
    nbytes: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)

    def add(self, found: Found, *, replayed: bool) -> None:
        info = found.info
        if info is None:
            self.foreign += 1
            return
        self.letters += 1
        self.replayed += replayed
        self.cut += bool(info.cut)
        self.nbytes += len(found.value or b"")
        self.first_ms = info.time_ms if self.first_ms is None else min(self.first_ms, info.time_ms)
        self.last_ms = info.time_ms if self.last_ms is None else max(self.last_ms, info.time_ms)
        self.reasons[info.reason] += 1
        self.classes[info.cls] += 1
        self.codes[info.code] += 1
        self.origins[info.topic] += 1
        self.attempts[info.attempt] += 1
        known = info.device in self.devices or len(self.devices) < MOST_DEVICES
        self.devices[info.device if known else OTHERS] += 1

    def as_json(self) -> dict[str, Any]:
        """Counts in falling order; codes as the database writes them."""
        return {
            "letters": self.letters,
            "foreign": self.foreign,
            "replayed": self.replayed,
            "cut": self.cut,
            "bytes": self.nbytes,
            "first": None if self.first_ms is None else written_time(self.first_ms),
            "last": None if self.last_ms is None else written_time(self.last_ms),
            "reasons": dict(self.reasons.most_common()),
            "classes": dict(self.classes.most_common()),
            "codes": {written_code(code): n for code, n in self.codes.most_common()},
            "devices": dict(self.devices.most_common()),
            "origins": dict(self.origins.most_common()),
            "attempts": {str(n): count for n, count in sorted(self.attempts.items())},
        }


def written_code(code: int) -> str:
    """The database's number as its manual writes it; empty for a letter that the database never saw."""
    return f"0x{code:04X}" if code else ""
