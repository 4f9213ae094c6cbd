"""What the embedded database does with INSERT beyond the recorded transcripts."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.embedded_engine import Asker

from taosink.embedded.database import insert

T = 1_700_000_000_000
STABLE = "create stable s (ts timestamp, a double, b bigint, c bool, e varchar(8)) tags (device varchar(16))"


@pytest.fixture
def db() -> Iterator[Asker]:
    asker = Asker()
    asker.ask(STABLE)
    yield asker
    asker.close()


def test_written_again_is_counted_across_statements_only(db: Asker) -> None:
    """Rows that merge inside one statement are one row written; the same row in a later one is written again."""
    db.ask(f"insert into t using s tags ('t') (ts,a) values ({T},1)({T},2)({T + 1},3)")
    assert db.written() == (2, 0)
    db.ask(f"insert into t (ts,a) values ({T},1)({T + 2},3)")
    assert db.written() == (4, 1)
    assert db.engine.stats()["databases"] == {"d": {"rows_written": 4, "rows_overwritten": 1}}


def test_a_refused_statement_leaves_nothing(db: Asker) -> None:
    """An error in the last row of the last table undoes new subtables and rows alike."""
    bad = f"insert into x using s tags ('x') (ts,a) values ({T},1) y using s tags ('y') (ts,a) values (1,'z')"
    assert db.code(bad) == 0x0216
    db.ask("create table n (ts timestamp, v int)")
    clash = (
        f"insert into x using s tags ('x') (ts,a) values ({T},1) n using s tags ('n') (ts,a) values ({T},1)"
    )
    assert db.code(clash) == 0x061D
    assert db.ask("show tables") == [["n"]]
    assert db.ask("select tbname, count(*) from s group by tbname") == []
    assert db.written() == (0, 0)


def test_null_overwrites_and_an_omitted_column_is_kept(db: Asker) -> None:
    """Across statements; inside one the last value that is not NULL stands."""
    db.ask(f"insert into t using s tags ('t') (ts,a,b) values ({T},1,2)")
    db.ask(f"insert into t (ts,a) values ({T},null)")
    assert db.ask("select a,b from t") == [[None, 2]]
    db.ask(f"insert into t (ts,b) values ({T},3)({T},null)")
    assert db.ask("select a,b from t") == [[None, 3]]


@pytest.mark.parametrize(
    ("precision", "code", "stamp"),
    [
        ("ms", 0x060B, "31556995200001"),
        ("ms", 0, "31556995200000"),
        ("us", 0x060B, "31556995200000001"),
        ("ns", 0x060B, "9214646400000000001"),
        ("ns", 0, "9214646400000000000"),
        ("ms", 0x060B, "now - 11d"),
        ("ms", 0, "now - 9d"),
    ],
)
def test_the_window_of_time(precision: str, code: int, stamp: str) -> None:
    """KEEP bounds timestamps from below, the precision's last year from above."""
    db = Asker(options=f"precision '{precision}' keep 10")
    try:
        db.ask("create table t (ts timestamp, v int)")
        assert db.code(f"insert into t values ({stamp},1)") == code
    finally:
        db.close()


def test_name_lengths(db: Asker) -> None:
    """The quotes of an unqualified name count; a qualified one may have 192 bytes."""
    values = f"using s tags ('x') (ts,a) values ({T},1)"
    assert db.code(f"insert into `{'n' * 190}` {values}") == 0
    assert db.code(f"insert into `{'n' * 191}` {values}") == 0x0200
    assert db.code(f"insert into d.`{'m' * 192}` {values}") == 0
    assert db.code(f"insert into d.`{'m' * 193}` {values}") == 0x0200


def test_the_supertable_form(db: Asker) -> None:
    """Rows name their subtables; the first row of a new subtable gives its tags."""
    assert db.ask(f"insert into s (tbname,ts,a,device) values ('p',{T},1,'one')('q',{T},2,'two')") == 2
    assert db.ask(f"insert into s (tbname,ts,a,device) values ('p',{T + 1},3,'other')") == 1
    assert db.ask("select tbname,device,a from s order by a") == [
        ["p", "one", 1],
        ["q", "two", 2],
        ["p", "one", 3],
    ]
    assert db.code(f"insert into s values ({T},1)") == 0x0216
    assert db.code(f"insert into s (ts,a) values ({T},1)") == 0x0200
    assert db.code(f"insert into s (tbname,ts,a) values ('a.b',{T},1)") == 0x0200


def test_files_are_not_read(db: Asker) -> None:
    """FILE gets the parser's own error: a statement must not open files of this machine."""
    db.ask("create table n (ts timestamp, v int)")
    assert db.code("insert into n file '/etc/hostname'") == 0x0216


