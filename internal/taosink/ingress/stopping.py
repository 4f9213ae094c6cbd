"""The gateway's stop: devices are told, what is in flight is answered, Kafka has all of it; one deadline."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Sequence

import structlog

from taosink.exits import Exit
from taosink.ingress.gateway import TICK, Gateway
from taosink.ingress.ports import Broker
from taosink.ingress.tcp import Sockets
from taosink.serving.serve import HttpServer

log = structlog.get_logger()

LAST_SECONDS = 5.0
"""Kept at the end of the deadline for what devices' ends say in Kafka, and for closing."""
CLOSING = 2.0
"""Of these, kept for closing: a broker that is silent holds up its clients' ends too."""
LOOK = 0.02
SLACK = 2.0
"""Seconds after the deadline at which the process ends, whatever it hangs in."""


class Stopping:
    """One stop of one gateway; `run` once. `again` is set by a second signal, which waits for nothing more."""

    def __init__(
        self,
        *,
        servers: Sequence[asyncio.Server],
        sockets: Sockets,
        gateway: Gateway,
        broker: Broker,
        http: Sequence[HttpServer],
        seconds: float,
        reconnect_after: float,
        reconnect_spread: float,
        again: asyncio.Event,
    ) -> None:
        self._servers = servers
        self._sockets = sockets
        self._gateway = gateway
        self._broker = broker
        self._http = http
        self._seconds = seconds
        self._reconnect = reconnect_after, reconnect_spread
        self._again = again
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + seconds
        self._answer_until = self._deadline - min(LAST_SECONDS, seconds / 2)

    async def run(self) -> bool:
        """True where every request was answered and Kafka has all that it was given."""
        gateway, began = self._gateway, self._clock()
        log.info("ingress.stopping", deadline=self._seconds, connections=len(gateway.sessions))
        ended = threading.Event()
        threading.Thread(target=self._watch, args=(ended,), name="watchdog", daemon=True).start()
        for server in self._servers:
            server.close()
        self._sockets.stop_accepting()
        gateway.ready = False
        gateway.say_goodbye(*self._reconnect)
        answered = await self._until(lambda: not gateway.close_quiet())
        left = gateway.in_flight
        gateway.close_all()
        await self._stop_http()
        # After the last session: each end is told in Kafka too.
        lost = await self._broker.flush(max(0.0, self._left() - CLOSING))
        await self._sockets.end(min(1.0, self._left()))
        await self._broker.stop(self._left())
        ended.set()
        drained = answered and not lost
        say = log.info if drained else log.warning
        say(
            "ingress.drained" if drained else "ingress.left_work_pending",
            seconds=round(self._clock() - began, 2),
            unanswered=left,
            not_acknowledged=lost,
        )
        return drained

    async def _until(self, done: Callable[[], bool]) -> bool:
        while not done():
            if self._again.is_set() or self._clock() >= self._answer_until:
                return False
            await asyncio.sleep(LOOK)
        return True

    async def _stop_http(self) -> None:
        # Requests over HTTP get what is left of the time for answers.
        seconds = 0.0 if self._again.is_set() else max(TICK, self._answer_until - self._clock())
        await asyncio.gather(*(server.stop(seconds) for server in self._http))

    def _left(self) -> float:
        """Seconds until the deadline; at a second signal there are none."""
        return 0.0 if self._again.is_set() else max(0.0, self._deadline - self._clock())

    def _watch(self, ended: threading.Event) -> None:
        if not ended.wait(self._seconds + SLACK):
            log.error("ingress.deadline_passed", meaning="answers that were owed did not go out")
            sys.stderr.flush()
            os._exit(Exit.ABANDONED)
