"""Readings and letters on disk: sorted, joined, and gone when they are closed."""

import os
import random
from pathlib import Path

import pytest

from taosink.audit.readings import Reading
from taosink.audit.spill import Spill, SpillError, Unreadable


def test_readings_come_back_in_order() -> None:
    """By device and time, and of the same time by partition and offset; letters mark their records."""
    readings = [
        (
            partition,
            offset,
            Reading(f"`d{offset % 3}`", offset // 10, offset % 5, 0, [offset, None, "ü", 0.5]),
        )
        for partition in (0, 1)
        for offset in range(60)
    ]
    random.Random(7).shuffle(readings)
    with Spill() as spill:
        spill.add_readings(readings)
        assert spill.add_letters([(0, 3), (1, 59), (5, 5)]) == 3
        assert spill.add_letters([(0, 3), (0, 4)]) == 1
        back = list(spill.readings())
    keys = [(h.table, h.at, h.partition, h.offset) for h in back]
    assert keys == sorted(keys)
    assert len(back) == 120
    assert {(h.partition, h.offset) for h in back if h.dead} == {(0, 3), (0, 4), (1, 59)}
    assert all(h.cells == [h.offset, None, "ü", 0.5] and h.rest == h.offset % 5 for h in back)


def test_extremes_survive() -> None:
    """The largest integers, negative times and odd names are kept as they are."""
    extremes = Reading("`db`.`a'b\"`", -(2**63), 999_999, 3, [2**63 - 1, -(2**63), 1e308, True, "\x01"])
    with Spill() as spill:
        spill.add_readings([(0, 2**62, extremes)])
        (back,) = spill.readings()
    assert (back.table, back.at, back.rest, back.shape, back.cells) == extremes
    assert back.cells[3] is True
    assert back.offset == 2**62


def test_unreadable_records_without_a_letter() -> None:
    """Those with one are counted by partition."""
    with Spill() as spill:
        spill.add_unreadable([Unreadable(p, o, "", "malformed", 1) for p in (0, 1) for o in (1, 2)])
        spill.add_letters([(0, 1), (1, 1), (1, 2)])
        assert [(u.partition, u.offset) for u in spill.unaccounted()] == [(0, 2)]
        assert dict(spill.unreadable_dead()) == {0: 1, 1: 2}


def test_disputes_are_kept_until_they_are_settled() -> None:
    """One for each row."""
    with Spill() as spill:
        spill.dispute("`a`", 1, b"first")
        spill.dispute("`a`", 1, b"second")
        spill.dispute("`b`", 2, b"other")
        assert spill.disputed("`a`", 1) == b"second"
        assert spill.disputed("`a`", 2) is None
        spill.settle("`b`", 2)
        assert list(spill.disputes()) == [("`a`", 1, b"second")]


def test_nothing_is_left_in_the_directory(tmp_path: Path) -> None:
    """The file has no name from its beginning, so that not even a killed audit leaves one."""
    with Spill(str(tmp_path)) as spill:
        spill.add_readings((0, n, Reading("`d`", n, 0, 0, ["x" * 1000])) for n in range(20_000))
        assert os.listdir(tmp_path) == []
        assert sum(1 for _ in spill.readings()) == 20_000
    assert os.listdir(tmp_path) == []


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """It is named, with the reason."""
    with pytest.raises(SpillError, match=r"temporary file in .*none cannot be used: "):
        Spill(str(tmp_path / "none"))
