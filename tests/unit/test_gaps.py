"""Which jumps in the offsets are believed."""

import pytest
from confluent_kafka import Message

from taosbatch.offsets import Lane
from taosink.kafka.gaps import Gap, Gaps, first_gap

HERE, BESIDE, ELSEWHERE = Lane("t", 0), Lane("t", 1), Lane("u", 0)
EPOCH = 7


def messages(*offsets: int) -> list[Message]:
    return [Message(topic="t", partition=0, offset=offset, value=b"") for offset in offsets]


@pytest.mark.parametrize(
    ("offsets", "gap"),
    [
        ([4, 5, 6], None),
        ([4], None),
        ([5, 6], Gap(4, 5)),
        ([4, 6], Gap(5, 6)),
        ([4, 5, 7, 9], Gap(6, 7)),
        ([4, 5, 5], Gap(6, 5)),
    ],
)
def test_the_first_offset_that_is_passed_over(offsets: list[int], gap: Gap | None) -> None:
    """From position 4 on."""
    assert first_gap(4, messages(*offsets)) == gap


def test_what_is_usual_for_one_partition_is_so_for_its_topic_alone() -> None:
    """Whether a topic is compacted, or written in transactions, is the same for all its partitions."""
    gaps = Gaps()
    assert gaps.doubts(HERE, EPOCH, Gap(5, 9))
    assert not gaps.doubts(HERE, EPOCH, Gap(5, 9))
    assert not gaps.doubts(BESIDE, EPOCH, Gap(9, 20))
    assert gaps.doubts(ELSEWHERE, EPOCH, Gap(5, 9))


@pytest.mark.parametrize(
    ("epoch", "gap"),
    [(EPOCH, Gap(3, 9)), (EPOCH, Gap(5, 30)), (EPOCH, Gap(5, None)), (EPOCH + 1, Gap(5, 9))],
)
def test_another_gap_is_another_doubt(epoch: int, gap: Gap) -> None:
    """One that begins or ends elsewhere, or is of another assignment: a client that jumps about proves nothing."""
    gaps = Gaps()
    assert gaps.doubts(HERE, EPOCH, Gap(5, 9))
    assert gaps.doubts(HERE, epoch, gap)
    assert not gaps.doubts(HERE, epoch, gap)


def test_a_gap_is_closed_by_reading_what_was_missing() -> None:
    """Once, and not by reading up to it."""
    gaps = Gaps()
    gaps.doubts(HERE, EPOCH, Gap(5, 9))
    assert gaps.closed(HERE, 0, 5) is None
    assert gaps.closed(BESIDE, 0, 6) is None
    assert gaps.closed(HERE, 5, 6) == 5
    assert gaps.closed(HERE, 6, 7) is None


def test_a_partition_that_goes_on_behind_a_doubt_closes_nothing() -> None:
    """Another member read it meanwhile, or the broker removed what was missing."""
    gaps = Gaps()
    gaps.doubts(HERE, EPOCH, Gap(5, 9))
    assert gaps.closed(HERE, 20, 25) is None
    assert gaps.closed(HERE, 0, 25) is None


def test_a_doubt_that_a_neighbour_has_answered_is_not_told() -> None:
    """The topic has gaps of its own."""
    gaps = Gaps()
    gaps.doubts(HERE, EPOCH, Gap(5, 9))
    gaps.doubts(BESIDE, EPOCH, Gap(9, 10))
    gaps.doubts(BESIDE, EPOCH, Gap(9, 10))
    assert gaps.closed(HERE, 0, 9) is None
