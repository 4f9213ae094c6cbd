"""Where partitions begin, from what a broker tells, or fails to tell."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from taosbatch.offsets import Lane
from taosink.kafka.asking import Broker
from taosink.kafka.commit_metadata import CommitMetadata
from taosink.kafka.observer import SourceObserver
from taosink.kafka.resolver import Resolver
from taosink.kafka.start import EARLIEST, Begin, Blocked, LaneFacts, Start, TopicFacts
from taosink.kafka.topic_watch import TopicWatch

LANE, BESIDE = Lane("t", 0), Lane("t", 1)
STAMP = CommitMetadata("id-1", 2)


class Told:
    """A broker's answers, as a test gives them."""

    def __init__(self) -> None:
        self.topic = TopicFacts(2, "id-1")
        self.lanes: dict[Lane, LaneFacts] = {}
        self.ids: dict[str, str] = {}

    def facts(self, lanes: Mapping[Lane, int | None], *_: Any, **__: Any) -> Any:
        return {lane: (self.lanes[lane], self.topic) for lane in lanes}

    def begin_topic_ids(self, topics: Any, _timeout: float) -> dict[str, Any]:
        found = {}
        for topic in topics:
            found[topic] = Future[Any]()
            found[topic].set_result(type("Description", (), {"topic_id": self.ids[topic]}))
        return found


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def resolver(told: Any) -> Resolver:
    return Resolver(told, EARLIEST, {}, SourceObserver(), pattern=False, clock=lambda: 0.0)


def test_a_position_in_a_topic_that_was_made_anew_is_not_gone_on_from(told: Told, resolver: Resolver) -> None:
    """With the old topic the broker forgot the commit and its stamp, and the new one has outgrown the position:
    what stands before it was never read."""
    told.lanes[LANE] = LaneFacts(0, 0, 100, committed=40, metadata=STAMP)
    assert resolver.resolve({LANE: None}, 1.0) == {LANE: Begin(40)}
    told.topic = TopicFacts(2, "id-2")
    told.lanes[LANE] = LaneFacts(0, 0, 150, position=100)
    found = resolver.resolve({LANE: 100}, 1.0)[LANE]
    assert isinstance(found, Blocked)
    assert (found.reason, found.offset) == ("other_topic", 100)


def test_a_partition_that_comes_later_does_not_hide_the_other_topic(told: Told, resolver: Resolver) -> None:
    """One is read under the old id, one came under the new: the watch tells which must stop."""
    told.lanes = {LANE: LaneFacts(0, 0, 9, committed=4, metadata=STAMP), BESIDE: LaneFacts(1, 0, 9)}
    resolver.resolve({LANE: None}, 1.0)
    told.topic = TopicFacts(2, "id-2")
    resolver.resolve({BESIDE: None}, 1.0)
    told.ids = {"t": "id-2"}
    watch = TopicWatch(told, resolver.topic_ids)  # type: ignore[arg-type] # a broker's answers
    assert watch.changed(0.0) == {}
    assert watch.changed(0.1) == {LANE: "id-2"}


class Partial(Broker):
    """A broker that answers for every partition, but about a time only for the second."""

    def __init__(self) -> None:
        self._tells_topic_ids = False
        self._clock = lambda: 0.0
        self._consumer = self  # type: ignore[assignment] # asked for offsets alone

    def partitions(self, topic: str, timeout: float) -> int:
        del topic, timeout
        return 2

    def _committed(self, *_: Any) -> dict[int, Any]:
        return {}

    def offsets_for_times(self, asked: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        del timeout
        answers = {-2: 0, -1: 1_000, 777: 400}
        found = [TopicPartition(tp.topic, tp.partition, answers[tp.offset]) for tp in asked]
        return [tp for tp, ask in zip(found, asked, strict=True) if ask.offset < 0 or tp.partition == 1]


def test_a_time_that_was_not_answered_is_asked_for_again() -> None:
    """Taken for "no record so late" it would begin at the end."""
    found = Partial().facts({LANE: None, BESIDE: None}, Start("time", 777), pattern=False, deadline=1.0)
    assert {lane: facts.at_time for lane, (facts, _) in found.items()} == {BESIDE: 400}
