"""Jumps in the offsets of a partition: which are the topic's own, and which are to be read once more."""

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Message

from taosbatch.offsets import Lane


class Gap(NamedTuple):
    """`missing` is the first offset that did not come, `then` the one that came in its place; None where the end of
    the partition did, which markers move."""

    missing: int
    then: int | None


def first_gap(position: int, messages: Sequence[Message]) -> Gap | None:
    """The first gap from `position` on in these messages of one lane; None where they are dense.

    One comparison where nothing is missing: the offsets of one poll rise.
    """
    last = messages[-1].offset()
    if last is not None and last - position + 1 == len(messages):
        return None
    for expected, message in enumerate(messages, position):
        if message.offset() != expected:
            return Gap(expected, message.offset())
    return None


class Gaps:
    """Compaction, aborted records and the markers of transactions leave offsets out, and a client that goes on from
    a wrong place does so too: what it gives looks the same. So the first gap of a topic is read again. One that is
    there again, in the same assignment, is the topic's own, and further ones of that topic are believed."""

    def __init__(self) -> None:
        self._usual: set[str] = set()
        self._doubted: dict[Lane, tuple[int | None, Gap]] = {}

    def doubts(self, lane: Lane, epoch: int | None, gap: Gap) -> bool:
        """Whether to read the lane again, from before the gap. `epoch` is the assignment that it was seen in."""
        if lane.topic in self._usual:
            return False
        if self._doubted.pop(lane, None) == (epoch, gap):
            self._usual.add(lane.topic)
            return False
        self._doubted[lane] = epoch, gap
        return True

    def closed(self, lane: Lane, first: int, position: int) -> int | None:
        """What was missing, where a dense reading from `first` up to `position` has brought it: the client had
        left records out. To be asked after each reading; told once."""
        _, gap = self._doubted.get(lane, (None, None))
        if gap is None or position <= gap.missing:
            return None
        del self._doubted[lane]
        return gap.missing if first <= gap.missing and lane.topic not in self._usual else None

    def __repr__(self) -> str:
        return f"<Gaps usual={sorted(self._usual)} doubted={self._doubted}>"
