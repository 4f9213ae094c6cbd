"""How long one turn of the loop may take messages, and the line of those that wait for the next one. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

BUDGET = 0.03
"""Seconds of messages in a turn."""


class Turns(Generic[T]):
    """Says when a turn has taken enough, and lets those that wait go on in the order in which they came.

    libuv reads sockets up to 48 times 1,024 events in one turn, and runs no timer and no callback meanwhile: with
    more than 1,024 busy connections under overload a turn would take seconds, in which nothing is answered and
    nobody is let in. So a turn's share of messages is bounded here, and the rest of what is read is put by.

    Used on the loop's thread. `soon` calls what it is given once the turn's sockets are done with, such as the
    loop's call_soon; `go_on` takes what an item has put by, and asks `spent` before each message; `clock` moves
    within a turn, which uvloop's own time does not.
    """

    def __init__(
        self,
        soon: Callable[[Callable[[], None]], object],
        go_on: Callable[[T], None],
        *,
        clock: Callable[[], float],
        budget: float = BUDGET,
    ) -> None:
        self._soon, self._go_on, self._clock, self._budget = soon, go_on, clock, budget
        self._line: OrderedDict[T, None] = OrderedDict()
        self._began = 0.0
        self._asked = self._serving = False

    def __repr__(self) -> str:
        return f"<Turns {len(self._line)} in line>"

    def __len__(self) -> int:
        return len(self._line)

    def spent(self) -> bool:
        """Whether a message that comes now has to wait: the turn has taken enough, or others came before."""
        if not self._serving:
            if self._line:
                return True
            if not self._asked:
                self._began = self._clock()
                self._ask()
                return False
        return self._clock() - self._began >= self._budget

    def wait(self, item: T) -> None:
        """To the end of the line; who stands in it keeps his place."""
        self._line.setdefault(item)
        self._ask()

    def forget(self, item: T) -> None:
        """Out of the line. Idempotent."""
        self._line.pop(item, None)

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            self._soon(self._over)

    def _over(self) -> None:
        self._asked = False
        self._began = self._clock()
        self._serving = True
        try:
            while self._line and self._clock() - self._began < self._budget:
                self._go_on(self._line.popitem(last=False)[0])
        finally:
            self._serving = False
            # Also behind a defect in one: the others would stand in line for ever.
            if self._line:
                self._ask()
