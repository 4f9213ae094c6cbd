"""Where reading of a partition begins: pure decisions from what the broker answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from taosink.kafka.commit_metadata import CommitMetadata


@dataclass(frozen=True, slots=True)
class Start:
    """`kafka.offset`: where a group begins that has committed nothing. `value` is an offset or
    milliseconds."""

    at: Literal["earliest", "latest", "offset", "time"] = "earliest"
    value: int = 0

    def __str__(self) -> str:
        if self.at == "time":
            return datetime.fromtimestamp(self.value / 1000, UTC).isoformat()
        return str(self.value) if self.at == "offset" else self.at


EARLIEST = Start()
LATEST = Start("latest")


def start_at(setting: Literal["earliest", "latest"] | int | datetime) -> Start:
    """A start from the setting's value; a time must name its zone."""
    if isinstance(setting, datetime):
        return Start("time", max(0, int(setting.timestamp() * 1000)))
    return Start("offset", setting) if isinstance(setting, int) else Start(setting)


@dataclass(frozen=True, slots=True)
class LaneFacts:
    """What the broker says of one partition. `position` is what was delivered up to in this assignment, where
    the partition went out of range while it was read; `at_time` the offset that `Start.value` names."""

    partition: int
    low: int
    high: int
    committed: int | None = None
    metadata: CommitMetadata | None = None
    position: int | None = None
    at_time: int | None = None


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What is known of a topic as a whole. `first_partitions` is the count that the group first saw, None
    where it has committed nothing of this topic; `joined_later`: the group was at work before the topic was
    there."""

    partitions: int
    topic_id: str = ""
    first_partitions: int | None = None
    joined_later: bool = False


@dataclass(frozen=True, slots=True)
class Begin:
    """Read from `offset`. `commit`: it is not what the broker has of this group, or not stamped yet. `lost`:
    at most so many records had been removed by the broker before they were read."""

    offset: int
    commit: bool = False
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Blocked:
    """Not to be read: going on would skip records or read a foreign topic's. An operator decides."""

    reason: Literal["other_topic", "above_high_watermark", "truncated", "unreadable"]
    offset: int
    message: str


def decide(start: Start, lane: LaneFacts, topic: TopicFacts) -> Begin | Blocked:
    """Committed or delivered position, else `start`; never past a gap without counting it."""
    metadata = lane.metadata
    known = lane.committed if lane.position is None else lane.position
    if metadata and metadata.topic_id and topic.topic_id and metadata.topic_id != topic.topic_id:
        return other_topic(known or 0, metadata.topic_id, topic.topic_id)
    if known is None:
        return Begin(_fresh(start, lane, topic), commit=True)
    if known < lane.low:
        return Begin(lane.low, commit=True, lost=lane.low - known)
    if known > lane.high:
        return Blocked(
            "above_high_watermark",
            known,
            f"the group's offset {known} lies beyond the end {lane.high}: the topic was made anew, or the "
            "broker lost acknowledged records; reset the group's offsets to go on",
        )
    return Begin(known, commit=metadata is None)


def other_topic(offset: int, old: str, new: str) -> Blocked:
    """The topic was deleted and made anew; what the new one holds before `offset` has not been read."""
    return Blocked(
        "other_topic",
        offset,
        f"the group's offset {offset} belongs to a topic of this name that was deleted (id {old}, now "
        f"{new}); reset the group's offsets to read the new one",
    )


def _fresh(start: Start, lane: LaneFacts, topic: TopicFacts) -> int:
    later = topic.joined_later or (
        topic.first_partitions is not None and lane.partition >= topic.first_partitions
    )
    if later or start.at == "earliest":
        return lane.low
    if start.at == "latest":
        return lane.high
    wanted = start.value if start.at == "offset" else lane.at_time
    return lane.high if wanted is None else min(max(wanted, lane.low), lane.high)


def first_partitions(commits: Mapping[int, CommitMetadata | None]) -> int | None:
    """The partition count that a group first saw of a topic, from the metadata of its commits per partition.

    Without any metadata (an older consumer's commits) up to the last one that has a commit: those above are
    then read from their beginning, which loses nothing. None without commits.
    """
    counts = [metadata.partitions for metadata in commits.values() if metadata is not None]
    if counts:
        return min(counts)
    return max(commits) + 1 if commits else None
