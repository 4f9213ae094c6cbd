"""The fleet through a gateway: each device is a client of its own, a bounded number of them at a time."""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Literal

import structlog

from taosbatch.literals import Value
from taosdevice.client import DeviceClient
from taosdevice.framing import Framing
from taosdevice.link import Address, Link, LinkError
from taosdevice.outcomes import DeviceClientError, Outcome
from taosink.simulator.fleet import Fleet
from taosink.simulator.pacing import due_in

log = structlog.get_logger(__name__)

Row = tuple[int, list[Value]]

LOOK_S = 0.05
"""Between two looks at the stop: it is asked for by a signal's handler, or another thread."""

IN_FLIGHT = 4
"""Batches of one device on their way, so that a device does not idle for a round trip at each."""


@dataclass(frozen=True, slots=True)
class ThroughOptions:
    """`token` gives a device's token or secret. `connections`: devices at a time; `batch`: records a request."""

    url: str
    connections: int = 100
    batch: int = 100
    ack: Literal["kafka", "stored"] = "kafka"
    token: Callable[[str], str] | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(slots=True)
class ThroughCounts:
    """`produced` less `delivered` is what nobody acknowledged; `refused` were never taken, and are in neither."""

    produced: int = 0
    delivered: int = 0
    refused: int = 0


class GatewayUnreachableError(Exception):
    """No gateway answers at the address."""


class Passage:
    """One run. Everything but `counts` belongs to the loop that runs it, and there `on_answer` is called: with what
    became of each request, and the seconds that it took with all that was sent again. It must not block."""

    def __init__(
        self,
        fleet: Fleet,
        through: ThroughOptions,
        *,
        framing: Framing = Framing.MSGPACK,
        stop: threading.Event,
        abandon: threading.Event,
        rate: float | None = None,
        duration: float | None = None,
        stop_deadline: float = 25.0,
        tick: Callable[[], None] = lambda: None,
        on_answer: Callable[[Outcome, float], None] = lambda _outcome, _seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet, self._through, self._framing = fleet, through, framing
        self._stop, self._abandon, self._deadline = stop, abandon, stop_deadline
        self._rate, self._duration = rate, duration
        self._tick, self._on_answer, self._clock = tick, on_answer, clock
        self._started = clock()
        self.counts = ThroughCounts()

    def __repr__(self) -> str:
        return f"Passage({self._through.url}, {self.counts})"

    async def run(self, connect_timeout: float) -> None:
        """Returns when everything is acknowledged or given up, or a stop's deadline is over.

        GatewayUnreachableError where nobody listens within `connect_timeout`; later it waits for the gateway.
        """
        await self._find(connect_timeout)
        self._started = self._clock()
        tables = self._fleet.settings.tables
        at_a_time = min(tables, self._through.connections)
        lanes = [asyncio.create_task(self._lane(range(n, tables, at_a_time))) for n in range(at_a_time)]
        try:
            await self._watch(asyncio.gather(*lanes))
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _find(self, timeout: float) -> None:
        address = Address.parse(self._through.url, self._through.tls)
        try:
            async with asyncio.timeout(timeout):
                await (await Link.open(address, self._framing, self._clock)).close()
        except (LinkError, TimeoutError) as error:
            reason = str(error) or f"no answer within {timeout:g} s"
            raise GatewayUnreachableError(f"no gateway at {self._through.url}: {reason}") from None

    async def _watch(self, lanes: "asyncio.Future[list[None]]") -> None:
        ticked, until = self._clock(), None
        while not lanes.done() and not self._abandon.is_set():
            now = self._clock()
            if now - ticked >= 1.0:
                ticked = now
                self._tick()
            if until is None and not self._goes_on():
                until = now + self._deadline
            if until is not None and now >= until:
                break
            await asyncio.wait([lanes], timeout=LOOK_S)
        if lanes.done():
            lanes.result()
        else:
            lanes.cancel()
            with suppress(asyncio.CancelledError):
                await lanes

    async def _lane(self, devices: range) -> None:
        """One device after another, each to its end, over a connection of its own."""
        for device in devices:
            if not self._goes_on():
                return
            name, make = self._fleet.device_name(device), self._through.token
            async with DeviceClient(
                self._through.url,
                name,
                token=None if make is None else partial(make, name),
                ack=self._through.ack,
                framing=self._framing,
                tls=self._through.tls,
            ) as client:
                try:
                    await self._device(client, self._fleet.device_rows(device))
                except DeviceClientError as error:
                    self.counts.refused += 1
                    log.error(
                        "producer.device_refused",
                        device=name,
                        error=str(error),
                        meaning="its readings are not sent",
                    )

    async def _device(self, client: DeviceClient, rows: Iterator[Row]) -> None:
        flying: set[asyncio.Task[None]] = set()
        try:
            while batch := list(islice(rows, self._through.batch)):
                if not await self._turn(len(batch)):
                    break
                flying.add(asyncio.create_task(self._send(client, batch)))
                if len(flying) >= IN_FLIGHT:
                    done, flying = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
            await asyncio.gather(*flying)
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)

    async def _send(self, client: DeviceClient, batch: Sequence[Row]) -> None:
        began = self._clock()
        try:
            outcome = await client.send_batch(batch)
        except ValueError:  # beyond the gateway's frame
            outcome = Outcome("rejected", code="frame_too_large")
        else:
            self._on_answer(outcome, self._clock() - began)
        if outcome.code == "frame_too_large" and len(batch) > 1:
            half = len(batch) // 2
            await self._send(client, batch[:half])
            await self._send(client, batch[half:])
            return
        counts = self.counts
        taken = len(batch) if outcome.ok else outcome.accepted
        refused = len(outcome.rejected) or (len(batch) if outcome.status in ("rejected", "error") else 0)
        counts.delivered += taken
        if refused:
            if not counts.refused:
                log.error("producer.record_refused", device=client.device, error=outcome.text or outcome.code)
            counts.refused += refused
            counts.produced -= refused

    async def _turn(self, records: int) -> bool:
        """Waits until so many may go, and counts them; False where the run is over."""
        while self._goes_on():
            wait = due_in(self._rate, self.counts.produced, self._clock() - self._started)
            if not wait:
                self.counts.produced += records
                return True
            await asyncio.sleep(min(wait, LOOK_S))
        return False

    def _goes_on(self) -> bool:
        over = self._duration is not None and self._clock() - self._started >= self._duration
        return not (over or self._stop.is_set() or self._abandon.is_set())
