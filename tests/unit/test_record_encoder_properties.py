"""The record encoder over generated values: hostile and mild, quick and careful."""

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.record_values import any_values, mild_packed, packed, stamp64
from support.sql_parser import parse_insert

from taosbatch.encoding import Encoded, Layout
from taosink.records.encoder import RecordEncoder
from taosink.records.record import Record, RecordError, decode
from taosink.records.routes import RecordRoute, RouteEncoder

layouts = st.builds(
    Layout,
    database=st.sampled_from(["", "Db"]),
    supertable=st.sampled_from(["stb", "Meters"]),
    codec=st.sampled_from(["auto", "auto", "msgpack", "json"]),
    precision=st.sampled_from(["ms", "us", "ns"]),
    names_case=st.sampled_from(["exact", "lower"]),
    max_statement_bytes=st.sampled_from([150, 300, 1_048_576]),
)
knowns = st.sets(st.sampled_from(["tb0", "tb1", "TB1"]))
UNIT = {"ms": 1_000_000, "us": 1_000, "ns": 1}


def plain(encoded: Encoded) -> tuple[object, ...]:
    statements = [(s.sql, s.rows.tolist(), s.tables, s.new_tables) for s in encoded.statements]
    return statements, list(encoded.rejects)


@settings(max_examples=250, deadline=None)
@given(st.lists(any_values, max_size=12), layouts, knowns)
def test_quick_and_careful_readers_agree(values: list[bytes], layout: Layout, known: set[str]) -> None:
    """The quick reader changes nothing: same statements, same rejects, same words."""
    quick = RecordEncoder().encode(values, layout, known)
    assert plain(quick) == plain(RecordEncoder(careful=True).encode(values, layout, known))


@settings(max_examples=100, deadline=None)
@given(st.lists(any_values, max_size=12), layouts, knowns)
def test_record_route_writes_the_same(values: list[bytes], layout: Layout, known: set[str]) -> None:
    """Record by way of the generic rows gives the same statements, and rejects the same records."""
    direct = RecordEncoder().encode(values, layout, known)
    routed = RouteEncoder(RecordRoute(layout.codec)).encode(values, layout, known)
    assert plain(direct)[0] == plain(routed)[0]
    assert [reject.index for reject in direct.rejects] == [reject.index for reject in routed.rejects]


