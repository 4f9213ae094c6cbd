"""Where a group stands in each partition, and what that means."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from taosbatch.offsets import Lane
from taosink.kafka.commit_metadata import CommitMetadata, decode
from taosink.kafka.group_admin import TIMEOUT, Commit, GroupClient
from taosink.kafka.topic_reader import TopicMissingError

_UNKNOWN_TOPIC = 3


@dataclass(frozen=True, slots=True)
class Place:
    """One partition: `low` to `high` can be read, `commit` is the group's. `topic_id` is the topic's now, empty
    where the broker does not say."""

    lane: Lane
    low: int
    high: int
    commit: Commit | None = None
    topic_id: str = ""

    @property
    def committed(self) -> int | None:
        return None if self.commit is None else self.commit.offset

    @property
    def metadata(self) -> CommitMetadata | None:
        """What taosink wrote beside the offset; None for anybody else's commit, or without one."""
        return None if self.commit is None else decode(self.commit.metadata)

    @property
    def unread(self) -> int:
        """Records that are still to be read, where nothing is committed all that there are."""
        return max(0, self.high - max(self.low, self.commit.offset if self.commit else self.low))

    @property
    def lag(self) -> int | None:
        """None where nothing is committed: what is read then depends on the consumer's kafka.offset."""
        return None if self.commit is None else self.unread

    @property
    def other_topic(self) -> bool:
        """Whether the commit belongs to a topic of this name that was deleted."""
        stamp = self.metadata
        return bool(stamp and stamp.topic_id and self.topic_id and stamp.topic_id != self.topic_id)

    @property
    def stopped(self) -> bool:
        """Whether a consumer would refuse to go on from here."""
        return self.other_topic or (self.commit is not None and self.commit.offset > self.high)

    @property
    def lost(self) -> int:
        """At most so many records were removed by the broker before the group had read them."""
        return max(0, self.low - self.commit.offset) if self.commit and not self.other_topic else 0

    @property
    def note(self) -> str:
        """What an operator should know; empty where all is as it should be."""
        if self.commit is None:
            return "nothing committed: starts at kafka.offset"
        if self.other_topic:
            return "of a topic that was deleted: consumers stop here until a reset"
        if self.commit.offset > self.high:
            return "beyond the end: consumers stop here until a reset"
        if self.lost:
            return f"{self.lost:,} offsets were removed by the broker before they were read"
        return "" if self.metadata else "committed by another program"


def read_group(
    properties: Mapping[str, Any],
    topics: Sequence[str],
    group: str,
    *,
    timeout: float = TIMEOUT,
    ids: bool = True,
) -> list[Place]:
    """The group's places in these topics (or those that one `^pattern` matches), in order. Blocks for the broker,
    each call for `timeout` seconds at most. Raises `topics.TopicError` and `group_admin.GroupError`."""
    with GroupClient(properties, group, timeout=timeout) as client:
        return places(client, chosen(client.topics(), topics), ids=ids)


def places(client: GroupClient, counts: Mapping[str, int], *, ids: bool = True) -> list[Place]:
    """As `read_group`, of topics whose partition counts are known. `ids`: ask for the topics' ids too."""
    lanes = [Lane(name, p) for name, count in counts.items() for p in range(count)]
    extents, commits = client.extents(lanes), client.committed(lanes)
    known = client.topic_ids(counts) if ids else {}
    return [Place(lane, *extents[lane], commits.get(lane), known.get(lane.topic, "")) for lane in lanes]


def chosen(known: Mapping[str, int], topics: Iterable[str]) -> dict[str, int]:
    """The topics meant, and their partition counts. Raises TopicMissingError for one that is not there, and where
    a pattern matches none."""
    found: dict[str, int] = {}
    for wanted in topics:
        names = _matching(known, wanted) if wanted.startswith("^") else [wanted] if wanted in known else []
        if not names:
            reason = "it does not exist" if not wanted.startswith("^") else "no topic matches this pattern"
            raise TopicMissingError(wanted, _UNKNOWN_TOPIC, "UNKNOWN_TOPIC_OR_PART", reason)
        found |= {name: known[name] for name in names}
    return found


def _matching(known: Iterable[str], pattern: str) -> list[str]:
    try:
        matches = re.compile(pattern).match
    except re.error:
        return []  # the broker's syntax is not quite Python's
    return sorted(name for name in known if matches(name) and not name.startswith("__"))
