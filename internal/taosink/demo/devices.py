"""The demo's devices: clients of the gateway that are answered when their readings are stored."""

import asyncio
import os
import secrets
import threading
import time
from pathlib import Path

from taosink.demo.child import ChildError
from taosink.demo.report import Told
from taosink.simulator.fleet import Fleet
from taosink.simulator.passes import tokens_by_key
from taosink.simulator.through import GatewayUnreachableError, Passage, ThroughOptions

BATCH = 10
"""Readings of one request: small, so that there are many answers to take the times of."""
CONNECT_TIMEOUT = 10.0


def make_keys(path: Path) -> None:
    """A file with a key of its own for signing tokens, which nobody else on this machine can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(f"demo: {secrets.token_hex(32)}\n")


class Devices:
    """One run of the devices, on a thread and a loop of its own; all of it is done where no answer is owed."""

    def __init__(self, fleet: Fleet, url: str, keys: Path) -> None:
        self.fleet = fleet
        self.names = frozenset(map(fleet.device_name, range(fleet.settings.tables)))
        self._end = threading.Event()
        self._seconds = 0.0
        through = ThroughOptions(url, batch=BATCH, ack="stored", token=tokens_by_key(keys))
        self._took: list[float] = []
        self._passage = Passage(
            fleet,
            through,
            stop=self._end,
            abandon=self._end,
            on_answer=lambda _outcome, seconds: self._took.append(seconds),
        )
        self._failure: GatewayUnreachableError | None = None
        self._thread = threading.Thread(target=self._run, name="demo-devices", daemon=True)

    def __repr__(self) -> str:
        return f"<Devices {self._passage!r} running={self.running}>"

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def acknowledged(self) -> int:
        """Readings so far of which a device was told that they are stored."""
        return self._passage.counts.delivered

    @property
    def told(self) -> Told:
        """Complete once it has ended."""
        counts = self._passage.counts
        return Told(counts.produced + counts.refused, counts.delivered, self._took, self._seconds)

    def start(self) -> None:
        """Once."""
        self._thread.start()

    def end(self) -> None:
        """Gives up what is not answered, and waits for the thread. Idempotent. Raises ChildError where the gateway
        could not be reached at all."""
        self._end.set()
        self._thread.join()
        if self._failure is not None:
            raise ChildError(str(self._failure)) from self._failure

    def _run(self) -> None:
        began = time.monotonic()
        try:
            asyncio.run(self._passage.run(CONNECT_TIMEOUT))
        except GatewayUnreachableError as failure:
            self._failure = failure
        self._seconds = time.monotonic() - began
