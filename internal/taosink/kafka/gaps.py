"""Jumps in the offsets of a partition: which are the topic's own, and which are to be read once more."""

from collections.abc import Sequence

from confluent_kafka import Message

from taosbatch.offsets import Lane


def first_gap(position: int, messages: Sequence[Message]) -> int | None:
    """The first offset from `position` on that these messages of one lane pass over; None where they are dense.

    One comparison where nothing is missing: the offsets of one poll rise.
    """
    last = messages[-1].offset()
    if last is not None and last - position + 1 == len(messages):
        return None
    for expected, message in enumerate(messages, position):
        if message.offset() != expected:
            return expected
    return None


class Gaps:
    """Compaction, aborted records and the markers of transactions leave offsets out, and a client that goes on from
    a wrong place does so too: what it gives looks the same. So the first gap of a topic is read again. One that is
    there again is the topic's own, and further ones of that topic are believed."""

    def __init__(self) -> None:
        self._usual: set[str] = set()
        self._doubted: dict[Lane, int] = {}

    def doubts(self, lane: Lane, gap: int) -> bool:
        """Whether to read the lane again, from before `gap`, the first offset that was passed over."""
        if lane.topic in self._usual:
            return False
        if self._doubted.pop(lane, None) == gap:
            self._usual.add(lane.topic)
            return False
        self._doubted[lane] = gap
        return True

    def closed(self, lane: Lane, position: int) -> int | None:
        """The gap that was doubted, where a dense reading up to `position` has it now: the client had left
        records out. To be asked after each dense reading; told once."""
        gap = self._doubted.get(lane)
        if gap is None or position <= gap:
            return None
        del self._doubted[lane]
        return None if lane.topic in self._usual else gap

    def __repr__(self) -> str:
        return f"<Gaps usual={sorted(self._usual)} doubted={self._doubted}>"
