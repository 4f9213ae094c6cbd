"""The fleet: each device a DeviceClient with a token over TLS, and a program that never takes no for an answer."""

import asyncio
import random
import ssl
from collections.abc import Callable
from typing import Any

from support.ingress_e2e.ledger import Kind, Ledger, Reading
from support.ingress_e2e.plan import Plan

from taosbatch.backoff import Backoff
from taosdevice.client import DeviceClient
from taosdevice.desk import ClientLimits
from taosdevice.framing import Framing
from taosdevice.orders import Command
from taosdevice.outcomes import DeviceClientError, Outcome

START_MS = 1_767_225_600_000
BATCH = 4
AGAIN = 0.2
LIMITS = ClientLimits(pending=200, in_flight=50, answer_timeout=15.0, tries=3, connect_timeout=20.0)
STEPS = ("stored", "batch stored", "kafka", "stored", "ask", "batch kafka", "stored", "kafka")
POISON_AT, POISONED = 3, 20
"""One device in so many sends a reading that no table takes, as its request of that number."""
ACTION, ANSWERS = "settings.get", {"unit": "celsius", "reportingIntervalSeconds": 30}
"""What examples/application_worker.py answers."""
Probe = Callable[[Reading], None]


class Device:
    """One of them. `probe` is given some of the readings at the moment at which they were told to be stored."""

    def __init__(self, name: str, number: int, ledger: Ledger, probe: Probe) -> None:
        self.name = name
        self._number = number
        self._ledger = ledger
        self._probe = probe
        self._count = 0
        self._rand = random.Random(name)
        self.client: DeviceClient | None = None

    def __repr__(self) -> str:
        return f"<Device {self.name} {self.client!r}>"

    @property
    def server(self) -> str:
        """The gateway that it believes to be connected to."""
        return str(self.client.server.get("serverId", "")) if self.client else ""

    def open(self, url: str, token: str, tls: ssl.SSLContext) -> DeviceClient:
        self.client = DeviceClient(
            url,
            self.name,
            token=token,
            framing=Framing.MSGPACK if self._number % 3 else Framing.JSON_LINES,
            tls=tls,
            on_command=self._obey,
            limits=LIMITS,
            backoff=Backoff(0.1, max=2.0),
        )
        return self.client

    async def _obey(self, command: Command) -> dict[str, int]:
        if "id" not in command.data:  # the application's own, at each connect
            self._ledger.counts["reports"] += 1
            return {"done": 0}
        return {"done": self._ledger.handle(self.name, command.data)}

    async def work(self, plan: Plan, until: float) -> None:
        """Requests until that time, and then until each of them has its answer."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            step = 0
            await asyncio.sleep(self._rand.random() * plan.period)
            while loop.time() < until:
                group.create_task(self._step(STEPS[(self._number + step) % len(STEPS)]))
                step += 1
                if step == POISON_AT and self._number % POISONED == 0:
                    group.create_task(self._poisoned())
                await asyncio.sleep(plan.period * (0.5 + self._rand.random()))

    async def first(self) -> None:
        """One reading, which makes the tables."""
        await self._step("stored")

    async def _step(self, what: str) -> None:
        if what == "ask":
            await self._asks()
        elif what.startswith("batch"):
            await self._sends(what.removeprefix("batch "), BATCH)  # type: ignore[arg-type]  # one of STEPS
        else:
            await self._sends(what, 1)  # type: ignore[arg-type]  # one of STEPS

    def _reading(self, kind: Kind) -> Reading:
        self._count += 1
        n = self._count
        return Reading(self.name, START_MS + n, (n + self._number / 1000, n, f"{self.name}/{n}"), kind)

    async def _sends(self, kind: Kind, count: int) -> None:
        readings = [self._reading(kind) for _ in range(count)]
        self._ledger.readings += readings
        pairs = [(r.ms * 1_000_000, r.cols) for r in readings]
        ack: Any = kind

        async def send() -> Outcome:
            assert self.client is not None
            if count == 1:
                return await self.client.send(*pairs[0], ack=ack)
            return await self.client.send_batch(pairs, ack=ack)

        if await self._insists(send, kind) is not None:
            self._ledger.acknowledged(readings)
            if kind == "stored" and self._rand.random() < 0.05:
                self._probe(readings[-1])

    async def _asks(self) -> None:
        name = self._rand.choice(list(ANSWERS))

        async def ask() -> Outcome:
            assert self.client is not None
            return await self.client.request(ACTION, {"name": name})

        found = await self._insists(ask, "application")
        if found is not None:
            self._ledger.counts["acknowledged_application"] += 1
            if found.data != {name: ANSWERS[name]}:
                self._ledger.wrong.append(f"{self.name} asked for {name} and heard {found}")

    async def _poisoned(self) -> None:
        """Text where a number belongs: never stored, and told so."""
        assert self.client is not None
        self._count += 1
        self._ledger.poison += 1
        while True:
            outcome = await self.client.send(
                (START_MS + self._count) * 1_000_000, ["no number"], ack="stored"
            )
            self._ledger.counts["resent"] += outcome.sent - 1
            if outcome.status == "rejected":
                self._ledger.counts["rejected"] += 1
                return
            if outcome.status != "unknown":
                self._ledger.wrong.append(f"{self.name} sent poison and heard {outcome}")
                return
            self._ledger.counts["again"] += 1

    async def _insists(self, ask: Callable[[], Any], what: str) -> Outcome | None:
        """Asks until it is told ok; any refusal but `unknown` is wrong here."""
        while True:
            try:
                outcome: Outcome = await ask()
            except DeviceClientError as error:
                self._ledger.wrong.append(f"{self.name} ({what}): {error!r}")
                return None
            self._ledger.counts["resent"] += outcome.sent - 1
            if outcome.ok:
                return outcome
            if outcome.status != "unknown":
                self._ledger.wrong.append(f"{self.name} ({what}): {outcome}")
                return None
            self._ledger.counts["again"] += 1
            await asyncio.sleep(AGAIN)
