"""What outlives a connection: requests with whoever waits for them, commands, and results to send."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from taosbatch.backoff import Backoff
from taosdevice.framing import MAX_FRAME_DEFAULT, Framing
from taosdevice.names import REJECTED, Code, Uid
from taosdevice.orders import Orders
from taosdevice.outbox import Entry, Outbox
from taosdevice.outcomes import DeviceClientError, Outcome


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Durations in seconds. `pending`: requests held before `send` waits; `in_flight`: of them on the wire;
    `tries`: how often a request is sent without an answer before it is `unknown`."""

    pending: int = 1000
    in_flight: int = 64
    answer_timeout: float = 60.0
    tries: int = 3
    connect_timeout: float = 10.0
    keepalive: float = 20.0
    keepalive_grace: float = 10.0
    commands_known: int = 1000
    commands_waiting: int = 100


class Desk:
    """Used on one loop. `wake` says that there may be something to write, `ordered` something to do."""

    def __init__(
        self,
        framing: Framing,
        limits: ClientLimits,
        busy_backoff: Backoff,
        clock: Callable[[], float],
        rand: Callable[[], float],
    ) -> None:
        self.framing, self.limits, self.clock, self.rand = framing, limits, clock, rand
        self.outbox = Outbox(answer_timeout=limits.answer_timeout, tries=limits.tries, backoff=busy_backoff)
        self.orders = Orders(limits.commands_known, limits.commands_waiting)
        self.results: dict[str, Mapping[str, Any]] = {}
        self.wake, self.ordered = asyncio.Event(), asyncio.Event()
        self.in_flight = limits.in_flight
        self.max_frame = MAX_FRAME_DEFAULT
        self._waiters: dict[Uid, asyncio.Future[Outcome]] = {}

    def __repr__(self) -> str:
        return f"<Desk {self.outbox!r} {self.orders!r}>"

    async def outcome(self, entry: Entry) -> Outcome:
        """Blocks until it is known what became of it; a caller that gives up leaves nothing behind."""
        waiter: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiters[entry.uid] = waiter
        self.outbox.add(entry)
        self.wake.set()
        try:
            return await waiter
        finally:
            self.outbox.drop(entry.uid)
            del self._waiters[entry.uid]

    def tell(self, entry: Entry) -> None:
        """Hands an outcome to whoever waits for it."""
        waiter = self._waiters.get(entry.uid)
        if waiter is not None and not waiter.done() and entry.outcome is not None:
            waiter.set_result(entry.outcome)

    def end(self, error: DeviceClientError) -> None:
        """Nothing is answered any more."""
        for entry in self.outbox.end():
            waiter = self._waiters.get(entry.uid)
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)

    def result(self, message: Mapping[str, Any] | None) -> None:
        """To be sent on whatever connection there is, or comes."""
        if message is not None:
            self.results[str(message["uid"])] = message
            self.wake.set()

    def take_limits(self, limits: object) -> None:
        """What the gateway said of itself; numbers alone count."""
        if not isinstance(limits, Mapping):
            return
        if isinstance(frame := limits.get("maxFrame"), int):
            self.max_frame = frame
        if isinstance(in_flight := limits.get("maxInFlight"), int):
            self.in_flight = max(1, min(self.limits.in_flight, in_flight))

    def too_large(self, frame: bytes) -> bool:
        """Whether the gateway would close the connection on it."""
        around = 1 if self.framing is Framing.JSON_LINES else 4
        return len(frame) - around > self.max_frame

    def refuse(self, entry: Entry) -> None:
        """The gateway's limit has become smaller than a request that waits."""
        text = f"the gateway takes {self.max_frame} bytes at once now: send less"
        entry.outcome = Outcome(REJECTED, None, Code.FRAME_TOO_LARGE, text, entry.sent - 1)
        self.outbox.drop(entry.uid)
        self.tell(entry)
