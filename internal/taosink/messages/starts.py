"""Where `taosink tail` begins: the words for it, and what they come to in each partition. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class From:
    """`value`: an offset, how many of the last ones of each partition, or milliseconds since 1970."""

    kind: Literal["earliest", "latest", "offset", "last", "time"]
    value: int = 0


def parse_from(value: object) -> object:
    """earliest, latest, an offset, -N (the last N of each partition), or a time with its zone."""
    if isinstance(value, From):
        return value
    text = str(value).strip()
    match text.lower():
        case "earliest":
            return From("earliest")
        case "latest":
            return From("latest")
    if _NUMBER.fullmatch(text):
        number = int(text)
        return From("last", -number) if text.startswith("-") else From("offset", number)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            "is no place to begin; write earliest, latest, an offset, -10 for the last ten of each partition,"
            " or a time with its zone such as 2025-01-31T08:00:00Z"
        )
    return From("time", int(moment.timestamp() * 1000))


def starts(begin: From, extent: Mapping[int, tuple[int, int]], at_time: Mapping[int, int]) -> dict[int, int]:
    """The first offset for each partition, inside of what it holds. `at_time` answers a time."""
    return {p: max(low, min(_start(begin, p, low, high, at_time), high)) for p, (low, high) in extent.items()}


def _start(begin: From, partition: int, low: int, high: int, at_time: Mapping[int, int]) -> int:
    match begin.kind:
        case "earliest":
            return low
        case "latest":
            return high
        case "last":
            return high - begin.value
        case "time":
            return at_time[partition]
    return begin.value
