"""How long to wait before the next try: a pure value, without end."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds: `first`, then `factor` times more at each attempt, up to `max`; each shortened by a random
    part of at most `jitter` (0..1), so that workers that failed together do not come back together."""

    first: float = 0.2
    factor: float = 2.0
    max: float = 15.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.max and self.factor >= 1 and 0 <= self.jitter <= 1):
            raise ValueError(f"needs 0 < first <= max, factor >= 1 and 0 <= jitter <= 1: {self!r}")

    def delay(self, attempt: int, rand: Callable[[], float]) -> float:
        """The wait after failure number `attempt` (0 is the first). `rand` gives 0 <= x < 1."""
        try:
            delay = self.first * self.factor**attempt
        except OverflowError:  # an outage of days: factor ** 1024 is beyond a float
            delay = self.max
        return min(self.max, delay) * (1 - self.jitter * rand())
