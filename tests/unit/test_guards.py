"""Guards of a table and its database: times, columns, tags and keys."""

import pytest

from taosbatch.encoding import Precision
from taosbatch.guards import CLOCK_MARGIN, Guard, RowGuard, TableGuard, Window
from taosbatch.judges import Lossy

NOW_NS = 1_700_000_000_000_000_000
DAY = 86_400
UNIT: dict[Precision, int] = {"ms": 10**3, "us": 10**6, "ns": 10**9}
COLUMNS = (("ts", "TIMESTAMP"), ("a", "INT"), ("b", "VARCHAR(4)"))
TAGS = (("device", "VARCHAR(8)"), ("floor", "INT"))


def table(*, lossy: Lossy = "allow", widen: bool = False, keys: frozenset[str] = frozenset()) -> TableGuard:
    return TableGuard(COLUMNS, TAGS, keys, lossy, widen)


@pytest.mark.parametrize(
    ("precision", "last"), [("ms", 31_556_995_200), ("us", 31_556_995_200), ("ns", 9_214_646_400)]
)
def test_the_last_time_needs_no_clock(precision: Precision, last: int) -> None:
    """2970, or 2262 for nanoseconds, inclusive."""
    window = Window(precision, keep_minutes=1)
    assert window.bounds() == (-(2**63), last * UNIT[precision])
    assert window.problem(last * UNIT[precision]) is None
    assert "the last that it holds" in str(window.problem(last * UNIT[precision] + 1))
    assert window.problem(-(2**63)) is None


@pytest.mark.parametrize("precision", ["ms", "us", "ns"])
def test_keep_has_a_margin_for_the_clocks(precision: Precision) -> None:
    """Inside it the server is asked; behind it the row is older than any clock can excuse."""
    unit = UNIT[precision]
    window = Guard(Window(precision, keep_minutes=10 * 1440)).at(NOW_NS).window
    now = NOW_NS * unit // 10**9
    edge = now - (10 * DAY + CLOCK_MARGIN) * unit
    assert window.problem(edge) is None
    assert window.problem(edge - 1) == "the time is 11 days old, the database keeps 10 days (KEEP)"
    assert window.anywhere().problem(edge - 1) is None
    assert Window(precision, now_ns=NOW_NS).problem(edge - 1) is None


def test_keep_longer_than_time_itself() -> None:
    """KEEP of a thousand years in nanoseconds bounds nothing."""
    assert Window("ns", keep_minutes=365_000 * 1440, now_ns=NOW_NS).problem(-(2**63)) is None


def test_the_future_is_bounded_only_where_that_is_asked_for() -> None:
    """To the unit."""
    now = NOW_NS // 10**6
    window = Window("ms", future=1.5, now_ns=NOW_NS)
    assert window.problem(now + 1500) is None
    assert window.problem(now + 1501) == "the time is 1.501 s ahead of now, guard.future allows 1.5 s"
    assert "3 hours ahead" in str(window.problem(now + 3 * 3_600_000))
    assert Window("ms", now_ns=NOW_NS).problem(now + 10**12) is None
    assert Window("ms", future=1e9, now_ns=NOW_NS).problem(2**63 - 1) is not None


def test_a_row_is_judged_column_by_column() -> None:
    """The first value that does not fit is named with its column and type."""
    row = table().row("ts", ["b", "a"])
    assert row.check(["x", 1]) is None
    assert (
        row.check(["x", 2**31])
        == "column a is INT: the integer 2147483648 is outside -2147483648 to 2147483647"
    )
    assert row.check(["12345", "x"]) == "column b is VARCHAR(4): the text '12345' has 5 bytes, over 4"
    assert row.check([None, None]) is None
    plains = row.plains
    assert plains is not None
    assert [plain.chars for plain in plains] == [4, None]


@pytest.mark.parametrize(
    ("time_column", "columns", "problem"),
    [
        ("time", ["a"], "the table's time column is ts, and not time"),
        ("ts", ["a", "b", "c"], "column c does not exist: the table has 3 with its timestamp"),
    ],
)
def test_columns_that_are_not_there(time_column: str, columns: list[str], problem: str) -> None:
    """Nothing in such a row fits, whatever it holds."""
    row = table().row(time_column, columns)
    assert row == RowGuard(problem)
    assert row.check([None] * len(columns)) == problem
    assert row.plains is None


def test_what_alter_can_mend_is_let_through() -> None:
    """Columns and tags that it adds, texts that it widens; but no more than a table can have."""
    guard = table(widen=True)
    row = guard.row("ts", ["a", "b", "c"])
    assert row.check([1, "x" * 65_517, object]) is None  # type: ignore[list-item]  # a new column judges nothing
    assert "over 65517" in str(row.check([1, "x" * 65_518, None]))
    assert guard.tag_problem([("device", "x" * 16_382), ("new", "x")]) is None
    assert "over 16382" in str(guard.tag_problem([("device", "x" * 16_383)]))
    assert guard.row("ts", [f"c{i}" for i in range(4091)]).problem is None
    assert guard.row("ts", [f"c{i}" for i in range(4092)]).problem == (
        "the table would have 4097 columns and tags, at most 4096 are possible"
    )


def test_tags_are_judged_as_columns_are() -> None:
    """By type and length, and whether they are there."""
    assert table().tag_problem([("device", "12345678"), ("floor", 3)]) is None
    assert table().tag_problem([("device", "123456789")]) == (
        "tag device is VARCHAR(8): the text '123456789' has 9 bytes, over 8"
    )
    assert table().tag_problem([("floor", "ground")]) == "tag floor is INT: the text 'ground' is not a number"
    assert table().tag_problem([("zone", 1)]) == "tag zone does not exist in the supertable"


def test_a_composite_key_is_given_and_not_null() -> None:
    """Beside the timestamp."""
    guard = table(keys=frozenset({"a"}))
    assert guard.row("ts", ["b"]).problem == "column a is part of the primary key, and is not given"
    row = guard.row("ts", ["a", "b"])
    assert row.check([None, "x"]) == "column a is INT: null cannot stand in the primary key"
    assert row.check([1, None]) is None
    assert row.plains is not None
    assert [plain.nulls for plain in row.plains] == [False, True]


def test_guards_of_equal_tables_are_equal() -> None:
    """So that a schema that was read again and has not changed is the same."""
    assert Guard(Window("ms"), table()) == Guard(Window("ms"), table())
    assert hash(table()) == hash(table())
    assert table() != table(widen=True)
    assert table().least_bytes == 4
    assert TableGuard((("ts", "TIMESTAMP"), ("a", "NCHAR(4)"))).least_bytes == 1_048_576
