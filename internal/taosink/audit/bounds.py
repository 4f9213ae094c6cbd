"""Which offsets an audit covers: the words for its two ends, and what they come to in a topic. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

Extent = Mapping[int, tuple[int, int]]
"""Partition -> the first offset that can be read, and the one behind the last."""

_PAIRS = re.compile(r"\d{1,9}:\d{1,19}(,\d{1,9}:\d{1,19})*", re.ASCII)


class RangeError(ValueError):
    """The range that was asked for does not exist; the message names the mistake."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of the range. `value` is an offset or milliseconds; `offsets` names single partitions."""

    kind: Literal["earliest", "committed", "end", "offset", "offsets", "time"]
    value: int = 0
    offsets: Mapping[int, int] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.kind == "time":
            return datetime.fromtimestamp(self.value / 1000, UTC).isoformat()
        if self.kind == "offsets":
            return ",".join(f"{p}:{o}" for p, o in self.offsets.items())
        return str(self.value) if self.kind == "offset" else self.kind


def parse_bound(text: str, words: Sequence[Literal["earliest", "committed", "end"]]) -> Bound:
    """One of the words, an offset for all partitions, `partition:offset,...`, or a time with its zone."""
    text = text.strip()
    for word in words:
        if text.lower() == word:
            return Bound(word)
    if re.fullmatch(r"\d{1,19}", text, re.ASCII):
        return Bound("offset", int(text))
    if _PAIRS.fullmatch(text):
        pairs = (part.split(":") for part in text.split(","))
        return Bound("offsets", offsets={int(p): int(o) for p, o in pairs})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            f"is none of {', '.join(words)}, an offset, partition:offset pairs such as 0:100,1:250,"
            " or a time with its zone such as 2025-01-31T08:00:00Z"
        )
    return Bound("time", int(moment.timestamp() * 1000))


@dataclass(frozen=True, slots=True)
class Known:
    """What was asked of the broker for a range: the group's commits, and the offsets that times come to."""

    extent: Extent
    group: str = ""
    committed: Mapping[int, int] = field(default_factory=dict)
    first_at: Mapping[int, int] = field(default_factory=dict)
    last_at: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """The range in one partition, `end` excluded; `low` and `high` are what the partition holds."""

    partition: int
    start: int
    end: int
    low: int
    high: int

    def __len__(self) -> int:
        return self.end - self.start


def resolve(topic: str, first: Bound, last: Bound, known: Known) -> tuple[Part, ...]:
    """The range, partition by partition. A partition that neither a list nor the group's commits name is left
    out. RangeError where an end does not exist, or nothing is left."""
    if not known.extent:
        raise RangeError(f"topic {topic!r} has no partitions")
    for bound in (first, last):
        missing = sorted(bound.offsets.keys() - known.extent.keys())
        if missing:
            last_one = max(known.extent)
            raise RangeError(f"topic {topic!r} has partitions 0 to {last_one}; the range names {missing[0]}")
    if last.kind == "committed" and not known.committed:
        raise RangeError(
            f"group {known.group!r} has committed nothing of topic {topic!r}:"
            " name the consumers' group (--kafka.group), or audit all that is there (--to end)"
        )
    if first.kind == last.kind == "time" and last.value < first.value:
        raise RangeError(f"the range ends at {last}, before its start {first}")
    lanes = [_Lane(topic, p, low, high, known) for p, (low, high) in sorted(known.extent.items())]
    parts = [part for lane in lanes if (part := lane.part(first, last)) is not None]
    if not parts:
        raise RangeError("the two ends of the range name no partition in common")
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class _Lane:
    topic: str
    partition: int
    low: int
    high: int
    known: Known

    def part(self, first: Bound, last: Bound) -> Part | None:
        start, end = self.start(first), self.end(last)
        if start is None or end is None:
            return None
        # Times and commits may well lie before the start: nothing of this partition is in the range then.
        if end < start and last.kind in {"offset", "offsets"} and first.kind != "time":
            raise RangeError(
                f"the range of {self.topic}/{self.partition} ends at {end}, before its start {start}"
            )
        return Part(self.partition, start, max(start, end), self.low, self.high)

    def start(self, bound: Bound) -> int | None:
        if bound.kind == "earliest":
            return self.low
        if bound.kind == "time":
            return max(self.low, self.known.first_at[self.partition])
        return self.named(bound, "starts")

    def end(self, bound: Bound) -> int | None:
        if bound.kind == "end":
            return self.high
        if bound.kind == "time":
            return max(self.low, self.known.last_at[self.partition])
        return self.committed() if bound.kind == "committed" else self.named(bound, "ends")

    def committed(self) -> int | None:
        offset, group = self.known.committed.get(self.partition), self.known.group
        if offset is not None and offset > self.high:
            raise RangeError(
                f"group {group!r} has committed offset {offset} of {self.topic}/{self.partition},"
                f" which ends at {self.high}: the topic was made anew since; --to end audits all that is there"
            )
        return offset if offset is None else max(self.low, offset)

    def named(self, bound: Bound, verb: str) -> int | None:
        offset = bound.value if bound.kind == "offset" else bound.offsets.get(self.partition)
        if offset is None or self.low <= offset <= self.high:
            return offset
        because = "the broker has removed what stood before" if offset < self.low else "nothing stands behind"
        raise RangeError(
            f"the range {verb} at offset {offset} of {self.topic}/{self.partition},"
            f" which holds {self.low} to {self.high}: {because}"
        )
