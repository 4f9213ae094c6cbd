"""Guards inside the encoders: what they refuse, and that the quick reader changes nothing about it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.record_values import any_values, packed, stamp64, stamp96, written

from taosbatch.encoding import Encoded, Layout, Reason, Reject
from taosbatch.guards import Guard, RowGuard, TableGuard, Window
from taosbatch.rows import Row
from taosink.records.encoder import RecordEncoder
from taosink.records.fast import reader, reader_for
from taosink.records.routes import RecordRoute, RouteEncoder
from taosink.records.typed import Typed, typed

START = 1_700_000_000
TIME = "2023-11-14T22:13:20Z"
TYPES = [
    *("TINYINT", "SMALLINT", "INT", "BIGINT", "TINYINT UNSIGNED", "SMALLINT UNSIGNED", "INT UNSIGNED"),
    *("BIGINT UNSIGNED", "FLOAT", "DOUBLE", "BOOL", "TIMESTAMP", "VARCHAR(4)", "VARCHAR(40)", "NCHAR(4)"),
    *("VARBINARY(4)", "GEOMETRY(64)", "JSON"),
]
columns = st.lists(st.sampled_from(TYPES), min_size=1, max_size=4).map(
    lambda kinds: (("ts", "TIMESTAMP"), *((f"col{i}", kind) for i, kind in enumerate(kinds)))
)
tables = st.builds(
    TableGuard,
    columns,
    st.sampled_from([(("device", "VARCHAR(64)"),), (("device", "VARCHAR(3)"),), (("device", "INT"),)]),
    st.sampled_from([frozenset[str](), frozenset({"col0"})]),
    st.sampled_from(["allow", "reject"]),
    st.booleans(),
)
windows = st.builds(
    Window,
    st.just("ms"),
    st.sampled_from([0, 14_400]),
    st.sampled_from([None, 0.5]),
    st.sampled_from([None, START * 10**9]),
)
guards = st.builds(Guard, windows, st.one_of(st.none(), tables, tables, tables))
layouts = st.builds(
    lambda guard, database, size: Layout(database, "stb", guard=guard, max_statement_bytes=size),
    guards,
    st.sampled_from(["", "db"]),
    st.sampled_from([300, 1_048_576]),
)
knowns = st.sets(st.sampled_from(["tb0", "tb1"]))


def plain(encoded: Encoded) -> tuple[object, ...]:
    statements = [(s.sql, s.rows.tolist(), s.tables, s.new_tables) for s in encoded.statements]
    return statements, list(encoded.rejects)


def layout_of(*types: str, tag: str = "VARCHAR(64)", **more: object) -> Layout:
    fields = (("ts", "TIMESTAMP"), *((f"col{i}", kind) for i, kind in enumerate(types)))
    table = TableGuard(fields, (("device", tag),), **more)  # type: ignore[arg-type]  # the test's own words
    return Layout("db", "stb", guard=Guard(Window("ms"), table))


def rejects(layout: Layout, *values: bytes, known: tuple[str, ...] = ()) -> list[Reject]:
    """By the quick and by the careful reader, and by the generic rows."""
    quick = RecordEncoder().encode(values, layout, known)
    assert plain(quick) == plain(RecordEncoder(careful=True).encode(values, layout, known))
    routed = RouteEncoder(RecordRoute()).encode(values, layout, known)
    assert plain(routed)[0] == plain(quick)[0]
    assert [(r.index, r.by_guard) for r in routed.rejects] == [(r.index, r.by_guard) for r in quick.rejects]
    return list(quick.rejects)


@settings(max_examples=300, deadline=None)
@given(st.lists(any_values, max_size=12), layouts, knowns)
def test_quick_and_careful_readers_agree_under_guard(
    values: list[bytes], layout: Layout, known: set[str]
) -> None:
    """Same statements, same rejects, same words, whatever the table is."""
    quick = RecordEncoder().encode(values, layout, known)
    assert plain(quick) == plain(RecordEncoder(careful=True).encode(values, layout, known))


@settings(max_examples=100, deadline=None)
@given(st.lists(any_values, max_size=12), layouts, knowns)
def test_generic_rows_agree_under_guard(values: list[bytes], layout: Layout, known: set[str]) -> None:
    """The same statements by way of rows, and the same records refused."""
    direct = RecordEncoder().encode(values, layout, known)
    routed = RouteEncoder(RecordRoute()).encode(values, layout, known)
    assert plain(direct)[0] == plain(routed)[0]
    assert [reject.index for reject in direct.rejects] == [reject.index for reject in routed.rejects]


@settings(max_examples=150, deadline=None)
@given(st.lists(any_values, max_size=12), layouts)
def test_a_guard_only_takes_rows_away(values: list[bytes], layout: Layout) -> None:
    """What is refused without it is refused with it, in the same words; all that it adds is marked as its own."""
    bare = RecordEncoder().encode(values, replace(layout, guard=None), ())
    encoded = RecordEncoder().encode(values, layout, ())
    before = {reject.index: reject for reject in bare.rejects}
    for reject in encoded.rejects:
        assert reject.by_guard or reject == before.get(reject.index) or reject.reason is Reason.TOO_LARGE
    excused = {
        r.index for r in bare.rejects if r.reason is Reason.TOO_LARGE or "64 bits with sign" in r.detail
    }
    assert before.keys() - excused <= {reject.index for reject in encoded.rejects}


@pytest.mark.parametrize("lossy", ["allow", "reject"])
def test_integers_beyond_bigint_go_where_the_column_holds_them(lossy: str) -> None:
    """Into a column that is known to be BIGINT UNSIGNED, by every reader; up to its greatest and no further."""
    layout = layout_of("BIGINT UNSIGNED", "BIGINT", "VARCHAR(40)", "INT UNSIGNED", lossy=lossy)
    cells: list[list[object]] = [
        [2**63, 1, "it's"],
        [2**64 - 1, 2**63 - 1, "x"],
        [1, 2**63],
        [1, 1, 2**63],
        [1, 1, "x", 2**63],
        [-1],
        [2**63, 1],
    ]
    values = [packed("a", stamp64(START + i), row) for i, row in enumerate(cells)]
    values += [written("a", TIME.replace("22:", "23:"), [cell, 1]) for cell in (2**64 - 1, 2**64, 2**70)]
    found = rejects(layout, *values, known=("a",))
    assert [r.index for r in found] == [2, 3, 4, 5, 8, 9]
    assert found[0].detail == "Cols[1]: the integer does not fit into 64 bits with sign"
    assert {r.reason for r in found} == {Reason.VALUE}
    sql = b"".join(statement.sql for statement in RecordEncoder().encode(values, layout, ("a",)).statements)
    assert sql.count(b",9223372036854775808,") == 2
    assert sql.count(b",18446744073709551615,") == 2


def test_integers_beyond_bigint_are_refused_where_no_table_is_known() -> None:
    """The column that will be made is DOUBLE, and would not hold them one by one."""
    layout = Layout("db", "stb", guard=Guard(Window("ms")))
    values = [packed("a", stamp64(START), [2**63]), packed("a", stamp64(START), [2**63 - 1])]
    (found,) = rejects(layout, *values)
    assert (found.index, found.reason) == (0, Reason.VALUE)
    new = layout_of("BIGINT UNSIGNED", widen=True)
    assert [r.index for r in rejects(new, packed("a", stamp64(START), [2**63, 2**63]))] == [0]


def test_each_refusal_has_its_reason_and_its_words() -> None:
    """Column, type, value and limit; the neighbours are written."""
    layout = layout_of("TINYINT", "VARCHAR(4)", lossy="reject")
    found = rejects(
        layout,
        packed("a", stamp64(START), [1, "x"]),
        packed("a", stamp64(START + 1), [300, "x"]),
        packed("a", stamp64(START + 2), [1.5, "x"]),
        packed("a", stamp64(START + 3), [1, "ééé"]),
        packed("a", stamp64(START + 4), [1, "x", 1]),
        packed("a", stamp96(2**40), [1, "x"]),
        written("a", TIME, [5.0, "ééx"[:2]]),
    )
    assert [(r.index, r.reason, r.detail, r.device) for r in found] == [
        (1, Reason.VALUE, "column col0 is TINYINT: the integer 300 is outside -128 to 127", "a"),
        (2, Reason.VALUE, "column col0 is TINYINT: the number 1.5 would be rounded: it holds integers", "a"),
        (3, Reason.VALUE, "column col1 is VARCHAR(4): the text 'ééé' has 6 bytes, over 4", "a"),
        (4, Reason.SHAPE, "column col2 does not exist: the table has 3 with its timestamp", "a"),
        (
            5,
            Reason.TIMESTAMP,
            "the time 1099511627776000 ms is after 2970-01-01, the last that it holds",
            "a",
        ),
    ]
    assert all(reject.by_guard and reject.code == 0 for reject in found)


def test_a_tag_counts_only_where_it_is_written() -> None:
    """A device whose name is too long for the tag: refused while its subtable is new."""
    layout = layout_of("INT", tag="VARCHAR(3)")
    values = [packed(name, stamp64(START), [1]) for name in ("abc", "abcd")]
    (found,) = rejects(layout, *values)
    assert (found.index, found.reason, found.device, found.by_guard) == (1, Reason.DEVICE, "abcd", True)
    assert found.detail == "tag device is VARCHAR(3): the text 'abcd' has 4 bytes, over 3"
    assert rejects(layout, *values, known=("abcd",)) == []


def test_short_records_and_nulls_fit() -> None:
    """Fewer values than columns, and null anywhere."""
    layout = layout_of("INT", "BOOL", "VARCHAR(4)")
    assert (
        rejects(layout, packed("a", stamp64(START), [1]), packed("a", stamp64(START + 1), [None, None])) == []
    )


def test_a_key_column_must_be_there() -> None:
    """Of a composite primary key."""
    layout = layout_of("INT", "INT", keys=frozenset({"col1"}))
    found = rejects(
        layout,
        packed("a", stamp64(START), [1]),
        packed("a", stamp64(START), [1, None]),
        packed("a", stamp64(START), [None, 1]),
    )
    assert [(r.index, r.reason) for r in found] == [(0, Reason.SHAPE), (1, Reason.VALUE)]


def test_a_key_of_which_nothing_is_plain() -> None:
    """No value of such a column is told at a glance, null least of all."""
    layout = layout_of("GEOMETRY(64)", keys=frozenset({"col0"}))
    values = [packed("a", stamp64(START), [cell]) for cell in (None, "POINT(1 2)", "no")]
    assert [reject.index for reject in rejects(layout, *values)] == [0, 2]


@pytest.mark.parametrize("kind", ["VARCHAR(4)", "NCHAR(4)", "VARBINARY(4)"])
def test_the_decoder_counts_to_the_last_character(kind: str) -> None:
    """A text as long as its column, and one character more."""
    values = [packed("a", stamp64(START + size), ["x" * size]) for size in (1, 4, 5, 4)]
    assert [reject.index for reject in rejects(layout_of(kind), *values)] == [2]


@pytest.mark.parametrize(("kind", "low", "high"), [("TINYINT", -128, 127), ("INT UNSIGNED", 0, 2**32 - 1)])
def test_the_decoder_counts_to_the_last_integer(kind: str, low: int, high: int) -> None:
    """Both edges, and one more."""
    cells = (0, low, low - 1, high, high + 1, 0)
    values = [packed("a", stamp64(START + i), [cell]) for i, cell in enumerate(cells)]
    assert [reject.index for reject in rejects(layout_of(kind), *values)] == [2, 4]


def test_another_tables_rows_are_judged_by_time_alone() -> None:
    """Rows that a route sends elsewhere: their columns are not known, nor the other database's KEEP."""
    old = START * 10**9

    def route(value: bytes) -> Row:
        database, _, table = value.decode().partition("/")
        return Row(
            table="t",
            timestamp_ns=old,
            columns=["col0"],
            values=[300],
            tags=[("zone", 1)],
            database=database,
            supertable=table,
        )

    table = TableGuard((("ts", "TIMESTAMP"), ("col0", "TINYINT")), (("device", "INT"),))
    layout = Layout("db", "stb", guard=Guard(Window("ms"), table))
    found = RouteEncoder(route).encode([b"db/stb", b"db/other", b"else/stb", b"/"], layout, ()).rejects
    assert [reject.index for reject in found] == [0, 3]
    kept = replace(layout, guard=Guard(Window("ms", keep_minutes=1, now_ns=old + 10 * 86_400 * 10**9)))
    found = RouteEncoder(route).encode([b"db/stb", b"db/other", b"else/stb"], kept, ()).rejects
    assert [(reject.index, reject.reason) for reject in found] == [
        (0, Reason.TIMESTAMP),
        (1, Reason.TIMESTAMP),
    ]
    tagged = replace(layout, guard=Guard(Window("ms"), TableGuard((("ts", "TIMESTAMP"), ("col0", "INT")))))
    (reject,) = RouteEncoder(route).encode([b"db/stb"], tagged, ()).rejects
    assert (reject.reason, reject.detail) == (Reason.VALUE, "tag zone does not exist in the supertable")


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_the_quick_reader_stays_quick_under_guard(codec: str) -> None:
    """Ordinary values of each type do not fall to the careful reader, nor do rows of two widths in turn."""
    layout = layout_of("DOUBLE", "BIGINT", "BOOL", "VARCHAR(8)", "NCHAR(4)", "TIMESTAMP", lossy="reject")
    read = reader_for(layout)
    fitting: list[list[object]] = [
        [1.5, 7, True, "x" * 8, "xxxx", START],
        [7, None],
        [None, -7],
        [1.5, 7, False, "x", None, None],
    ]
    for cells in fitting:
        value = packed("a", stamp64(START), cells) if codec == "msgpack" else written("a", TIME, cells)
        found = read(value)
        assert found is not None
        assert list(found[2]) == cells
        assert [type(cell) for cell in found[2]] == [type(cell) for cell in cells]
    others: list[list[object]] = [[1.5, 2**63], ["x"], [1.5, 1.5], [2**53 + 1], [1, 1, True, "x" * 9]]
    for cells in others:
        assert read(packed("a", stamp64(START), cells)) is None


