"""Grouping rows by subtable and packing them into statements."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sql_parser import parse_insert

from taosbatch.insert_sql import Grouping, Segment, pack
from taosbatch.literals import row

HEAD = b"`t` (`ts`,`c`) VALUES "


def segment(count: int, table: str = "t", *, size: int = 1, new: bool = False, first: int = 0) -> Segment:
    found = Segment(table, 1, f"`{table}` (`ts`,`c`) VALUES ".encode(), new=new)
    for index in range(first, first + count):
        found.add(index, row([index, "x" * size]), index)
    return found


def put(grouping: Grouping, table: str, cells: Sequence[object], index: int) -> Segment:
    at = int(str(cells[0]))
    found = grouping.fitting(table, len(cells), at, cells)
    if found is None:
        found = grouping.start(table, len(cells), b"`t` VALUES ", new=False)
    found.add(at, row(cells), index)
    return found


def test_one_statement_for_all_tables() -> None:
    """Tables stand one after another in one statement, which names rows, tables and new tables."""
    statements, too_large = pack([[segment(2, "a"), segment(1, "b", new=True, first=2)]], 1_000)
    assert not too_large
    (found,) = statements
    assert found.sql == b"INSERT INTO `a` (`ts`,`c`) VALUES (0,'x')(1,'x') `b` (`ts`,`c`) VALUES (2,'x')"
    assert (found.rows.tolist(), found.rows.format, found.rows.itemsize) == ([0, 1, 2], "I", 4)
    assert (found.tables, found.new_tables) == (("a", "b"), ("b",))


def test_nothing_gives_no_statement() -> None:
    """No rows, no statement; an empty wave neither."""
    assert pack([], 100) == ([], [])
    assert pack([[]], 100) == ([], [])


@pytest.mark.parametrize("room", [0, 1])
def test_the_limit_is_inclusive(room: int) -> None:
    """A statement of exactly the limit is one statement, one byte less makes two."""
    (whole,) = pack([[segment(3)]], 10_000)[0]
    statements, _ = pack([[segment(3)]], len(whole.sql) - 1 + room)
    assert [s.rows.tolist() for s in statements] == ([[0, 1, 2]] if room else [[0, 1], [2]])


@pytest.mark.parametrize("room", [0, 1])
def test_the_limit_counts_the_space_before_a_second_table(room: int) -> None:
    """Two tables that fit exactly share a statement, else the second one's row opens the next."""
    waves = [[segment(1, "a"), segment(1, "b", first=1)]]
    (whole,) = pack(waves, 10_000)[0]
    statements, _ = pack(waves, len(whole.sql) - 1 + room)
    assert len(statements) == 2 - room


def test_statements_are_filled_to_the_limit() -> None:
    """A long table is cut where not one row more would fit."""
    limit = 200
    statements, _ = pack([[segment(40)]], limit)
    row_size = len(b"(10,'x')")
    assert all(limit - row_size < len(s.sql) <= limit for s in statements[1:-1])
    assert [i for s in statements for i in s.rows] == list(range(40))


def test_a_table_that_does_not_fit_behind_another_opens_the_next_statement() -> None:
    """Not one row fits behind the first table: the statement is closed and none is empty."""
    statements, too_large = pack([[segment(1, "a", size=40), segment(1, "b", size=40, first=1)]], 90)
    assert [s.tables for s in statements] == [("a",), ("b",)]
    assert not too_large


def test_a_row_too_long_alone_is_named_with_its_size() -> None:
    """One row over the limit is left out; the rows around it are written in order."""
    found = segment(2)
    found.add(2, row([2, "é" * 100]), 2)
    found.add(3, row([3, "x"]), 3)
    statements, too_large = pack([[found]], 100)
    alone = b"INSERT INTO " + HEAD + b"(2,'" + "é".encode() * 100 + b"')"
    assert too_large == [(2, len(alone))]
    assert [i for s in statements for i in s.rows] == [0, 1, 3]
    assert pack([[found]], len(alone))[1] == []


def test_only_too_long_rows_give_no_statement() -> None:
    """No statement without a row, also where every row was too long."""
    assert pack([[segment(2, size=100)]], 60)[0] == []


def test_a_null_that_repeats_a_timestamp_waits_for_the_next_wave() -> None:
    """Only the repeat with a NULL moves, and what follows it of its table; other tables stay."""
    grouping = Grouping()
    rows: list[tuple[str, list[int | None]]] = [
        ("a", [5, 1]),
        ("b", [5, None]),
        ("a", [3, None]),
        ("a", [5, 2]),
        ("a", [3, None]),
        ("a", [9, 1]),
    ]
    for index, (table, cells) in enumerate(rows):
        put(grouping, table, cells, index)
    assert [[(s.table, s.rows) for s in wave] for wave in grouping.waves] == [
        [("a", [0, 2, 3]), ("b", [1])],
        [("a", [4, 5])],
    ]


def test_a_null_at_an_earlier_but_unseen_timestamp_stays() -> None:
    """Out of order alone moves nothing, however often it is asked."""
    grouping = Grouping()
    for index, at in enumerate([9, 7, 8, 6, 5]):
        put(grouping, "a", [at, None], index)
    assert len(grouping.waves) == 1
    put(grouping, "a", [6, None], 5)
    assert [s.rows for wave in grouping.waves for s in wave] == [[0, 1, 2, 3, 4], [5]]


def test_a_switch_of_columns_waits_for_the_next_wave() -> None:
    """Each switch opens a wave, so that equal timestamps keep their order."""
    grouping = Grouping()
    for index, cells in enumerate([[1, 1], [1, 1, 1], [1, 1, 1], [1, 1]]):
        put(grouping, "a", cells, index)
    assert [[s.rows for s in wave] for wave in grouping.waves] == [[[0]], [[1, 2]], [[3]]]


def test_waves_never_share_a_statement() -> None:
    """A wave's rows begin a statement of their own."""
    statements, _ = pack([[segment(1)], [segment(1, first=1)]], 10_000)
    assert [s.rows.tolist() for s in statements] == [[0], [1]]


def test_state_is_readable() -> None:
    """The reprs say how much is held."""
    grouping = Grouping()
    assert repr(put(grouping, "a", [1, 2], 0)) == "<Segment 'a' shape=2 wave=0 rows=1>"
    assert repr(grouping) == "<Grouping tables=1 waves=1>"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=8), max_size=6), st.integers(40, 400))
def test_packing_keeps_every_row_once_and_in_order(sizes: list[list[int]], limit: int) -> None:
    """Any sizes and any limit: each row stands in one statement or is too large, tables in order."""
    segments, index = [], 0
    for number, lengths in enumerate(sizes):
        found = Segment(f"t{number}", 1, f"`t{number}` (`ts`,`c`) VALUES ".encode(), new=number % 2 == 0)
        for length in lengths:
            found.add(index, row([index, "é" * length]), index)
            index += 1
        segments.append(found)
    statements, too_large = pack([segments], limit)
    assert all(len(s.sql) <= limit for s in statements)
    assert all(size > limit for _, size in too_large)
    assert sorted([i for s in statements for i in s.rows] + [i for i, _ in too_large]) == list(range(index))
    for s in statements:
        clauses = parse_insert(s.sql)
        assert tuple(c.table for c in clauses) == s.tables
        assert [r[0] for c in clauses for r in c.rows] == s.rows.tolist()
    assert [i for s in statements for i in s.rows] == sorted(i for s in statements for i in s.rows)
