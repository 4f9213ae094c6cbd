"""The last things that went wrong, for who looks at the process and not at its log. Bounded."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MOST = 50
LONGEST = 500
"""Characters kept of one text: it may hold what a device sent."""


@dataclass(frozen=True, slots=True)
class Happening:
    """`at` is in seconds since 1970; `times` counts those that followed each other with the same text."""

    at: float
    kind: str
    text: str
    times: int = 1


class Happenings:
    """Thread-safe; the newest are kept. Takes no more than some microseconds."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: deque[Happening] = deque(maxlen=most)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Happenings {len(self._kept)} kept>"

    def add(self, kind: str, text: str) -> None:
        text = text[:LONGEST]
        with self._lock:
            times = 1
            if self._kept and (self._kept[-1].kind, self._kept[-1].text) == (kind, text):
                times += self._kept.pop().times
            self._kept.append(Happening(self._clock(), kind, text, times))

    def newest_first(self) -> list[Happening]:
        with self._lock:
            return list(reversed(self._kept))
