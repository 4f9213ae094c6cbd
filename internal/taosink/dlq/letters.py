"""What a dead-letter topic holds: letters, receipts of replays, and what is neither. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Self

from taosink.kafka.dlq_headers import PREFIX, DeadLetterInfo
from taosink.ports import SourceMessage

RECEIPT = PREFIX + "replayed"
RECEIPT_TO = PREFIX + "replayed-to"
RECEIPT_TIME = PREFIX + "replayed-time"

Headers = Sequence[tuple[str, bytes | None]]
Kind = Literal["letter", "receipt", "foreign"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A record of the dead-letter topic that says: one of its letters was replayed, where to, and when."""

    partition: int
    offset: int
    to: str
    time_ms: int

    def headers(self) -> list[tuple[str, bytes | None]]:
        texts = ((RECEIPT, f"{self.partition}:{self.offset}"), (RECEIPT_TO, self.to))
        return [*((name, text.encode()) for name, text in texts), (RECEIPT_TIME, str(self.time_ms).encode())]

    @classmethod
    def decode(cls, headers: Headers | None) -> Self | None:
        """None where these are not the headers of a receipt. Never raises."""
        found = {name: (value or b"").decode("utf-8", "replace") for name, value in headers or ()}
        partition, _, offset = found.get(RECEIPT, "").partition(":")
        time_ms = found.get(RECEIPT_TIME, "0")
        if not all(text.isascii() and text.isdigit() for text in (partition, offset, time_ms)):
            return None
        return cls(int(partition), int(offset), found.get(RECEIPT_TO, ""), int(time_ms))


@dataclass(frozen=True, slots=True)
class Found:
    """One record of a dead-letter topic. `info` is there for a letter, `receipt` for a receipt."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    info: DeadLetterInfo | None = None
    receipt: Receipt | None = None

    @classmethod
    def of(cls, message: SourceMessage) -> Self:
        headers = message.headers() or []
        info = DeadLetterInfo.decode(headers)
        return cls(
            message.partition() or 0,
            message.offset() or 0,
            message.key(),
            message.value(),
            headers,
            message.timestamp()[1],
            info,
            None if info else Receipt.decode(headers),
        )

    @property
    def kind(self) -> Kind:
        return "letter" if self.info else "receipt" if self.receipt else "foreign"

    @property
    def place(self) -> str:
        """Its own place in the dead-letter topic, as `show` takes it."""
        return f"{self.partition}:{self.offset}"


def is_receipt(headers: Headers | None) -> bool:
    return Receipt.decode(headers) is not None


def written_time(time_ms: int) -> str:
    """UTC in RFC 3339; the number itself where no clock shows it."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
