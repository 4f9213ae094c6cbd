"""One outage of the brokers, heard by several clients, said once."""

import threading

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Who of the Kafka clients has lost all brokers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._down: set[int] = set()
        self._reason = ""

    def __repr__(self) -> str:
        return f"<Outage {self._reason or 'none'}>"

    def down(self, client: object, reason: str) -> None:
        with self._lock:
            first = not self._down
            self._down.add(id(client))
            self._reason = reason
        if first:
            log.warning(
                "ingress.brokers_down",
                reason=reason,
                meaning="devices are answered busy once the queue is full; it goes on by itself",
                todo="check kafka.brokers and the network",
            )

    def up(self, client: object) -> None:
        """Cheap where nothing was wrong."""
        if id(client) not in self._down:
            return
        with self._lock:
            self._down.discard(id(client))
            last = not self._down
            self._reason = "" if last else self._reason
        if last:
            log.info("ingress.brokers_back")

    @property
    def reason(self) -> str:
        """Empty where brokers answer."""
        return self._reason
