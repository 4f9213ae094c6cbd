"""Where a group stands and what a reset would do: the pure parts of `taosink offsets`."""

import pytest

from taosbatch.offsets import Lane
from taosink.kafka.commit_metadata import CommitMetadata, decode
from taosink.kafka.group_admin import Commit
from taosink.kafka.start import EARLIEST, LATEST, Start
from taosink.kafka.topic_reader import TopicMissingError
from taosink.offsets.plan import PartitionMissingError, plan
from taosink.offsets.state import Place, chosen
from taosink.settings.offsets import parse_partitions


def stamp(topic_id: str = "now", partitions: int = 2) -> str:
    return CommitMetadata(topic_id, partitions).encode()


def place(partition: int = 0, commit: Commit | None = None, *, low: int = 10, high: int = 100) -> Place:
    return Place(Lane("t", partition), low, high, commit, "now")


@pytest.mark.parametrize(
    ("commit", "lag", "note", "stopped"),
    [
        (Commit(40, stamp()), 60, "", False),
        (Commit(100, stamp()), 0, "", False),
        (None, None, "nothing committed: starts at kafka.offset", False),
        (Commit(4, stamp()), 90, "6 offsets were removed by the broker before they were read", False),
        (Commit(101, stamp()), 0, "beyond the end: consumers stop here until a reset", True),
        (
            Commit(40, stamp("old")),
            60,
            "of a topic that was deleted: consumers stop here until a reset",
            True,
        ),
        (Commit(40, "somebody's"), 60, "committed by another program", False),
    ],
)
def test_a_place_tells_its_lag_and_what_is_wrong_with_it(
    commit: Commit | None, lag: int | None, note: str, stopped: bool
) -> None:
    """In a partition that holds 10 to 100 of a topic whose id is known."""
    found = place(0, commit)
    assert (found.lag, found.note, found.stopped) == (lag, note, stopped)


@pytest.mark.parametrize(
    ("to", "offset", "remark"),
    [
        (EARLIEST, 10, ""),
        (LATEST, 100, ""),
        (Start("offset", 55), 55, ""),
        (Start("offset", 100), 100, ""),
        (Start("offset", 3), 10, "3 is gone: the first that is left"),
        (Start("offset", 101), 100, "101 is not there yet: the end"),
        (Start("time", 5), 70, ""),
    ],
)
def test_targets_stay_inside_of_what_there_is(to: Start, offset: int, remark: str) -> None:
    """An offset that a consumer could not read from would stop it."""
    (move,) = plan([place(0, Commit(40, stamp()))], to, {Lane("t", 0): 70})
    assert (move.offset, move.remark) == (offset, remark)


def test_a_time_behind_the_last_record_is_the_end() -> None:
    """The broker names no offset for it."""
    (move,) = plan([place()], Start("time", 5), {})
    assert (move.offset, move.remark) == (100, "no record is stamped so late: the end")


@pytest.mark.parametrize(
    ("commit", "offset", "skipped", "again"),
    [
        (Commit(40, stamp()), 90, 50, 0),
        (Commit(40, stamp()), 20, 0, 20),
        (Commit(4, stamp()), 30, 20, 0),
        (Commit(200, stamp()), 30, 0, 70),
        (None, 30, 20, 0),
        (Commit(40, stamp("old")), 30, 20, 0),
    ],
)
def test_what_is_passed_over_and_what_comes_again_is_counted(
    commit: Commit | None, offset: int, skipped: int, again: int
) -> None:
    """Only what can still be read is passed over; an old topic's offset says nothing about this one."""
    (move,) = plan([place(0, commit)], Start("offset", offset), {})
    assert (move.skipped, move.again) == (skipped, again)


def test_the_stamp_keeps_the_partition_count_that_the_group_first_saw() -> None:
    """A partition that was added later still begins at its beginning after a reset of the first ones."""
    places = [place(0, Commit(40, stamp(partitions=1))), place(1)]
    moves = plan(places, EARLIEST, {}, {0})
    assert [decode(m.metadata) for m in moves] == [CommitMetadata("now", 1)]


def test_a_topic_that_was_made_anew_is_stamped_as_it_is_now() -> None:
    """Its own id and count: what an older topic of the name had means nothing."""
    moves = plan([place(0, Commit(40, stamp("old", 1))), place(1)], EARLIEST, {})
    assert {decode(m.metadata) for m in moves} == {CommitMetadata("now", 2)}


def test_what_stands_right_is_no_change() -> None:
    """The same offset without the product's stamp is one."""
    stamped, foreign = place(0, Commit(10, stamp())), place(1, Commit(10, ""))
    assert [m.changes for m in plan([stamped, foreign], EARLIEST, {})] == [False, True]


def test_a_partition_that_is_not_there_is_refused() -> None:
    """It would be left out without a word, and the operator believe it done."""
    with pytest.raises(PartitionMissingError, match="no partition 7: the last one is 1"):
        plan([place(0), place(1)], EARLIEST, {}, {0, 7})


def test_topics_are_chosen_by_name_or_pattern() -> None:
    """A pattern takes no internal topics; what matches nothing is an error."""
    known = {"a-1": 1, "a-2": 2, "b": 3, "__consumer_offsets": 50}
    assert chosen(known, ["b", "a-1"]) == {"b": 3, "a-1": 1}
    assert chosen(known, ["^(a-.*|__.*)$"]) == {"a-1": 1, "a-2": 2}
    for wanted in ("c", "^c", "^("):
        with pytest.raises(TopicMissingError):
            chosen(known, [wanted])


def test_partitions_are_written_as_numbers_and_ranges() -> None:
    """Anything else is told as it was written."""
    assert parse_partitions("0, 3-5") == {0, 3, 4, 5}
    for wrong in ("x", "5-3", "-1", "1-"):
        with pytest.raises(ValueError, match="is no partition"):
            parse_partitions(wrong)
