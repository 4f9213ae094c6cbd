"""Which jumps in the offsets are believed."""

import pytest
from confluent_kafka import Message

from taosbatch.offsets import Lane
from taosink.kafka.gaps import Gaps, first_gap

HERE, BESIDE, ELSEWHERE = Lane("t", 0), Lane("t", 1), Lane("u", 0)


def messages(*offsets: int) -> list[Message]:
    return [Message(topic="t", partition=0, offset=offset, value=b"") for offset in offsets]


@pytest.mark.parametrize(
    ("offsets", "gap"),
    [
        ([4, 5, 6], None),
        ([4], None),
        ([5, 6], 4),
        ([4, 6], 5),
        ([4, 5, 7, 9], 6),
        ([4, 5, 5], 6),
    ],
)
def test_the_first_offset_that_is_passed_over(offsets: list[int], gap: int | None) -> None:
    """From position 4 on."""
    assert first_gap(4, messages(*offsets)) == gap


def test_what_is_usual_for_one_partition_is_so_for_its_topic_alone() -> None:
    """Whether a topic is compacted, or written in transactions, is the same for all its partitions."""
    gaps = Gaps()
    assert gaps.doubts(HERE, 5)
    assert not gaps.doubts(HERE, 5)
    assert not gaps.doubts(BESIDE, 9)
    assert gaps.doubts(ELSEWHERE, 5)


def test_another_gap_is_another_doubt() -> None:
    """The second reading must show the same one: with a client that jumps about nothing is proven."""
    gaps = Gaps()
    assert gaps.doubts(HERE, 5)
    assert gaps.doubts(HERE, 3)
    assert gaps.doubts(HERE, 5)


def test_a_gap_is_closed_by_reading_beyond_it() -> None:
    """Once, and not by reading up to it."""
    gaps = Gaps()
    gaps.doubts(HERE, 5)
    assert gaps.closed(HERE, 5) is None
    assert gaps.closed(BESIDE, 6) is None
    assert gaps.closed(HERE, 6) == 5
    assert gaps.closed(HERE, 7) is None


def test_a_doubt_that_a_neighbour_has_answered_is_not_told() -> None:
    """The topic has gaps of its own."""
    gaps = Gaps()
    gaps.doubts(HERE, 5)
    gaps.doubts(BESIDE, 9)
    gaps.doubts(BESIDE, 9)
    assert gaps.closed(HERE, 9) is None
