"""The words for an audit's range, and what they come to in a topic."""

import pytest

from taosink.audit.bounds import Bound, Known, Part, RangeError, parse_bound, resolve

EARLIEST, COMMITTED, END = Bound("earliest"), Bound("committed"), Bound("end")
EXTENT = {0: (10, 100), 1: (0, 50)}


def known(**more: object) -> Known:
    return Known(EXTENT, "g", **more)  # type: ignore[arg-type] # only the maps are given


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("committed", COMMITTED),
        (" END ", END),
        ("17", Bound("offset", 17)),
        ("0:100,3:0", Bound("offsets", offsets={0: 100, 3: 0})),
        ("2025-01-01T00:00:00Z", Bound("time", 1_735_689_600_000)),
        ("2025-01-01T08:00:00.5+08:00", Bound("time", 1_735_689_600_500)),
    ],
)
def test_bounds_are_read(text: str, bound: Bound) -> None:
    """Words, offsets, pairs and times."""
    assert parse_bound(text, ["committed", "end"]) == bound


@pytest.mark.parametrize("text", ["", "earliest", "-1", "1.5", "0:1,", "0:", "2025-01-01T00:00:00", "now"])
def test_other_texts_are_no_bounds(text: str) -> None:
    """A time without its zone neither, nor the other end's word."""
    with pytest.raises(ValueError, match="is none of committed, end, an offset"):
        parse_bound(text, ["committed", "end"])


def test_the_default_goes_from_the_beginning_to_the_commits() -> None:
    """A partition that the group has not committed is left out; a commit below the beginning is an empty part."""
    assert resolve("t", EARLIEST, COMMITTED, known(committed={0: 60})) == (Part(0, 10, 60, 10, 100),)
    assert resolve("t", EARLIEST, COMMITTED, known(committed={0: 3})) == (Part(0, 10, 10, 10, 100),)


def test_lists_choose_partitions() -> None:
    """Only partitions that both ends name are audited."""
    parts = resolve("t", Bound("offsets", offsets={1: 5}), END, known())
    assert parts == (Part(1, 5, 50, 0, 50),)
    with pytest.raises(RangeError, match="no partition in common"):
        resolve("t", Bound("offsets", offsets={1: 5}), Bound("offsets", offsets={0: 50}), known())


def test_times_become_offsets() -> None:
    """Both ends by time; nothing of a partition whose records are all older is left."""
    first, last = Bound("time", 1), Bound("time", 2)
    parts = resolve("t", first, last, known(first_at={0: 20, 1: 50}, last_at={0: 30, 1: 50}))
    assert parts == (Part(0, 20, 30, 10, 100), Part(1, 50, 50, 0, 50))


@pytest.mark.parametrize(
    ("first", "last", "more", "words"),
    [
        (EARLIEST, COMMITTED, {}, "group 'g' has committed nothing of topic 't'"),
        (EARLIEST, COMMITTED, {"committed": {1: 51}}, "ends at 50: the topic was made anew"),
        (
            Bound("offset", 5),
            END,
            {},
            "starts at offset 5 of t/0, which holds 10 to 100: the broker has removed",
        ),
        (EARLIEST, Bound("offset", 60), {}, "ends at offset 60 of t/1, which holds 0 to 50: nothing stands"),
        (Bound("offsets", offsets={4: 0}), END, {}, "has partitions 0 to 1; the range names 4"),
        (Bound("offset", 40), Bound("offset", 30), {}, "t/0 ends at 30, before its start 40"),
        (
            Bound("time", 2000),
            Bound("time", 1000),
            {"first_at": {0: 10, 1: 0}, "last_at": {0: 10, 1: 0}},
            "ends",
        ),
    ],
)
def test_ranges_that_do_not_exist_are_named(
    first: Bound, last: Bound, more: dict[str, object], words: str
) -> None:
    """One line says which end of which partition does not exist, and why."""
    with pytest.raises(RangeError, match=words) as caught:
        resolve("t", first, last, known(**more))
    assert "\n" not in str(caught.value)


def test_the_ends_of_a_partition_are_inside() -> None:
    """Starting behind the last record, or ending before the first, is an empty part and no mistake."""
    assert resolve("t", Bound("offsets", offsets={0: 100}), END, known()) == (Part(0, 100, 100, 10, 100),)
    assert [len(p) for p in resolve("t", EARLIEST, Bound("offsets", offsets={0: 10}), known())] == [0]
