"""A gateway's broker side without sockets: what it is told is written down."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from taosink.ingress.broker.gateway_broker import GatewayBroker
from taosink.ingress.broker.options import BrokerOptions, Timings
from taosink.ingress.ports import Command, WorkerAnswer

QUICK = Timings(
    heartbeat=0.2,
    silent=1.5,
    kept=3600.0,
    sweep=0.05,
    expiry_grace=0.1,
    repair=0.2,
    refresh=1.0,
    topic_retry=0.2,
)


class Sockets:
    """`ports.Downlink` and `ports.Counting` of a gateway that holds whatever it is told to hold."""

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}
        self.commands: list[tuple[str, str, str]] = []
        self.answers: list[WorkerAnswer] = []
        self.responses: list[tuple[str | None, str | None, Mapping[str, Any]]] = []
        self.lost: list[tuple[str, str]] = []
        self.counts: dict[tuple[str, str], int] = {}
        self.full = False
        self.refused: set[str] = set()

    def stored(self, answers: Iterable[WorkerAnswer]) -> None:
        self.answers += answers

    def respond(self, client: str | None, device: str | None, response: Mapping[str, Any]) -> bool:
        if client not in self.sessions.values() and device not in self.sessions:
            return False
        self.responses.append((client, device, response))
        return True

    def command(self, device: str, client: str | None, command: Command) -> bool:
        if self.full or command.id in self.refused or self.sessions.get(device) != client:
            return False
        self.commands.append((device, command.id, str(client)))
        return True

    def replaced(self, device: str, client: str) -> None:
        self.lost.append((device, client))
        if self.sessions.get(device) == client:
            del self.sessions[device]

    def held(self) -> Iterable[tuple[str, str]]:
        return list(self.sessions.items())

    def count(self, kind: str, reason: str, n: int = 1) -> None:
        self.counts[kind, reason] = self.counts.get((kind, reason), 0) + n

    def took(self, kind: str, seconds: float) -> None:
        """Not looked at."""


class GatewayRig:
    """One gateway: its broker side, and the sockets that it believes to have."""

    def __init__(self, options: BrokerOptions) -> None:
        self.sockets = Sockets()
        self.broker = GatewayBroker(options, asyncio.get_running_loop(), self.sockets, self.sockets)

    def connect(self, device: str, client: str) -> None:
        self.sockets.sessions[device] = client
        self.broker.presence.claim(device, client)
        self.broker.commands.connected(device, client)

    def disconnect(self, device: str) -> None:
        self.broker.presence.gone(device, self.sockets.sessions.pop(device))

    def kill(self) -> None:
        """It says nothing any more, and hears nothing: what is left of a process that was killed."""
        ticking = self.broker._ticking
        assert ticking is not None
        ticking.cancel()
        self.broker._ticking = None
        self.broker._queue.close()


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Waits for a condition on the loop; AssertionError where it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
