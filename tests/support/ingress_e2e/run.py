"""One run of the whole way: devices work, processes die, and everything that was promised is looked for."""

import asyncio
import random
import signal
import ssl
import time
from collections import Counter
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import uvloop
from support.chaos.servers import Operator
from support.ingress_e2e import verdict
from support.ingress_e2e.balancer import balancing
from support.ingress_e2e.commands import Sender
from support.ingress_e2e.fleet import Device
from support.ingress_e2e.ledger import Ledger, Reading
from support.ingress_e2e.plan import Break, Plan
from support.ingress_e2e.report import Report
from support.ingress_e2e.stage import GATEWAYS, Place, Stage, stage
from support.ingress_e2e.verdict import Database

DEFECTS = ("defect", "failed", "fatal", "records_lost", "deadline_passed", "rows_unaccounted")
"""What no log line of level error may be called, whatever breaks around the process."""
FEW = 20


def run_whole_way(plan: Plan, operator: Operator, work: Path) -> Report:
    """Blocks for the plan's seconds and about half a minute. To be called in the main thread."""
    begun = time.monotonic()
    with stage(plan, operator, work) as found:
        run = Run(plan, found)
        run.mark("started", begun)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run.drive())
        run.account()
    run.report.seconds = round(time.monotonic() - begun, 1)
    return run.report


