"""Rows of any shape: names, tags and values of a user's own mapping."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.record_values import NASTY, cells
from support.sql_parser import parse_insert

from taosbatch.encoding import Layout, Reason
from taosbatch.rows import Row, RowError, RowStatements, stored_time

LAYOUT = Layout("db", "stb")
ROW = Row(
    table="t1",
    timestamp_ns=1_700_000_000_123_456_789,
    columns=["v", "Level"],
    values=[1.5, "x"],
    tags=[("Site", "a'b"), ("No", 7)],
)
names = st.text(st.one_of(st.sampled_from(NASTY), st.characters(exclude_categories=["Cs"])), max_size=70)


def sql_of(row: Row, layout: Layout = LAYOUT, known: tuple[str, ...] = ()) -> bytes:
    statements = RowStatements(layout, known)
    statements.add(0, row)
    ((found,), _) = statements.finish()
    return found.sql


def test_a_row_with_everything() -> None:
    """Database, supertable, tags, time column and columns are the row's own where it names them."""
    row = replace(ROW, database="Other", supertable="Meters", time_column="at")
    assert sql_of(row) == (
        b"INSERT INTO `Other`.`t1` USING `Other`.`Meters` (`Site`,`No`) TAGS ('a\\'b',7) "
        b"(`at`,`v`,`Level`) VALUES (1700000000123,1.5,'x')"
    )


def test_defaults_come_from_the_layout() -> None:
    """What a row leaves open, the layout says; lower case folds all names but the database's."""
    layout = Layout("Db", "Stb", precision="us", names_case="lower")
    assert sql_of(replace(ROW, table="T1"), layout) == (
        b"INSERT INTO `Db`.`t1` USING `Db`.`stb` (`site`,`no`) TAGS ('a\\'b',7) "
        b"(`ts`,`v`,`level`) VALUES (1700000000123456,1.5,'x')"
    )


def test_known_tables_carry_no_using() -> None:
    """A table is known by its name, in another database by both names."""
    assert b"USING" not in sql_of(ROW, known=("t1",))
    other = replace(ROW, database="other")
    assert b"USING" in sql_of(other, known=("t1",))
    assert b"USING" not in sql_of(other, known=("other.t1",))


def test_known_tables_need_no_tags() -> None:
    """Tags count only where the table is made."""
    assert b"TAGS" not in sql_of(replace(ROW, tags=()), known=("t1",))


def test_equal_names_in_two_databases_are_two_tables() -> None:
    """Both stand in one statement, under the names by which they are known."""
    statements = RowStatements(LAYOUT, ())
    statements.add(0, ROW)
    statements.add(1, replace(ROW, database="other"))
    ((found,), _) = statements.finish()
    assert found.tables == ("t1", "other.t1")


def test_other_columns_of_the_same_table_move_to_the_next_statement() -> None:
    """One column list stands for all rows of a table in a statement."""
    statements = RowStatements(LAYOUT, ())
    for index, columns in enumerate((["a"], ["a"], ["b"], ["a"])):
        statements.add(index, replace(ROW, columns=columns, values=[index]))
    found, _ = statements.finish()
    assert [s.rows.tolist() for s in found] == [[0, 1], [2], [3]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"table": "a.b"}, Reason.DEVICE),
        ({"table": ""}, Reason.DEVICE),
        ({"supertable": "a`b"}, Reason.SHAPE),
        ({"database": "x" * 65}, Reason.SHAPE),
        ({"time_column": ""}, Reason.SHAPE),
        ({"columns": ["v", "`"]}, Reason.SHAPE),
        ({"columns": ["v", "v"]}, Reason.SHAPE),
        ({"columns": ["v", "ts"]}, Reason.SHAPE),
        ({"columns": ["v"]}, Reason.SHAPE),
        ({"columns": [], "values": []}, Reason.SHAPE),
        ({"tags": []}, Reason.SHAPE),
        ({"tags": [("", 1)]}, Reason.SHAPE),
        ({"tags": [("a", float("nan"))]}, Reason.VALUE),
        ({"values": [2**63, 1]}, Reason.VALUE),
        ({"timestamp_ns": 2**90}, Reason.TIMESTAMP),
        ({"timestamp_ns": 1.5}, Reason.TIMESTAMP),
    ],
)
def test_impossible_rows_are_refused_whole(change: dict[str, object], reason: Reason) -> None:
    """The refusal has a reason and leaves nothing behind."""
    statements = RowStatements(LAYOUT, ())
    with pytest.raises(RowError) as caught:
        statements.add(0, replace(ROW, **change))  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.reason == reason
    assert statements.finish() == ([], [])


def test_a_refusal_can_travel_in_a_header() -> None:
    """However long or odd the record, detail and device are short and valid Unicode."""
    error = RowError(Reason.DEVICE, "\udc80" + "x" * 2_000, "\ud800" + "y" * 2_000_000)
    assert (len(error.detail), len(error.device)) == (500, 256)
    assert (error.detail[:2], error.device[:2]) == ("?x", "?y")


def test_columns_that_fold_to_one_name_are_refused() -> None:
    """Two columns that differ in case alone are one column to the server."""
    with pytest.raises(RowError, match="twice"):
        sql_of(replace(ROW, columns=["V", "v"]), replace(LAYOUT, names_case="lower"))


def test_time_is_floored_below_1970_too() -> None:
    """A nanosecond before 1970 is the last millisecond before it."""
    assert stored_time(-1, "ms") == -1
    assert stored_time(1_999_999, "ms") == 1
    assert stored_time(-(2**63), "ns") == -(2**63)
    with pytest.raises(RowError, match="64 bits"):
        stored_time(2**63, "ns")


@settings(max_examples=150, deadline=None)
@given(
    st.builds(
        Row,
        table=names,
        timestamp_ns=st.integers(-(2**60), 2**60),
        columns=st.lists(names, min_size=1, max_size=3),
        values=st.lists(cells, min_size=1, max_size=3),
        tags=st.lists(st.tuples(names, cells), min_size=1, max_size=2),
        supertable=names,
    )
)
def test_hostile_names_come_out_as_they_went_in(row: Row) -> None:
    """Whatever the names and values, the statement reads back as the row, or the row is refused."""
    try:
        sql = sql_of(row)
    except RowError:
        return
    (found,) = parse_insert(sql)
    assert (found.database, found.table) == ("db", row.table)
    assert found.using == ("db", row.supertable or "stb")
    assert list(zip(found.tag_names, found.tags, strict=True)) == row.tags
    assert found.columns == ("ts", *row.columns)
    assert found.rows == ((row.timestamp_ns // 1_000_000, *row.values),)
