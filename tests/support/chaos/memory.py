"""What a process holds in memory, and what it may hold."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
CONSTANT = 72 * MIB
"""What a consumer may hold beyond its idle size and its budget: librdkafka's buffers of what it receives and
decompresses, the dead letters' producer, the allocator's slack."""
LARGE_CONSTANT = 128 * MIB
"""The same at the default budget while hundreds of MB pass through: the allocator's slack grows with them."""


def rss(pid: int) -> int:
    """Resident bytes of a process (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


@dataclass(slots=True)
class Curve:
    """Samples of one process, by the second."""

    pid: int
    every: float = 0.1
    samples: list[tuple[float, int]] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def watch(self, done: Callable[[], bool], longest: float) -> None:
        """Samples until it is done; AssertionError where that takes longer."""
        end = time.monotonic() + longest
        while not done():
            assert time.monotonic() < end, f"not within {longest} s; {self}"
            self.samples.append((time.monotonic() - self.begun, rss(self.pid)))
            time.sleep(self.every)

    def watch_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.watch(lambda: time.monotonic() >= end, seconds + 60)

    @property
    def peak(self) -> int:
        return max(size for _, size in self.samples)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self, lines: int = 24) -> Iterator[str]:
        """A line for each part of the time: its second, its greatest size, and a bar."""
        step = max(1, -(-len(self.samples) // lines))
        for at in range(0, len(self.samples), step):
            part = self.samples[at : at + step]
            size = max(size for _, size in part) / MIB
            yield f"{part[0][0]:7.1f} s {size:7.1f} MiB {'#' * int(size / 4)}"
