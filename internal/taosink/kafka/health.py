"""What is wrong between this consumer and its brokers: noted once, cleared once."""

from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import KafkaError, KafkaException

from taosink.kafka.asking import Broker
from taosink.kafka.errors import FatalClientError, SourceFault, fault_of, is_fatal
from taosink.kafka.observer import SourceObserver

log = structlog.get_logger(__name__)

PROBE_EVERY = 1.0
PROBE_TIMEOUT = 0.25
NAME_QUIET = 15.0
"""Seconds without a word of all brokers being down after which one is up: librdkafka tries every 12.5 s at least."""

_EVENTS = {
    "brokers_down": "kafka.brokers_down",
    "topic_missing": "kafka.topic_missing",
}
_FOR_OPERATORS = {
    "authentication": "kafka.authentication_failed",
    "authorization": "kafka.not_authorized",
    "tls": "kafka.tls_failed",
}


class Health:
    """Written by the polling thread; `fault`, `answered` and `missing` may be read by any.

    A fault stays until a broker answers again. `answered`: a broker has answered at least once, so settings
    and credentials were right then.
    """

    def __init__(
        self, broker: Broker, topics: Iterable[str], observer: SourceObserver, clock: Callable[[], float]
    ) -> None:
        self._broker = broker
        self._observer = observer
        self._clock = clock
        self._next = 0.0
        self._unseen = tuple(topics)
        self._unknown: SourceFault | None = None
        self._down_at = 0.0
        self.fault: SourceFault | None = None
        self.answered = False
        self.missing: frozenset[str] = frozenset()
        self.fatal: FatalClientError | None = None

    @property
    def brokers_down(self) -> bool:
        """No broker is reachable, or none lets us in: a commit now would block."""
        fault = self.fault
        return fault is not None and fault.kind in ("brokers_down", "authentication", "tls")

    def heard(self, error: KafkaError) -> None:
        """Takes an error of the client, from its callback or out of a poll; never raises."""
        self._observer.client_error(error.name())
        if is_fatal(error):
            self.fatal = FatalClientError(error.code(), error.str())
        elif error.code() == KafkaError._RESOLVE:
            # Of the group's coordinator it does not say who gave the name: the broker's own word stands.
            self._unknown = fault_of(error) or self._unknown
            # Of one broker among others it is no fault: they are still read from.
            if self.brokers_down and self._unknown is not None:
                self._note(self._unknown)
        elif found := fault_of(error):
            self._down_at = self._clock() if found.kind == "brokers_down" else self._down_at
            self._note(self._unknown if found.kind == "brokers_down" and self._unknown else found)

    def _note(self, found: SourceFault) -> None:
        held = self.fault
        # A refused login is followed by "all brokers down", which says less; so does that than a name.
        named = found is self._unknown and held is not None and held.kind == "brokers_down" and not held.do
        if held is None or named or found.kind not in (held.kind, "brokers_down"):
            self.fault = found
            if found.operator:
                # At the start the process ends, with a line of its own; in mid-run nobody else says it.
                say = log.error if self.answered or found.kind == "authorization" else log.warning
                say(_FOR_OPERATORS[found.kind], detail=found.detail, do=found.hint)
            else:
                log.warning(_EVENTS[found.kind], detail=found.detail, do=found.hint)

    def _answered_probe(self) -> None:
        # A broker that sends clients on to a name that nobody knows answers under the name of the settings.
        self.answered = True
        if self._unknown is None or self._clock() - self._down_at >= NAME_QUIET:
            self.well()

    def well(self) -> None:
        """A broker has answered, under a name that records come from."""
        self.answered = True
        self._unknown = None
        if self.fault is not None and self.fault.kind != "topic_missing":
            log.info("kafka.recovered", after=self.fault.kind)
            self.fault = None

    def probe(self, now: float) -> None:
        """Asks the brokers where something is wrong or a topic has not been seen; at most once a second, and
        blocks for a quarter of one at most."""
        if now < self._next or not (self.fault or self._unseen):
            return
        self._next = now + PROBE_EVERY
        if not self._unseen:
            self._ask_anything()
            return
        missing = [topic for topic in self._unseen if not self._exists(topic)]
        if self.fault is None or self.fault.kind == "topic_missing":
            self._topics(frozenset(missing))

    def look_again(self, topics: Iterable[str]) -> None:
        """These topics are to be asked for: they were reported as unknown."""
        self._unseen = tuple(dict.fromkeys((*self._unseen, *topics)))

    def _ask_anything(self) -> None:
        try:
            self._broker.reach(PROBE_TIMEOUT)
        except KafkaException:
            return
        self._answered_probe()

    def _exists(self, topic: str) -> bool:
        try:
            found = self._broker.partitions(topic, PROBE_TIMEOUT)
        except KafkaException:
            self._next = self._clock() + PROBE_EVERY
            return topic not in self.missing  # unknown: what was believed stands
        self._answered_probe()
        if found is not None:
            self._unseen = tuple(t for t in self._unseen if t != topic)
        return found is not None

    def _topics(self, missing: frozenset[str]) -> None:
        for topic in sorted(missing - self.missing):
            log.warning("kafka.topic_missing", topic=topic, do="create it; reading begins by itself then")
        for topic in sorted(self.missing - missing):
            log.info("kafka.topic_found", topic=topic)
        self.missing = missing
        if missing:
            detail = f"topic {', '.join(sorted(missing))} does not exist"
            self.fault = SourceFault("topic_missing", KafkaError.UNKNOWN_TOPIC_OR_PART, detail)
        elif self.fault is not None:
            self.fault = None
