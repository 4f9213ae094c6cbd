"""Texts that are Records, on their way to the readings' topic."""

from collections.abc import Callable, Mapping

import structlog

from taosbatch.fnv import partition
from taosink.kafka.publish import Publisher, PublishError
from taosink.kafka.topics import TopicError, admin_client, ensure_topic
from taosink.records.record import Record, RecordError, decode, encode_msgpack

log = structlog.get_logger(__name__)

NEW_TOPIC_PARTITIONS = 10
ASK_TIMEOUT = 2.0
REFUSED = frozenset({"MSG_SIZE_TOO_LARGE", "INVALID_MSG_SIZE", "INVALID_RECORD"})
"""Kafka's names for what it will not take however often it is given."""

Told = Callable[[str | None], None]
"""None: the broker acknowledged. Else the error's name."""


def as_record(text: str) -> tuple[str, bytes] | None:
    """The device and the MessagePack form of a text that is a Record in JSON; None for any other text."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        record: Record = decode(text.encode(), "json")
        return record.device, encode_msgpack(record)
    except (RecordError, OverflowError):
        return None


class Readings:
    """Publishes Records as every producer of readings does: by FNV-1a of the device, which is the key. `publish` is
    for one thread; it makes the topic where it is missing, and keeps the count of partitions it found."""

    def __init__(self, publisher: Publisher, properties: Mapping[str, object], topic: str) -> None:
        self._publisher = publisher
        self._properties = properties
        self._topic = topic
        self._partitions = 0

    def __repr__(self) -> str:
        return f"<Readings {self._topic} {self._publisher!r}>"

    @property
    def outstanding(self) -> int:
        """Records that are neither acknowledged nor failed."""
        return self._publisher.outstanding

    def publish(self, device: str, value: bytes, told: Told) -> bool:
        """False: not taken, try again later (no broker, or no room). Blocks for about 6 s at most. `told` is called
        once from the publisher's thread where it was taken. PublishError where it never will be."""
        partitions = self._count()
        if not partitions:
            return False
        return self._publisher.produce(
            self._topic,
            value,
            key=device.encode(),
            partition=partition(device, partitions),
            on_delivery=lambda error, _message: told(None if error is None else error.name()),
        )

    def _count(self) -> int:
        if not self._partitions:
            try:
                admin = admin_client(self._properties)
                found = ensure_topic(admin, self._topic, NEW_TOPIC_PARTITIONS, timeout=ASK_TIMEOUT)
            except TopicError as error:
                log.warning("segments.readings_topic_unknown", error=str(error), meaning="it is tried again")
                return 0
            self._partitions = found.partitions
        return self._partitions


def is_refusal(error: PublishError | str) -> bool:
    """Whether the broker or the client will never take this record."""
    return (error if isinstance(error, str) else error.name) in REFUSED
