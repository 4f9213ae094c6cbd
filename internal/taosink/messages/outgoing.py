"""What is sent and to which partition: pure, but for the lines that are read from a stream."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from taosbatch.fnv import partition as hashed
from taosink.records.record import RecordError, decode, encode_msgpack

Partitioner = Literal["hash", "random", "manual"]


class MessageError(ValueError):
    """A message that was not sent, and why; the others are."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    value: bytes
    key: bytes | None = field(default=None)


def whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """A stream's lines without their ends; empty ones are passed over."""
    for line in stream:
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        if text:
            yield text


def outgoing(raw: bytes, key: str, *, json_record: bool) -> Outgoing:
    """The message as it is sent. Raises MessageError for what is no record and should be one."""
    given = key.encode("utf-8", "surrogateescape") or None
    if not json_record:
        return Outgoing(raw, given)
    try:
        record = decode(raw, "json")
        return Outgoing(encode_msgpack(record), given or record.device.encode())
    except (RecordError, OverflowError) as error:
        raise MessageError(f"is no record: {error}") from None


def choose(
    partitioner: Partitioner,
    key: bytes | None,
    count: int,
    wanted: int,
    *,
    draw: Callable[[int], int] = random.randrange,
) -> int:
    """The partition among `count`. Raises MessageError where the one that is `wanted` does not exist."""
    if partitioner == "manual":
        if wanted >= count:
            raise MessageError(f"the topic has partitions 0 to {count - 1}, and none with number {wanted}")
        return wanted
    if partitioner == "hash" and key is not None:
        return hashed(key, count)
    return draw(count)
