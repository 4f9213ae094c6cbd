"""Results from another thread, brought to the event loop many at a time."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

WAIT = 0.1


class LoopQueue(Generic[T]):
    """`put`, `wake` and `feed` belong to one other thread; `take` is called on the loop with all that came.

    However many are put, one call waits in the loop at a time. A loop that is closed drops them.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, take: Callable[[list[T]], None], *, bound: int = 1_000
    ) -> None:
        self._loop, self._take, self._bound = loop, take, bound
        self._items: deque[T] = deque()
        self._drained = threading.Event()
        self._woken = self._closed = False

    def __repr__(self) -> str:
        return f"<LoopQueue {len(self._items)} waiting{', closed' if self._closed else ''}>"

    def put(self, item: T) -> None:
        """Without a bound: for those who have one of their own."""
        self._items.append(item)

    def wake(self) -> None:
        """Called behind a round of puts, or behind a round without one."""
        if not self._items or self._woken or self._closed:
            return
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # closed: nobody is left who waits
            self.close()

    def feed(self, items: Iterable[T]) -> None:
        """Puts and wakes, and blocks while the loop has not taken the `bound` items before."""
        self._items.extend(items)
        self.wake()
        while len(self._items) > self._bound and not self._closed:
            self._drained.clear()
            self._drained.wait(WAIT)

    def close(self) -> None:
        """Drops what waits, and whatever comes. Thread-safe."""
        self._closed = True
        self._items.clear()
        self._drained.set()

    def _drain(self) -> None:
        # First, so that what is put from here on wakes the loop again.
        self._woken = False
        items: list[T] = []
        while self._items:
            items.append(self._items.popleft())
        self._drained.set()
        if items and not self._closed:
            self._take(items)