def test_integral_floats_in_an_integer_column_keep_their_text() -> None:
    """A decoder that knows the column does not turn 5.0 into 5, nor 5 into 5.0."""
    for kind, lossy in (("INT", "reject"), ("INT", "allow"), ("DOUBLE", "reject"), ("BOOL", "allow")):
        layout = layout_of(kind, lossy=lossy)
        values = [packed("a", stamp64(START), [5.0]), packed("a", stamp64(START + 1), [1])]
        values += [written("a", "2023-11-14T23:13:20Z", [5.0]), written("a", "2023-11-14T23:13:21Z", [1])]
        if kind == "BOOL":
            assert rejects(layout, *values) == []
        sql = RecordEncoder().encode(values, layout, ("a",)).statements[0].sql
        assert [part.split(b",")[1] for part in sql.split(b"VALUES (")[1].rstrip(b")").split(b")(")] == [
            b"5.0",
            b"1",
            b"5.0",
            b"1",
        ]


def test_a_hostile_producer_cannot_fill_memory_with_decoders() -> None:
    """Each width would get its own; the number is bounded, and the others are read all the same."""
    table = TableGuard((("ts", "TIMESTAMP"), *((f"col{i}", "INT") for i in range(200))))
    known = Typed(table)
    read = reader("auto", "ms", known)
    for width in range(1, 200):
        found = (
            read(packed("a", stamp64(START), [None] * 15))
            if width == 1
            else read(written("a", TIME, [None] * width))
        )
        assert found is not None
    assert len(known._decoders) <= 32
    assert len(known._rows) <= 32
    assert "widths=" in repr(known)
    assert known.decoder(201, "json") is None


