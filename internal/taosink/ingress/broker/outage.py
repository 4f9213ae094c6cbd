"""One outage of the brokers, heard by several clients, said once."""

import threading
import time
from collections.abc import Callable

import structlog

from taosink.kafka.errors import SourceFault

log = structlog.get_logger(__name__)

TODO = "check kafka.brokers and the network"
FRESH = 15.0
"""Seconds for which a refusal explains that no broker is left: the client tells of that right behind it."""


class Outage:
    """Who of the Kafka clients has lost all brokers. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._down: set[int] = set()
        self._reason = ""
        self._unknown: SourceFault | None = None
        self._refusal: tuple[SourceFault, float] | None = None
        self._needs_operator = False

    def __repr__(self) -> str:
        return f"<Outage {self._reason or 'none'}>"

    def down(self, client: object, reason: str) -> None:
        with self._lock:
            first = not self._down
            self._down.add(id(client))
            why = self._unknown or self._fresh()
            if first or not self._needs_operator:
                self._reason = str(why) if why else reason
                self._needs_operator = why is not None and why.operator
        if first:
            _say(why, reason)

    def name_unknown(self, fault: SourceFault) -> None:
        """A broker's name cannot be resolved: of all that are down it says most, of one among others nothing."""
        with self._lock:
            news = bool(self._down) and self._unknown is None
            self._unknown = fault
            if self._down:
                self._reason = str(fault)
        if news:
            _say(fault, "")

    def refused(self, fault: SourceFault) -> None:
        """Brokers answer and do not let a client in: of all that are down it says most, and no waiting ends it."""
        with self._lock:
            self._refusal = fault, self._clock()
            news = bool(self._down) and not self._needs_operator
            if news:
                self._reason, self._needs_operator = str(fault), True
        if news:
            _say(fault, "")

    def up(self, client: object) -> None:
        """Cheap where nothing was wrong."""
        if id(client) not in self._down:
            return
        with self._lock:
            self._down.discard(id(client))
            last = not self._down
            if last:
                self._reason, self._unknown, self._refusal = "", None, None
                self._needs_operator = False
        if last:
            log.info("ingress.brokers_back")

    @property
    def reason(self) -> str:
        """Empty where brokers answer."""
        return self._reason

    @property
    def needs_operator(self) -> bool:
        """Whether somebody has to act before brokers answer."""
        return self._needs_operator

    def _fresh(self) -> SourceFault | None:
        fault, at = self._refusal or (None, 0.0)
        return fault if self._clock() - at < FRESH else None


def _say(why: SourceFault | None, reason: str) -> None:
    if why is not None and why.operator:
        log.error(
            "ingress.brokers_refuse",
            reason=why.detail,
            meaning="devices are answered busy once the queue is full, until somebody mends it",
            todo=why.hint,
        )
        return
    log.warning(
        "ingress.brokers_down",
        reason=why.detail if why else reason,
        meaning="devices are answered busy once the queue is full; it goes on by itself",
        todo=why.hint if why else TODO,
    )
