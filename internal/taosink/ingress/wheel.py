"""Deadlines of many things at the cost of few: buckets of one step, looked at when they are due. Pure."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Filed(Protocol):
    """What a wheel holds; `slot` is the wheel's own, -1 outside of it."""

    slot: int


T = TypeVar("T", bound=Filed)


class Wheel(Generic[T]):
    """Items by the step in which they are to be looked at. A deadline that moves further away need not be told:
    whoever looks finds that it is not due and files the item again."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._buckets: dict[int, set[T]] = {}

    def __repr__(self) -> str:
        return f"<Wheel {sum(map(len, self._buckets.values()))} in {len(self._buckets)} buckets>"

    def file(self, item: T, at: float) -> None:
        """To be looked at not before `at`; an item that is filed moves only where that is earlier."""
        slot = int(at / self._step) + 1
        if item.slot >= 0:
            if item.slot <= slot:
                return
            self.drop(item)
        item.slot = slot
        self._buckets.setdefault(slot, set()).add(item)

    def drop(self, item: T) -> None:
        """Idempotent."""
        bucket = self._buckets.get(item.slot)
        if bucket is not None:
            bucket.discard(item)
            if not bucket:
                del self._buckets[item.slot]
        item.slot = -1

    def due(self, now: float) -> Iterator[T]:
        """Takes out and gives everything whose step has passed."""
        for slot in [s for s in self._buckets if s * self._step <= now]:
            for item in self._buckets.pop(slot):
                item.slot = -1
                yield item
