"""What a reset would do, partition by partition. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from taosbatch.offsets import Lane
from taosink.kafka.commit_metadata import CommitMetadata
from taosink.kafka.group_admin import Commit
from taosink.kafka.start import Start, first_partitions
from taosink.offsets.state import Place


class PartitionMissingError(ValueError):
    """A partition was named that the topic does not have."""


@dataclass(frozen=True, slots=True)
class Move:
    """One partition's offset, from `place.committed` to `offset`; `metadata` goes beside it. `remark` says where
    what was asked for does not exist."""

    place: Place
    offset: int
    metadata: str
    remark: str = ""

    @property
    def commit(self) -> Commit:
        return Commit(self.offset, self.metadata)

    @property
    def changes(self) -> bool:
        return self.place.commit != self.commit

    @property
    def skipped(self) -> int:
        """Records that can be read, and that nobody will have read."""
        place = self.place
        before = place.low if place.committed is None or place.other_topic else place.committed
        return max(0, self.offset - max(before, place.low))

    @property
    def again(self) -> int:
        """Records that were read, and will be again: stored once more, over what is there."""
        place = self.place
        if place.committed is None or place.other_topic:
            return 0
        return max(0, min(place.committed, place.high) - self.offset)


def plan(
    places: Sequence[Place], to: Start, at_time: Mapping[Lane, int], only: Collection[int] = ()
) -> list[Move]:
    """A move for each place, of these partitions alone where some are named. Offsets outside of what a partition
    holds become its nearest end. Raises PartitionMissingError."""
    _check(places, only)
    stamps = {name: _stamp(name, places) for name in {p.lane.topic for p in places}}
    moves = []
    for place in places:
        if not only or place.lane.partition in only:
            offset, remark = _target(place, to, at_time)
            moves.append(Move(place, offset, stamps[place.lane.topic], remark))
    return moves


def _check(places: Sequence[Place], only: Iterable[int]) -> None:
    have = {p.lane.partition for p in places}
    missing = sorted(set(only) - have)
    if missing:
        raise PartitionMissingError(f"there is no partition {missing[0]}: the last one is {max(have)}")


def _stamp(topic: str, places: Sequence[Place]) -> str:
    """The count that the group first saw stays, so that a later partition still begins at its beginning."""
    own = [p for p in places if p.lane.topic == topic]
    stamps = {p.lane.partition: p.metadata for p in own if p.commit is not None and not p.other_topic}
    first = first_partitions(stamps)
    return CommitMetadata(own[0].topic_id, len(own) if first is None else first).encode()


def _target(place: Place, to: Start, at_time: Mapping[Lane, int]) -> tuple[int, str]:
    low, high = place.low, place.high
    if to.at in {"earliest", "latest"}:
        return (low if to.at == "earliest" else high), ""
    wanted = at_time.get(place.lane) if to.at == "time" else to.value
    if wanted is None:
        return high, "no record is stamped so late: the end"
    if to.at == "offset" and wanted < low:
        return low, f"{wanted} is gone: the first that is left"
    if to.at == "offset" and wanted > high:
        return high, f"{wanted} is not there yet: the end"
    return min(max(wanted, low), high), ""
