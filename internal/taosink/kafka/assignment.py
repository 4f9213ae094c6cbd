"""The partitions that this member has: where each is read, and what keeps one from being read."""

from collections.abc import Collection, Iterable, Mapping

from confluent_kafka import Consumer, TopicPartition

from taosbatch.offsets import Lane
from taosink.kafka.start import Blocked

HELD = 0
"""Where a lane that is not read stands inside librdkafka, paused. Never a logical offset: the question what the end
is could be answered after the lane had gone and come again, and librdkafka then asks once more and goes on from
that end, in the midst of reading. A storm lost 939 records so."""


class Assignment:
    """Owned by the polling thread. Each lane is in exactly one of `positions` (being read: the offset that
    comes next), `waiting` (its start is not known yet; the value is the position it went out of range at) and
    `blocked` (an operator is needed)."""

    def __init__(self, consumer: Consumer, *, cooperative: bool) -> None:
        self._consumer = consumer
        self._cooperative = cooperative
        self.positions: dict[Lane, int] = {}
        self.waiting: dict[Lane, int | None] = {}
        self.blocked: dict[Lane, Blocked] = {}
        self.ended: set[Lane] = set()
        self.paused: frozenset[Lane] = frozenset()

    @property
    def lanes(self) -> frozenset[Lane]:
        return frozenset((*self.positions, *self.waiting, *self.blocked))

    def add(
        self, lanes: Collection[Lane], begins: Mapping[Lane, int], blocked: Mapping[Lane, Blocked]
    ) -> None:
        """Takes over what the group assigned; to be called within the callback, where librdkafka expects it.

        A pause outlives an assignment inside librdkafka, so everything is resumed here. What cannot be read
        yet is paused: what comes of it all the same is not of `positions`, until `begin`.
        """
        self.positions |= begins
        self.blocked |= blocked
        self.waiting |= {lane: None for lane in lanes if lane not in begins and lane not in blocked}
        partitions = [TopicPartition(*lane, begins.get(lane, HELD)) for lane in lanes]
        if self._cooperative:
            self._consumer.incremental_assign(partitions)
        else:
            self._consumer.assign(partitions)
        self._consumer.resume(_partitions(lanes))
        self._hold()

    def begin(self, offsets: Mapping[Lane, int]) -> None:
        """Reads lanes from these offsets from now on, whatever state librdkafka has them in (after an offset out of
        range a seek is refused). Without cooperation all lanes begin anew where they are, which costs more than
        linear time: give all that are to begin at once (300 lanes one by one took 30 s)."""
        for lane, offset in offsets.items():
            self.waiting.pop(lane, None)
            self.blocked.pop(lane, None)
            self.ended.discard(lane)
            self.positions[lane] = offset
        if self._cooperative:
            self._consumer.incremental_unassign(_partitions(offsets))
            self._consumer.incremental_assign([TopicPartition(*i, offset) for i, offset in offsets.items()])
        else:
            positions = self.positions
            self._consumer.assign([TopicPartition(*i, positions.get(i, HELD)) for i in self.lanes])
        self._consumer.resume(_partitions(offsets))
        self._hold()

    def suspend(self, lane: Lane) -> None:
        """The lane's position is out of range: its next start has to be found."""
        self.waiting[lane] = self.positions.pop(lane)
        self.ended.discard(lane)

    def block(self, lane: Lane, why: Blocked) -> None:
        self.waiting.pop(lane, None)
        self.positions.pop(lane, None)
        self.ended.discard(lane)
        self.blocked[lane] = why
        self._hold()

    def remove(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            for book in (self.positions, self.waiting, self.blocked):
                book.pop(lane, None)
            self.ended.discard(lane)
        self.paused &= self.lanes

    def pause(self, wanted: frozenset[Lane]) -> tuple[int, int]:
        """Pauses these and resumes all others that are read; returns how many were paused and resumed."""
        wanted &= frozenset(self.positions)
        more, fewer = wanted - self.paused, (self.paused - wanted) & frozenset(self.positions)
        self.paused = wanted
        if more:
            self._consumer.pause(_partitions(more))
        if fewer:
            self._consumer.resume(_partitions(fewer))
        return len(more), len(fewer)

    def _hold(self) -> None:
        held = _partitions((*self.paused, *self.waiting, *self.blocked))
        if held:
            self._consumer.pause(held)

    def __repr__(self) -> str:
        return (
            f"<Assignment reading={len(self.positions)} paused={len(self.paused)} "
            f"waiting={len(self.waiting)} blocked={len(self.blocked)}>"
        )


def _partitions(lanes: Iterable[Lane]) -> list[TopicPartition]:
    return [TopicPartition(*lane) for lane in lanes]
