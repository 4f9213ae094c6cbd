"""Where a partition begins, decided from what the broker answered."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosink.kafka.commit_metadata import CommitMetadata, decode
from taosink.kafka.start import (
    EARLIEST,
    LATEST,
    Begin,
    Blocked,
    LaneFacts,
    Start,
    TopicFacts,
    decide,
    first_partitions,
    start_at,
)

MINE = CommitMetadata("id-1", 4)
TOPIC = TopicFacts(partitions=4, topic_id="id-1", first_partitions=4)
NEW = TopicFacts(partitions=4, topic_id="id-1")


@pytest.mark.parametrize(
    ("start", "at_time", "expected"),
    [
        (EARLIEST, None, 10),
        (LATEST, None, 90),
        (Start("offset", 50), None, 50),
        (Start("offset", 5), None, 10),
        (Start("offset", 500), None, 90),
        (Start("time", 1), 33, 33),
        (Start("time", 1), None, 90),
    ],
)
def test_without_a_commit_the_setting_decides(start: Start, at_time: int | None, expected: int) -> None:
    """Resolved within what there is, and committed."""
    facts = LaneFacts(0, low=10, high=90, at_time=at_time)
    assert decide(start, facts, NEW) == Begin(expected, commit=True)


@pytest.mark.parametrize("topic", [TOPIC, TopicFacts(6, "id-1", None, joined_later=True)])
def test_what_came_later_is_read_from_its_beginning(topic: TopicFacts) -> None:
    """A partition above the count first seen, and a topic that is new to a group at work."""
    assert decide(LATEST, LaneFacts(4, low=10, high=90), topic) == Begin(10, commit=True)


def test_a_commit_of_ours_is_gone_on_from() -> None:
    """And not committed again."""
    facts = LaneFacts(0, low=10, high=90, committed=40, metadata=MINE)
    assert decide(LATEST, facts, TOPIC) == Begin(40)


def test_a_commit_of_somebody_else_is_stamped() -> None:
    """The offset holds and is committed once more, with metadata."""
    assert decide(LATEST, LaneFacts(0, 10, 90, committed=40), TOPIC) == Begin(40, commit=True)


def test_below_the_low_watermark_the_difference_is_counted() -> None:
    """Reading goes on from the low watermark."""
    facts = LaneFacts(0, 10, 90, committed=3, metadata=MINE)
    assert decide(EARLIEST, facts, TOPIC) == Begin(10, commit=True, lost=7)


def test_the_position_counts_more_than_the_commit() -> None:
    """A partition that went out of range while it was read had delivered up to its position."""
    facts = LaneFacts(0, 10, 90, committed=3, metadata=MINE, position=8)
    assert decide(EARLIEST, facts, TOPIC) == Begin(10, commit=True, lost=2)


def test_beyond_the_end_it_stops() -> None:
    """Something that was read is not there any more."""
    found = decide(EARLIEST, LaneFacts(0, 10, 90, committed=91, metadata=MINE), TOPIC)
    assert isinstance(found, Blocked)
    assert found.reason == "above_high_watermark"


def test_another_topic_of_the_same_name_stops_it() -> None:
    """Although the offset lies within it."""
    facts = LaneFacts(0, 10, 90, committed=40, metadata=CommitMetadata("id-0", 4))
    found = decide(EARLIEST, facts, TOPIC)
    assert isinstance(found, Blocked)
    assert (found.reason, found.offset) == ("other_topic", 40)


@pytest.mark.parametrize(("stamped", "now"), [("", "id-1"), ("id-0", "")])
def test_an_unknown_topic_id_is_no_other_topic(stamped: str, now: str) -> None:
    """A broker that does not tell ids makes no partition stop."""
    facts = LaneFacts(0, 10, 90, committed=40, metadata=CommitMetadata(stamped, 4))
    assert decide(EARLIEST, facts, TopicFacts(4, now, 4)) == Begin(40)


@given(
    low=st.integers(0, 100),
    length=st.integers(0, 100),
    committed=st.none() | st.integers(0, 300),
    position=st.none() | st.integers(0, 300),
    start=st.sampled_from([EARLIEST, LATEST, Start("offset", 70), Start("time", 5)]),
)
def test_nothing_is_passed_over_without_being_counted(
    low: int, length: int, committed: int | None, position: int | None, start: Start
) -> None:
    """It begins within the partition, and what lies between the known offset and the beginning is counted."""
    found = decide(start, LaneFacts(0, low, low + length, committed, MINE, position), TOPIC)
    known = committed if position is None else position
    if isinstance(found, Begin):
        assert low <= found.offset <= low + length
        assert found.lost == (0 if known is None else found.offset - known)
    else:
        assert known is not None
        assert known > low + length


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ({}, None),
        ({0: MINE, 5: CommitMetadata("id-1", 6)}, 4),
        ({0: None, 2: None}, 3),
        ({0: None, 2: MINE}, 4),
    ],
)
def test_the_count_first_seen_comes_from_the_commits(
    commits: dict[int, CommitMetadata | None], expected: int | None
) -> None:
    """The smallest that a commit names; without any, up to the last partition that has a commit."""
    assert first_partitions(commits) == expected


def test_metadata_come_back_as_they_were() -> None:
    """One short text."""
    assert decode(MINE.encode()) == MINE
    assert len(MINE.encode()) < 100


@pytest.mark.parametrize(
    "text", [None, "", "NONE", "{}", "[]", "7", '{"taosink": 2}', '{"taosink": 1}', "\x00"]
)
def test_metadata_of_others_are_none(text: str | None) -> None:
    """Whatever another tool wrote."""
    assert decode(text) is None


def test_settings_become_a_start() -> None:
    """A time counts in its own zone."""
    assert start_at("latest") == LATEST
    assert start_at(42) == Start("offset", 42)
    moment = datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=1)))
    assert start_at(moment) == start_at(datetime(2026, 1, 31, 8, tzinfo=UTC))
    assert str(start_at(moment)) == "2026-01-31T08:00:00+00:00"
