"""The forms in which a record goes into the dead-letter topic: whole, or cut to what that takes. Pure."""

from dataclasses import dataclass, replace
from enum import Enum
from hashlib import sha256
from typing import Self

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError

from taosink.kafka.dlq_headers import DeadLetterInfo, Headers, original
from taosink.ports import SourceMessage

CUT_VALUE = 16_384
CUT_SMALL = 512
REPLY_PREFIX = "taosink.reply."


class Form(Enum):
    """WHOLE: as it was. Then, each only where the one before was refused: the value cut to 16 KiB; value and
    key cut to 512 bytes, without the record's own headers (an owed answer's are kept). The UNSTAMPED ones are
    dated by the broker, for a topic that refuses the record's own timestamp."""

    WHOLE = (0, False)
    WHOLE_UNSTAMPED = (0, True)
    VALUE_CUT = (1, False)
    VALUE_CUT_UNSTAMPED = (1, True)
    ALL_CUT = (2, False)
    ALL_CUT_UNSTAMPED = (2, True)

    @property
    def is_cut(self) -> bool:
        return self.value[0] > 0


TOO_LARGE = frozenset((KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE))
BAD_TIMESTAMP = frozenset((KafkaError.INVALID_TIMESTAMP,))


def next_form(form: Form, code: int) -> Form | None:
    """The form to try after a refusal; None where it concerns the topic, not this record."""
    cut, unstamped = form.value
    if code in TOO_LARGE and cut < Form.ALL_CUT.value[0]:
        return Form((cut + 1, unstamped))
    if code in BAD_TIMESTAMP and not unstamped:
        return Form((cut, True))
    return None


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of the original, as it came. `timestamp_ms` 0: it had none."""

    value: bytes | None
    key: bytes | None
    headers: Headers
    timestamp_ms: int

    @classmethod
    def of(cls, source: SourceMessage) -> Self:
        kind, at = source.timestamp()
        known = kind != TIMESTAMP_NOT_AVAILABLE and at > 0
        return cls(source.value(), source.key(), original(source.headers()), at if known else 0)

    @property
    def nbytes(self) -> int:
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.value or b"") + len(self.key or b"") + headers + 512  # its own headers


@dataclass(frozen=True, slots=True)
class Outgoing:
    value: bytes | None
    key: bytes | None
    headers: Headers
    timestamp_ms: int


def compose(record: Record, info: DeadLetterInfo, form: Form) -> Outgoing:
    """The message to publish. A cut one says what was cut, and carries the value's length and SHA-256."""
    cut, unstamped = form.value
    value, key, headers = record.value, record.key, record.headers
    if cut:
        whole = value or b""
        info = replace(info, cut="value", size=len(whole), sha256=sha256(whole).hexdigest())
        value = whole[:CUT_VALUE] if value is not None else None
    if cut > 1:
        info = replace(info, cut="value,key,headers")
        value = value[:CUT_SMALL] if value is not None else None
        key = key[:CUT_SMALL] if key is not None else None
        headers = [h for h in headers if h[0].startswith(REPLY_PREFIX)]
    if unstamped:
        info = replace(info, timestamp_ms=record.timestamp_ms)
    return Outgoing(value, key, [*headers, *info.encode()], 0 if unstamped else record.timestamp_ms)
