"""From what one poll returned to chunks per partition, and how much one poll asks for."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from taosbatch.offsets import Lane

RECORD_OVERHEAD = 256
"""Bytes that a held record costs beyond its value: measured 180 to 210 without a key (the Message is 136, its
value's header 33, the rest its list slots and allocator's rounding), and room for a key."""

_FIRST_ASK = 10
_SMOOTHING = 0.2


def by_lane(messages: Sequence[Message]) -> Iterator[tuple[Lane, list[Message]]]:
    """Runs of one partition in delivery order; a lane may come several times. Errors must have been taken
    out."""
    keys = zip(map(Message.topic, messages), map(Message.partition, messages), strict=True)
    for (topic, partition), run in groupby(zip(keys, messages, strict=True), key=itemgetter(0)):
        yield Lane(topic, partition), [message for _, message in run]


def lanes_of(messages: Sequence[Message]) -> dict[Lane, list[Message]]:
    """Messages per partition in delivery order: one entry per lane, so that one poll makes few chunks."""
    found: dict[Lane, list[Message]] = {}
    for lane, run in by_lane(messages):
        if lane in found:
            found[lane] += run
        else:
            found[lane] = run
    return found


def values_of(messages: Iterable[Message]) -> list[bytes]:
    """A record without a value (a tombstone) is an empty one: it is judged like any other that is no
    reading."""
    return [value or b"" for value in map(Message.value, messages)]


def stamp_of(message: Message) -> float | None:
    """When the record was made or appended, in seconds since 1970; None where the topic does not say."""
    kind, milliseconds = message.timestamp()
    return milliseconds / 1000 if kind != TIMESTAMP_NOT_AVAILABLE and milliseconds > 0 else None


def nbytes_of(values: Sequence[bytes]) -> int:
    """What these records count for in every bound."""
    return sum(map(len, values)) + RECORD_OVERHEAD * len(values)


class PollSize:
    """How many records one poll asks for: at most `records`, and so few that they stay near `share` bytes.
    The mean follows what came, at once when records grow."""

    def __init__(self, records: int, share: int) -> None:
        self._records = records
        self._mean = float(max(RECORD_OVERHEAD, share // _FIRST_ASK))

    def seen(self, records: int, nbytes: int) -> None:
        mean = nbytes / records
        weight = 1.0 if mean > self._mean else _SMOOTHING
        self._mean += (mean - self._mean) * weight

    def ask(self, share: int) -> int:
        return max(1, min(self._records, int(share / self._mean)))

    def __repr__(self) -> str:
        return f"<PollSize records={self._records} mean={self._mean:.0f}>"