def test_a_data_file_keeps_everything(tmp_path: Path) -> None:
    """What was acknowledged is there after a restart: databases, schema, tags, rows; slots are not mixed up."""
    path = tmp_path / "data.db"
    first = Asker(path)
    first.ask(STABLE)
    first.ask(f"insert into t using s tags ('tag') (ts,a,b,e) values ({T},1,2,'x')")
    first.ask("alter stable s drop column a")
    first.ask("alter stable s add column a int")
    first.ask("create table n (ts timestamp, v bigint unsigned)")
    first.ask(f"insert into n values ({T},18446744073709551615)")
    first.close()
    second = Asker(path)
    try:
        assert second.ask("select tbname,device,a,b,e from s") == [["t", "tag", None, 2, "x"]]
        assert second.ask("select v from n") == [[18446744073709551615]]
        second.ask(f"insert into u using s tags ('u') (ts,a) values ({T},5)")
        assert second.ask("select a from s order by tbname") == [[None], [5]]
        assert second.ask("show tables") == [["t"], ["n"], ["u"]]
    finally:
        second.close()


_NUMBERS = [
    "null",
    "NULL",
    "1e-320",
    "1e400",
    "0x1F",
    "0X1f",
    "0B11",
    "5.",
    ".5",
    "+5",
    "-0",
    "'1'",
    "nan",
    "1 1",
    "1e-400",
]
_NUMBERS += [
    "0e-400",
    "9223372036854775808",
    "127",
    "128",
    "-129",
    "0.0",
    "1_0",
    "\u0661",
    "-1.5E3",
    "1e",
    "5-1",
]
_FLAGS = ["true", "FALSE", "null", "1", "'true'", "yes", "1.5", "truex"]
_TEXTS = [
    "null",
    r"'a\'b'",
    "'it''s'",
    '"dq"',
    r"'\n'",
    "12",
    "abc",
    "'unended",
    "''",
    "'a''''b'",
    "'123456789'",
]
_TEXTS += ["'\u6f22\u6f22'", "'\u6f22\u6f22\u6f22'", "'a' 'b'", "'" * 3, r"'a\'"]
_CELLS = [("a", v) for v in _NUMBERS] + [("b", v) for v in _NUMBERS] + [("c", v) for v in _FLAGS]
_CELLS += [("e", v) for v in _TEXTS]
_CELLS += [("ts", v) for v in ("null", "'now'", "now", "1.5", "-1", f"{T}+1s", f"{T} - 1")]


def _outcome(statement: str, *, fast: bool) -> object:
    db = Asker()
    try:
        db.ask(STABLE)
        db.ask("create table t using s tags ('t') u using s tags ('u')")
        with patch.object(insert, "fast_rows", insert.fast_rows if fast else _no_rows):
            code = db.code(statement)
        known = "select ts,a,b,c,e from s where ts < now - 1h order by tbname,ts"
        return code, db.ask(known), db.ask("select count(*) from s"), db.written()
    finally:
        db.close()


@pytest.mark.parametrize(("column", "literal"), _CELLS)
def test_the_fast_way_decides_nothing_about_a_literal(column: str, literal: str) -> None:
    """Between plain rows, each odd literal is taken, rounded or refused as by the parser proper."""
    stamped = column if column == "ts" else f"ts,{column}"
    plain, odd = ("(1)", f"({literal})") if column == "ts" else (f"({T},null)", f"({T + 1},{literal})")
    statement = f"insert into t ({stamped}) values {plain}{odd}{plain}"
    assert _outcome(statement, fast=True) == _outcome(statement, fast=False)


_numbers = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(_NUMBERS),
)
_flags = st.sampled_from(_FLAGS)
_texts = st.one_of(
    st.text(max_size=9).map(
        lambda t: "'" + t.replace("\\", "\\\\").replace("'", "''").replace("\0", "") + "'"
    ),
    st.sampled_from(_TEXTS),
)
_gaps = st.sampled_from(["", " ", ",", " ,\n", "\t", ",,"])
_rows = st.tuples(st.integers(0, 3), _numbers, _numbers, _flags, _texts, _gaps).map(
    lambda r: f"({T + r[0]},{r[1]}, {r[2]},{r[3]} ,{r[4]}){r[5]}"
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_rows, min_size=1, max_size=5))
def test_the_fast_way_decides_nothing(rows: list[str]) -> None:
    """Whatever stands in VALUES, the answer and the stored rows are those of the parser proper."""
    statement = f"insert into `t` (`ts`,`a`,`b`,`c`,`e`) values {''.join(rows)} `u` (`ts`,`a`) values ({T},1)"
    assert _outcome(statement, fast=True) == _outcome(statement, fast=False)


def _no_rows(_text: str, pos: int, _bound: object) -> tuple[list[tuple[object, ...]], int]:
    return [], pos