@settings(max_examples=250, deadline=None)
@given(st.lists(any_values, max_size=14), layouts, knowns)
def test_what_goes_in_comes_out(values: list[bytes], layout: Layout, known: set[str]) -> None:
    """Read back, the statements hold each record that was not rejected, once, in its device's order."""
    encoded = RecordEncoder().encode(values, layout, known)
    rejected = [reject.index for reject in encoded.rejects]
    written = [index for statement in encoded.statements for index in statement.rows]
    assert sorted(written + rejected) == list(range(len(values)))
    assert rejected == sorted(rejected)

    got: dict[str, list[tuple[object, ...]]] = {}
    for statement in encoded.statements:
        assert len(statement.sql) <= layout.max_statement_bytes
        clauses = parse_insert(statement.sql)
        assert statement.tables == tuple(clause.table for clause in clauses)
        assert len(set(statement.tables)) == len(clauses)
        assert statement.new_tables == tuple(clause.table for clause in clauses if clause.using)
        assert sum(len(clause.rows) for clause in clauses) == len(statement.rows)
        for clause in clauses:
            assert clause.database == layout.database
            assert (clause.using is None) == (clause.table in known)
            width = len(clause.columns) - 1
            assert clause.columns == ("ts", *(f"col{i}" for i in range(width)))
            assert all(len(row) == width + 1 for row in clause.rows)
            got.setdefault(clause.table, []).extend(clause.rows)
            if clause.using:
                stable = layout.supertable.lower() if layout.names_case == "lower" else layout.supertable
                assert clause.using == (layout.database, stable)
                assert clause.tag_names == ("device",)
                assert folded(str(clause.tags[0]), layout) == clause.table

    expected: dict[str, list[tuple[object, ...]]] = {}
    for index in sorted(written):
        record = decode(values[index], layout.codec)
        row = (record.timestamp_ns // UNIT[layout.precision], *record.cols)
        expected.setdefault(folded(record.device, layout), []).append(row)
    assert {table: list(map(typed, rows)) for table, rows in got.items()} == {
        table: list(map(typed, rows)) for table, rows in expected.items()
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(mild_packed, min_size=2, max_size=14), layouts)
def test_no_null_is_merged_away(values: list[bytes], layout: Layout) -> None:
    """Within one statement no row repeats a timestamp of its subtable with a NULL in it."""
    for statement in RecordEncoder().encode(values, layout, ()).statements:
        for clause in parse_insert(statement.sql):
            seen = set()
            for row in clause.rows:
                assert not (row[0] in seen and None in row)
                seen.add(row[0])


@settings(max_examples=100, deadline=None)
@given(st.lists(mild_packed, min_size=2, max_size=14), st.integers(1, 13))
def test_result_does_not_depend_on_where_batches_are_cut(values: list[bytes], cut: int) -> None:
    """One batch or two, by the server's merging rules the tables end alike."""
    layout, encoder = Layout("", "stb"), RecordEncoder()
    whole = encoder.encode(values, layout, ()).statements
    parts = [s for part in (values[:cut], values[cut:]) for s in encoder.encode(part, layout, ()).statements]
    assert stored([s.sql for s in whole]) == stored([s.sql for s in parts])


@settings(max_examples=100, deadline=None)
@given(st.lists(any_values, max_size=10))
def test_infer_never_raises_and_only_believes_good_records(values: list[bytes]) -> None:
    """Inference gives one supertable as wide as the widest record, or none."""
    layout = Layout("db", "stb")
    stables = RecordEncoder().infer(values, layout)
    encoded = RecordEncoder().encode(values, layout, ())
    bad = {reject.index for reject in encoded.rejects}
    good = [decode(value) for index, value in enumerate(values) if index not in bad]
    assert len(stables) == bool(good)
    if good:
        assert len(stables[0].columns) == 1 + max(len(record.cols) for record in good)


@settings(max_examples=150, deadline=None)
@given(any_values)
def test_decode_gives_a_record_or_a_reason(value: bytes) -> None:
    """Whatever the bytes, reading ends in a Record or in a RecordError."""
    with contextlib.suppress(RecordError):
        assert isinstance(decode(value), Record)


def folded(name: str, layout: Layout) -> str:
    if layout.names_case == "exact":
        return name
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in name)


def typed(row: tuple[object, ...]) -> list[tuple[type, object, float]]:
    """Cells such that 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    return [(type(cell), cell, math.copysign(1, cell) if isinstance(cell, float) else 0) for cell in row]


def stored(statements: list[bytes]) -> dict[tuple[str, object], dict[str, object]]:
    """What a server holds after these statements."""
    tables: dict[tuple[str, object], dict[str, object]] = {}
    for sql in statements:
        merged: dict[tuple[str, object], dict[str, object]] = {}
        for clause in parse_insert(sql):
            for row in clause.rows:
                cells = merged.setdefault((clause.table, row[0]), {})
                for name, cell in zip(clause.columns, row, strict=True):
                    if cell is not None or name not in cells:
                        cells[name] = cell
        for key, cells in merged.items():
            tables.setdefault(key, {}).update(cells)
    return tables


@pytest.mark.parametrize("careful", [False, True])
def test_rising_timestamps_stay_in_one_statement(careful: bool) -> None:
    """Devices in step, NULLs or not, need one statement and no wave."""
    values = [packed(f"tb{i % 3}", stamp64(1_700_000_000 + i), [None, i]) for i in range(30)]
    encoded = RecordEncoder(careful=careful).encode(values, Layout("", "stb"), ())
    assert len(encoded.statements) == 1
    rows = parse_insert(encoded.statements[0].sql)[0].rows
    assert [row[0] for row in rows] == [(1_700_000_000 + i) * 1000 for i in range(0, 30, 3)]