def test_equal_tables_share_their_decoders() -> None:
    """They are made once for a schema, not once for a batch."""
    first, second = (TableGuard((("ts", "TIMESTAMP"), ("col0", "INT"))) for _ in range(2))
    assert typed(first) is typed(second)


def test_ordinary_rows_are_not_walked_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder alone says that they fit; beyond ASCII, only where the row is longer than a column."""

    def never(guard: RowGuard, values: Sequence[object]) -> str | None:
        raise AssertionError(f"{guard} was asked for {values}")

    monkeypatch.setattr(RowGuard, "check", never)
    layout = layout_of("DOUBLE", "DOUBLE", "BOOL", "VARCHAR(64)", lossy="reject")
    values = [packed(f"tb{i % 3}", stamp64(START + i), [i / 3, i, i % 2 == 0, "é" * 8]) for i in range(50)]
    values += [packed("tb0", stamp64(START + i), [0.5, i, None, "x" * 64]) for i in range(100, 120)]
    encoded = RecordEncoder().encode(values, layout, ("tb0",))
    assert not encoded.rejects
    assert sum(len(statement.rows) for statement in encoded.statements) == 70
    with pytest.raises(AssertionError, match="was asked for"):
        RecordEncoder().encode([packed("a", stamp64(START), [0.5, 1, None, "é" * 32])], layout, ())
