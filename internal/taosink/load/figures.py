"""Latencies in steps of a tenth of a millisecond, and what they come to. Pure."""

from array import array
from collections.abc import Mapping

STEPS_PER_SECOND = 10_000
LONGEST = 120
"""Seconds; whatever takes longer counts as that, but for the maximum."""


class Latencies:
    """Bounded memory (10 MB) however long a run is; one addition a request."""

    def __init__(self) -> None:
        self._steps = array("Q", bytes(8 * (LONGEST * STEPS_PER_SECOND + 1)))
        self.max = 0.0
        self.count = 0

    def __repr__(self) -> str:
        return f"<Latencies {self.count}, max={self.max:.4f} s>"

    def add(self, seconds: float) -> None:
        """Below zero counts as zero."""
        self.max = max(self.max, seconds)
        self.count += 1
        step = int(seconds * STEPS_PER_SECOND)
        self._steps[0 if step < 0 else step if step < len(self._steps) else -1] += 1

    def at(self, share: float) -> float:
        """Seconds within which that share of all was answered, rounded up to a step; 0 where there is none."""
        wanted, seen = share * self.count, 0
        if not self.count:
            return 0.0
        for step, count in enumerate(self._steps):
            seen += count
            if count and seen >= wanted:
                return min((step + 1) / STEPS_PER_SECOND, self.max)
        return self.max

    def told(self) -> Mapping[str, float]:
        """In milliseconds."""
        found = {name: self.at(share) for name, share in SHARES.items()} | {"max": self.max}
        return {"count": self.count} | {name: round(seconds * 1000, 2) for name, seconds in found.items()}


SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
