"""Requests on their way: when each was meant to go, what became of it, and how long that took."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from taosink.load.device import Device
from taosink.load.figures import Latencies
from taosink.load.frames import FIRST_UID, Frames, frames_of
from taosink.load.options import LoadOptions

TICK = 0.001
BURST = 200
"""Requests in one turn of the loop: what has come in must be heard in between."""


class Traffic:
    """`device.Listener` of one run; used on the loop's thread.

    At a rate, a request's time counts from when it was meant to go: a gateway that holds the tool up does not
    make its own figures better. Without a rate it counts from when it went.
    """

    def __init__(self, options: LoadOptions) -> None:
        self._options = options
        self._kinds = frames_of(options)
        self.frames: Frames = self._kinds[0]
        self._rate = options.rate
        self._start = self._measured_from = self._end = 0.0
        self._gone: dict[int, float] = {}
        self._devices: Sequence[Device] = ()
        self._sending = False
        self.latencies = {ack: Latencies() for ack in options.acks}
        self._by_place = [self.latencies[ack] for ack in options.acks]
        self.late = Latencies()
        self.sent = self.answers = self.counted = 0
        self.errors: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Traffic sent={self.sent} ok={self.answers} errors={sum(self.errors.values())}>"

    @property
    def unanswered(self) -> int:
        return self.sent - self.answers - sum(self.errors.values())

    async def run(self, devices: Sequence[Device], rate: float) -> None:
        """Sends for the warm-up and the duration, and waits then for answers, up to the patience."""
        self._devices, self._rate, self._start = devices, rate, time.monotonic()
        self._measured_from = self._start + self._options.warmup
        self._end = self._measured_from + self._options.duration
        self._sending = True
        if rate:
            await self._at_rate(rate)
        else:
            await self._as_answered()
        self._sending = False
        until = time.monotonic() + self._options.patience
        while self.unanswered > 0 and time.monotonic() < until and any(d.held for d in devices):
            await asyncio.sleep(0.01)

    async def _at_rate(self, rate: float) -> None:
        total = int(rate * (self._end - self._start))
        while self.sent < total:
            now = time.monotonic()
            due = min(total, int((now - self._start) * rate) + 1, self.sent + BURST)
            if due > self.sent:
                self.late.add(now - self._start - self.sent / rate)
            while self.sent < due:
                self._send(self.sent)
            await asyncio.sleep(TICK)

    async def _as_answered(self) -> None:
        for _ in range(self._options.in_flight):
            self._send(self.sent)
        await asyncio.sleep(self._end - time.monotonic())

    def _send(self, number: int) -> None:
        self.sent += 1
        kind = self._kinds[number % len(self._kinds)]
        if not self._rate:
            self._gone[number] = time.monotonic()
        if not self._devices[number % len(self._devices)].send(kind.request(number)):
            self.errors["connection_lost"] += 1

    # As `device.Listener`

    def answered(self, number: int, now: float) -> None:
        self.answers += 1
        meant = self._start + number / self._rate if self._rate else self._gone.pop(number, now)
        if meant >= self._measured_from:
            self._by_place[number % len(self._by_place)].add(now - meant)
        if self._measured_from <= now < self._end:
            self.counted += 1
        if not self._rate and self._sending and now < self._end:
            self._send(self.sent)

    def heard(self, message: Mapping[str, Any]) -> None:
        uid = message.get("uid")
        if isinstance(uid, int) and uid >= FIRST_UID:
            self.errors[str(message.get("errorCode") or message.get("status") or "unreadable")] += 1
            self._gone.pop(uid - FIRST_UID, None)
            if not self._rate and self._sending:
                # Nobody is answered so quickly as who is refused: not at once again.
                asyncio.get_running_loop().call_later(0.1, self._again)
        else:
            self.others[str(message.get("action"))] += 1

    def lost(self, reason: str) -> None:
        self.closed[reason] += 1

    def _again(self) -> None:
        if self._sending:
            self._send(self.sent)
