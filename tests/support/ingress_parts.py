"""Stand-ins for what is behind the gateway, and a gateway on a real socket in a thread's loop."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taosink.ingress.asking import Asking
from taosink.ingress.downlink import SocketDownlink
from taosink.ingress.gateway import Gateway
from taosink.ingress.limits import Admission, Limits
from taosink.ingress.owed import OwedAnswers
from taosink.ingress.ports import Authenticator, Done, Reply, Verdict


class Counts:
    """`ports.Counting`, to be looked at."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()

    def count(self, kind: str, reason: str, n: int = 1) -> None:
        self.seen[kind, reason] += n

    def took(self, kind: str, seconds: float) -> None:
        del seconds
        self.seen["took", kind] += 1


class HandPublishing:
    """`ports.Publishing` that a test acknowledges by hand; `room` is how many calls it still takes."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.records: list[tuple[str, list[bytes], Done, Reply | None]] = []
        self.requests: list[tuple[bytes, bytes, Done]] = []
        self._calls: list[Callable[[], None]] = []

    def readings(self, device: str, values: Sequence[bytes], done: Done, reply: Reply | None = None) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.records.append((device, list(values), done, reply))
        return True

    def request(self, envelope: bytes, key: bytes, done: Done) -> bool:
        if not self.room:
            return False
        self.requests.append((envelope, key, done))
        return True

    def on_room(self, call: Callable[[], None]) -> None:
        self._calls.append(call)

    def make_room(self, room: int = 1_000_000) -> None:
        self.room = room
        for call in self._calls:
            call()

    @property
    def waiting(self) -> int:
        return len(self.records)

    def acknowledge(self, failures: Mapping[int, str] | None = None) -> None:
        """All that waits."""
        waiting, self.records = self.records, []
        for _, _, done, _ in waiting:
            done(failures or {})


class SoonPublishing(HandPublishing):
    """Acknowledges in the loop's next turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self.taken = 0

    def readings(self, device: str, values: Sequence[bytes], done: Done, reply: Reply | None = None) -> bool:
        if not super().readings(device, values, done, reply):
            return False
        self.taken += len(values)
        if len(self.records) == 1:
            self._loop.call_soon(self.acknowledge)
        return True


class Claims:
    """`ports.Presence`, to be looked at."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, str]] = []

    def claim(self, device: str, client: str) -> None:
        self.said.append(("claim", device, client))

    def gone(self, device: str, client: str) -> None:
        self.said.append(("gone", device, client))


class Orders:
    """`ports.Commands`, to be looked at."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def connected(self, device: str, client: str) -> None:
        self.said.append(("connected", device, client))

    def result(self, device: str, command: str, data: Any, status: str) -> bool:
        self.said.append(("result", device, command, data, status))
        return True


class Door:
    """`ports.Authenticator` that knows one wrong token."""

    async def check(
        self, device: str, token: str | None, peer_certificate: Mapping[str, Any] | None
    ) -> Verdict:
        del peer_certificate
        if token == "wrong":
            return Verdict(ok=False, code="unauthorized", text="the token is wrong")
        return Verdict(ok=True, device=device)

    def reload(self) -> None:
        pass


class Rig:
    """A gateway with stand-ins behind it and a clock that the test turns."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        publishing: HandPublishing | None = None,
        clock: Callable[[], float] | None = None,
        soon: Callable[[Callable[[], None]], object] = lambda call: call(),
        stopwatch: Callable[[], float] = time.monotonic,
        total: int = 100_000,
        per_address: int = 100_000,
        owed: int = 1000,
        events: bool = True,
        authenticator: Authenticator | None = None,
    ) -> None:
        self.now = 1000.0
        self.counts, self.claims, self.orders = Counts(), Claims(), Orders()
        self.publishing = publishing or HandPublishing()
        self.owed = OwedAnswers(30.0, owed)
        self.gateway = Gateway(
            server_id="gw-1",
            limits=limits or Limits(),
            admission=Admission(total, per_address),
            owed=self.owed,
            counting=self.counts,
            clock=clock or (lambda: self.now),
            wall=lambda: 0.0,
            soon=soon,
            stopwatch=stopwatch,
            events=events,
        )
        self.asking = Asking("gw-1", lambda: self.publishing)
        self.downlink = SocketDownlink(self.gateway.sessions, self.owed, self.asking, self.counts)
        self.gateway.attach(
            publishing=self.publishing,
            presence=self.claims,
            commands=self.orders,
            authenticator=authenticator or Door(),
        )

    def seen(self, kind: str, reason: str) -> int:
        return self.counts.seen[kind, reason]
