"""What this gateway has to say about a key, until the broker has it."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from taosink.ingress.ports import Failures


class Records(Protocol):
    """The part of the publishing that is needed here."""

    def own(
        self, topic: str, key: bytes, value: bytes | None, partition: int, done: Callable[[Failures], None]
    ) -> bool: ...


Retry = Callable[[], bytes | None]


class Outbox:
    """The latest record of each key of one topic. What fails is asked for again at the next `retry`: by then it may
    have to be said otherwise, or not at all (None). Bounded by the keys that its owner speaks of."""

    def __init__(self, records: Records, topic: str) -> None:
        self._records, self._topic = records, topic
        self._latest: dict[str, int] = {}
        self._failed: dict[str, tuple[int, Retry]] = {}
        self._serial = 0
        self.failures = 0

    def __repr__(self) -> str:
        return (
            f"<Outbox of {self._topic}: {len(self._latest)} unacknowledged, {len(self._failed)} to say again>"
        )

    def __len__(self) -> int:
        return len(self._latest)

    def say(self, key: str, value: bytes | None, partition: int, retry: Retry = lambda: None) -> None:
        """Hands it over; what was said of the key before is not said again."""
        self._serial += 1
        self._latest[key] = self._serial
        self._failed.pop(key, None)
        done = partial(self._ended, key, self._serial, partition, retry)
        wire = key.encode("utf-8", "surrogatepass")
        if not self._records.own(self._topic, wire, value, partition, done):
            self._failed[key] = partition, retry

    def retry(self) -> None:
        """Says again what failed."""
        failed, self._failed = self._failed, {}
        for key, (partition, again) in failed.items():
            value = again()
            if value is None:
                self._latest.pop(key, None)
            else:
                self.say(key, value, partition, again)

    def _ended(self, key: str, serial: int, partition: int, retry: Retry, failures: Failures) -> None:
        if failures:
            self.failures += 1
        if self._latest.get(key) != serial:
            return
        if failures:
            self._failed[key] = partition, retry
        else:
            del self._latest[key]