class Run:
    """What one run does, step by step."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self.plan, self.stage = plan, stage
        self.ledger = Ledger()
        self.report = Report(plan.devices, len(GATEWAYS))
        self.devices = [Device(name, n, self.ledger, self._probe) for n, name in enumerate(plan.names)]
        self._rand = random.Random(1)
        self._locks = {name: asyncio.Lock() for name in [*plan.names, *plan.ghost_names]}
        self._prober = ThreadPoolExecutor(1, thread_name_prefix="prober")
        self._probes: list[asyncio.Future[None]] = []
        self._turn = Counter[str]()
        self._turns = {kind: asyncio.Lock() for _, kind in plan.faults}
        self._storm_at = 0.0
        self._url = ""
        self._tls = ssl.create_default_context()
        stage.authority.configure_trust(self._tls)

    def mark(self, phase: str, since: float) -> None:
        self.report.phases[phase] = round(time.monotonic() - since, 1)

    # Devices

    async def drive(self) -> None:
        """From the first connection to the last one's end, with every command in its final state."""
        with closing(Database(self.stage.taosuri)) as self._database, self._prober:
            async with balancing(self.stage.backends) as balancer:
                self._url = f"tls://127.0.0.1:{balancer.number}"
                with Sender(self.stage.admins, self.ledger, self.plan.patience) as sender:
                    try:
                        await self._storm(sender)
                        await self._settle(sender)
                    finally:
                        clients = [d.client for d in self.devices if d.client is not None]
                        await asyncio.gather(*(c.__aexit__(None, None, None) for c in clients))

    async def _connect(self, device: Device) -> None:
        client = device.open(self._url, self.stage.tokens[device.name], self._tls)
        await client.__aenter__()
        async with asyncio.timeout(self.plan.patience):
            await client.connected()

    async def _storm(self, sender: Sender) -> None:
        plan, loop, began = self.plan, asyncio.get_running_loop(), time.monotonic()
        prompt, late = self.devices[plan.late :], self.devices[: plan.late]
        await self._connect(prompt[0])
        await prompt[0].first()
        await asyncio.gather(*map(self._connect, prompt[1:]))
        self.mark("connected", began)
        began, until = time.monotonic(), loop.time() + plan.seconds
        self._storm_at = began
        async with asyncio.TaskGroup() as group:
            for device in prompt:
                group.create_task(self._within(device.work(plan, until)))
            for device in late:
                group.create_task(self._comes_late(device, until))
            group.create_task(self._commands(sender, until))
            for part, kind in plan.faults:
                group.create_task(self._fault(until - plan.seconds * (1 - part), kind))
        await asyncio.gather(*self._probes)
        self.mark("storm", began)

    async def _within(self, work: Awaitable[None]) -> None:
        async with asyncio.timeout(self.plan.seconds + self.plan.patience):
            await work
        self.mark("devices", self._storm_at)

    async def _comes_late(self, device: Device, until: float) -> None:
        await asyncio.sleep(self.plan.seconds * self.plan.late_at)
        await self._connect(device)
        await device.work(self.plan, until)

    def _probe(self, reading: Reading) -> None:
        def look() -> None:
            self.report.probed += 1
            self.report.early += not self._database.holds(reading)

        self._probes.append(asyncio.get_running_loop().run_in_executor(self._prober, look))

    # Commands

    async def _commands(self, sender: Sender, until: float) -> None:
        plan, loop = self.plan, asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for name in plan.ghost_names:
                group.create_task(self._put(sender, name, answer=True, ttl_ms=1500, ghost=True))
            for device in self.devices[: plan.late]:
                for n in range(3):
                    group.create_task(self._put(sender, device.name, answer=n != 1))
            while loop.time() < until:
                device = self._rand.choice(self.devices)
                group.create_task(
                    self._put(sender, device.name, device.server, answer=self._rand.random() < 0.7)
                )
                await asyncio.sleep(plan.command_period)

    async def _put(
        self,
        sender: Sender,
        device: str,
        holder: str = "",
        *,
        answer: bool,
        ttl_ms: int = 600_000,
        ghost: bool = False,
    ) -> None:
        # One after another for each device, so that there is an order to be kept.
        async with self._locks[device]:
            await sender.put(device, holder, answer=answer, ttl_ms=ttl_ms, ghost=ghost)

    # What breaks

    async def _fault(self, at: float, kind: Break) -> None:
        """At its time, whatever the one before it is still waiting for; only the same kind waits for its like."""
        await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
        async with self._turns[kind]:
            self.report.faults.append(kind)
            began = time.monotonic()
            await self._break(kind)
            self.mark(kind, began)

    async def _break(self, kind: Break) -> None:
        operator = self.stage.operator
        if kind in ("restart_broker", "kill_broker"):
            operator.begin(kind)
            await asyncio.sleep(self.plan.down)
            operator.end()
            await asyncio.to_thread(operator.wait)
            return
        places = self.stage.gateways if kind == "kill_gateway" else self.stage.consumers
        place = places[self._turn[kind] % len(places)]
        self._turn[kind] += 1
        assert place.child is not None
        place.up = False
        place.child.process.kill()
        await asyncio.sleep(self.plan.down)
        await asyncio.to_thread(place.stop, signal.SIGKILL)
        place.start()
        await asyncio.to_thread(place.wait)

    # The account

    async def _settle(self, sender: Sender) -> None:
        plan, began = self.plan, time.monotonic()
        for device in self.devices:
            assert device.client is not None
            await asyncio.wait_for(device.client.connected(), plan.patience)
        everybody = [*plan.names, *plan.ghost_names]
        states, disagreed = await verdict.settled_commands(
            sender, self.stage, self.ledger, everybody, plan.patience
        )
        self.report.commands, self.report.disagreed = states, len(disagreed)
        self.ledger.wrong += disagreed[:FEW] + verdict.out_of_order(self.ledger)
        self.mark("commands", began)
        wrong = await verdict.presence(sender, self.stage, self.devices, plan.patience / 4)
        self.ledger.wrong += wrong[:FEW]
        self.mark("presence", began)
        self.report.unseen = sum(not (o.answer or o.ghost or o.handled) for o in self.ledger.orders.values())
        self.report.reconnects = sum(d.client.connects - 1 for d in self.devices if d.client)

    def account(self) -> None:
        """Every reading against the database, by the test's own book and by the audit; every process's end."""
        began, counts, report = time.monotonic(), self.ledger.counts, self.report
        left = verdict.drained(self.stage, self.plan.partitions, self.plan.patience)
        self.mark("drained", began)
        if left:
            self.ledger.wrong.append(f"{left} records were not committed")
        for place in self.stage.places:
            code = place.stop()
            if code:
                self.ledger.wrong.append(f"{place.name} ended with {code}")
        self.mark("stopped", began)
        report.stored, lost = verdict.lost_readings(self.stage.taosuri, self.ledger)
        report.lost = len(lost)
        self.mark("compared", began)
        report.audit, told = self.stage.audit()
        if report.audit:
            self.ledger.wrong.append(told[-2000:])
        report.sent = len(self.ledger.readings) + self.ledger.poison
        report.acknowledged = {
            "stored": counts["acknowledged_stored"],
            "kafka": counts["acknowledged_kafka"],
            "rejected": counts["rejected"],
        }
        report.application = counts["acknowledged_application"]
        report.resent, report.again = counts["resent"], counts["again"]
        report.alarms = dict(sum((p.alarms for p in self.stage.places), Counter[str]()))
        report.wrong = [*self.ledger.wrong, *lost[:FEW], *self._defects()]
        self.mark("account", began)

    def _defects(self) -> list[str]:
        def bad(place: Place) -> list[str]:
            return [f"{place.name}: {a}" for a in place.alarms if any(word in a for word in DEFECTS)]

        return [text for place in self.stage.places for text in bad(place)]
