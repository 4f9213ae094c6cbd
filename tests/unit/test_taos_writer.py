"""The writer against a database in memory: what each class of refusal leads to."""

import math
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.taos_server_scripted import LAYOUT, LineEncoder, ScriptedDatabase, live_schema, script, value

from taosbatch.encoding import Layout, Reason
from taosink.taos.errors import CLASS_OF, ErrorClass, TaosError
from taosink.taos.known_tables import KnownTables
from taosink.taos.schema import LiveSchema
from taosink.taos.unknown_numbers import UnknownNumbers
from taosink.taos.writer import SqlBatchWriter

ROWS = [value("d1", 1, "a"), value("d2", 1, "b"), value("d1", 2, "c")]
WAITED_ON = {ErrorClass.UNAVAILABLE, ErrorClass.FULL, ErrorClass.FATAL, ErrorClass.DDL_RACE}


def owned() -> bool:
    return True


def writer_of(database: ScriptedDatabase, schema: LiveSchema | None = None, **more: Any) -> SqlBatchWriter:
    return SqlBatchWriter(database, LineEncoder(), schema or live_schema(), **more)


def test_everything_stored_leaves_nothing_waiting() -> None:
    """A clean batch is one statement, no rejects, nothing waiting."""
    database = ScriptedDatabase()
    written = writer_of(database).write(ROWS, owned)
    assert (list(written.rejects), list(written.waiting), written.cause) == ([], [], None)
    assert database.rows == {("d1", 1): "a", ("d2", 1): "b", ("d1", 2): "c"}
    assert len(database.inserts) == 1


def test_subtables_are_written_without_using_once_they_were_stored() -> None:
    """USING stands in a subtable's first acknowledged statement only."""
    database = ScriptedDatabase()
    writer = writer_of(database)
    writer.write(ROWS, owned)
    writer.write(ROWS, owned)
    assert b"+" in database.inserts[0]
    assert b"+" not in database.inserts[1]


def test_tables_of_a_refused_statement_are_not_learned() -> None:
    """What was not acknowledged may not exist."""
    database = ScriptedDatabase(faults=script([0x0020]))
    known = KnownTables()
    writer_of(database, known=known).write(ROWS, owned)
    assert len(known) == 0


@pytest.mark.parametrize("code", sorted(c for c, kind in CLASS_OF.items() if kind in WAITED_ON))
def test_states_of_the_server_hand_back_the_rows(code: int) -> None:
    """Every number of these classes ends with all rows waiting, unjudged, and the number as the cause."""
    database = ScriptedDatabase(faults=script([code]))
    written = writer_of(database).write(ROWS, owned)
    assert list(written.waiting) == [0, 1, 2]
    assert not written.rejects
    assert isinstance(written.cause, TaosError)
    assert written.cause.code == code
    assert len(database.inserts) == 1


def test_a_refusal_in_the_middle_keeps_what_came_before_and_sends_nothing_after() -> None:
    """Statements go out in order; the first that must wait stops the rest."""
    small = Layout("db", "stb", max_statement_bytes=14)
    database = ScriptedDatabase(faults=script([None, 0x0020]))
    written = writer_of(database, live_schema(layout=small)).write(ROWS, owned)
    assert list(written.waiting) == [1, 2]
    assert database.rows == {("d1", 1): "a"}
    assert len(database.inserts) == 2


def test_an_unknown_number_waits_and_asks_for_a_report() -> None:
    """A number nobody has judged is never poison; one WARN names it."""
    database = ScriptedDatabase(faults=script([0x7ABC, 0x7ABC]))
    writer = writer_of(database)
    with capture_logs() as logs:
        first = writer.write(ROWS, owned)
        writer.write(ROWS, owned)
    assert list(first.waiting) == [0, 1, 2]
    assert not first.rejects
    warned = [entry for entry in logs if entry["event"] == "taos.unknown_error"]
    assert [(w["code"], w["log_level"]) for w in warned] == [("0x7ABC", "warning")]


def test_after_long_success_elsewhere_an_unknown_number_keeps_only_its_rows() -> None:
    """Once others have succeeded for five minutes the neighbours are stored, and the row waits on."""
    now = [0.0]
    unknown = UnknownNumbers(clock=lambda: now[0])
    database = ScriptedDatabase()
    odd = ["c"]

    def faults() -> int | None:
        return 0x7ABD if any(f"={text}".encode() in database.inserts[-1] for text in odd) else None

    database.faults = faults
    writer = writer_of(database, unknown=unknown)
    assert list(writer.write(ROWS, owned).waiting) == [0, 1, 2]
    for second in range(1, 302, 50):
        now[0] = float(second)
        writer_of(database, unknown=unknown).write([value("d9", second, "x")], owned)
        if second < 300:
            assert list(writer.write(ROWS, owned).waiting) == [0, 1, 2]
    written = writer.write(ROWS, owned)
    assert list(written.waiting) == [2]
    assert not written.rejects
    assert {("d1", 1), ("d2", 1)} <= database.rows.keys()


def test_later_rows_of_a_parked_rows_subtable_wait_with_it() -> None:
    """Order is kept where it matters: the same device's later rows wait, other devices' rows go on."""
    now = [0.0]
    unknown = UnknownNumbers(clock=lambda: now[0])
    database = ScriptedDatabase()
    database.faults = lambda: 0x7ABE if b"=odd" in database.inserts[-1] else None
    values = [
        value("d1", 1, "a"),
        value("d1", 2, "odd"),
        value("d2", 1, "b"),
        value("d1", 2, "newer"),
        value("d2", 2, "c"),
    ]
    unknown.seen(TaosError(0x7ABE, "before"))
    now[0] = 300.0
    unknown.succeeded()
    written = writer_of(database, unknown=unknown).write(values, owned)
    assert list(written.waiting) == [1, 3]
    assert database.rows == {("d1", 1): "a", ("d2", 1): "b", ("d2", 2): "c"}


def test_a_forgotten_subtable_is_written_with_using_again() -> None:
    """0x2603 on a statement without USING forgets its names and writes them anew."""
    database = ScriptedDatabase()
    writer = writer_of(database)
    writer.write(ROWS, owned)
    database.subtables.clear()
    database.rows.clear()
    written = writer.write(ROWS, owned)
    assert not written.waiting
    assert len(database.rows) == 3
    assert len(database.inserts) == 3


def test_names_that_another_writer_learns_again_do_not_matter() -> None:
    """Once a statement was refused for a missing subtable its rows carry USING, whatever is known."""

    class Stubborn(KnownTables):
        def forget(self, names: Any) -> None:
            self.learn(names)

    database = ScriptedDatabase()
    known = Stubborn()
    known.learn(["d1", "d2"])
    written = writer_of(database, known=known).write(ROWS, owned)
    assert not written.waiting
    assert len(database.inserts) == 2


def test_table_missing_with_using_everywhere_means_the_supertable() -> None:
    """0x2603 where each table has USING is a gap in the schema: no loop, the rows wait, DDL is named."""
    database = ScriptedDatabase(stable=False)
    written = writer_of(database).write(ROWS, owned)
    assert list(written.waiting) == [0, 1, 2]
    assert isinstance(written.cause, TaosError)
    assert written.cause.kind is ErrorClass.SCHEMA_GAP
    assert "CREATE STABLE IF NOT EXISTS `db`.`stb`" in str(written.cause)
    assert len(database.inserts) == 1
    assert written.delay > 0


@pytest.mark.parametrize("missing", ["stable", "database"])
def test_a_gap_is_filled_where_that_is_allowed(missing: str) -> None:
    """Database and supertable are made from the first rows, and the rows are stored in the same call."""
    database = ScriptedDatabase(database=missing != "database", stable=False)
    written = writer_of(database, live_schema(create=True)).write(ROWS, owned)
    assert not written.waiting
    assert not written.rejects
    assert len(database.rows) == 3


def test_a_database_dropped_under_the_writer_is_made_again() -> None:
    """With schema.create a drop in mid-run costs nothing but the dropped rows."""
    database = ScriptedDatabase()
    writer = writer_of(database, live_schema(create=True))
    writer.write(ROWS, owned)
    database.database = database.stable = False
    database.subtables.clear()
    assert not writer.write(ROWS, owned).waiting
    assert database.ddl[0].startswith("CREATE DATABASE `db` PRECISION 'ms'")


def test_a_refused_create_stays_a_gap() -> None:
    """Wrong options of CREATE DATABASE are the operator's: no row is blamed."""
    database = ScriptedDatabase(database=False, stable=False, ddl_refused=0x2600)
    written = writer_of(database, live_schema(create=True)).write(ROWS, owned)
    assert list(written.waiting) == [0, 1, 2]
    assert isinstance(written.cause, TaosError)
    assert written.cause.kind is ErrorClass.SCHEMA_GAP


def test_a_string_too_long_widens_the_column_where_that_is_allowed() -> None:
    """0x2653 with schema.alter is one ALTER and a second try."""
    database = ScriptedDatabase(width=2)
    written = writer_of(database, live_schema(alter=True)).write([value("d1", 1, "abcdef")], owned)
    assert not written.waiting
    assert not written.rejects
    assert database.ddl == ["ALTER STABLE `db`.`stb` MODIFY COLUMN `col0` VARCHAR(6)"]


def test_without_alter_only_the_row_that_needs_it_is_refused() -> None:
    """0x2653 costs the long row, not its neighbours."""
    database = ScriptedDatabase(width=2)
    written = writer_of(database).write([*ROWS, value("d3", 5, "abcdef")], owned)
    assert [(r.index, r.reason, r.code, r.device) for r in written.rejects] == [
        (3, Reason.DATABASE, 0x2653, "d3")
    ]
    assert not written.waiting
    assert len(database.rows) == 3


def test_a_refused_alter_costs_the_row_and_not_the_partition() -> None:
    """An ALTER that the server will not do ends like one that is not allowed."""
    database = ScriptedDatabase(width=2, ddl_refused=0x264B)
    written = writer_of(database, live_schema(alter=True)).write([*ROWS, value("d3", 5, "abcdef")], owned)
    assert [r.index for r in written.rejects] == [3]
    assert len(database.rows) == 3


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 64, 100, 1000])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_poison_row_is_found_within_the_bound(rows: int, place: str) -> None:
    """n rows and one bad one: at most 2*ceil(log2 n)+1 further statements, and only that row is refused."""
    bad = {"first": 0, "middle": rows // 2, "last": rows - 1}[place]
    values = [value(f"d{i % 7}", i, f"v{i}") for i in range(rows)]
    database = ScriptedDatabase(poison={f"v{bad}"})
    written = writer_of(database).write(values, owned)
    assert [(r.index, r.code) for r in written.rejects] == [(bad, 0x0216)]
    assert f"v{bad}" in written.rejects[0].detail
    assert not written.waiting
    assert len(database.rows) == rows - 1
    assert len(database.inserts) - 1 <= 2 * math.ceil(math.log2(max(rows, 1))) + 1


def test_the_schema_is_read_again_before_a_row_is_suspected() -> None:
    """A poison answer that comes of drift is answered by encoding anew, not by halving."""
    database = ScriptedDatabase(faults=script([0x0216]))
    writer = writer_of(database)
    writer._tools.schema.current(database)
    database.width = 128
    written = writer.write(ROWS, owned)
    assert not written.rejects
    assert len(database.inserts) == 2
    assert database.inserts[0] == database.inserts[1]


def test_poison_after_the_supertable_was_dropped_is_a_gap() -> None:
    """When the reading finds no supertable, the rows wait: none is refused."""
    database = ScriptedDatabase(faults=script([0x0216]))
    writer = writer_of(database)
    writer._tools.schema.current(database)
    database.stable = False
    written = writer.write(ROWS, owned)
    assert list(written.waiting) == [0, 1, 2]
    assert not written.rejects


def test_the_stale_code_does_not_decide_which_row_is_bad() -> None:
    """After an 0x061D the server answers 0x061D to rows out of range: halving finds them all the same."""
    values = [value("d1", i, f"v{i}") for i in range(16)]
    database = ScriptedDatabase()
    stale: list[int] = []

    def faults() -> int | None:
        if b"=v3 " in database.inserts[-1] + b" ":
            stale.append(0x061D)
        bad = stale or (b"=v11 " in database.inserts[-1] + b" ")
        return 0x061D if bad and any(b in database.inserts[-1] + b" " for b in (b"=v3 ", b"=v11 ")) else None

    database.faults = faults
    written = writer_of(database).write(values, owned)
    assert [r.index for r in written.rejects] == [3, 11]
    assert len(database.rows) == 14


def test_the_breaker_is_asked_at_every_step_and_can_stop_the_search() -> None:
    """Where it says no, the rest waits with the database's refusal as its cause."""
    values = [value("d1", i, "bad") for i in range(8)]
    database = ScriptedDatabase(poison={"bad"})
    asked: list[tuple[list[int], int]] = []

    def gate(rows: Any, rejected: Any) -> bool:
        asked.append((list(rows), len(rejected)))
        return len(rejected) < 2

    written = writer_of(database, allow_poison=gate).write(values, owned)
    assert [r.index for r in written.rejects] == [0, 1]
    assert list(written.waiting) == [2, 3, 4, 5, 6, 7]
    assert isinstance(written.cause, TaosError)
    assert written.cause.kind is ErrorClass.POISON
    assert asked[0] == ([0, 1, 2, 3, 4, 5, 6, 7], 0)
    assert asked[-1] == ([2, 3], 2)
    assert len(database.inserts) == 5


def test_a_statement_that_is_too_long_is_split_and_later_ones_are_shorter() -> None:
    """0x0219 splits by rows and lowers the limit for what follows; nothing is refused."""
    values = [value("d1", i, "x" * 50_000) for i in range(10)]
    database = ScriptedDatabase(longest=200_000, width=60_000)
    writer = writer_of(database)
    with capture_logs() as logs:
        written = writer.write(values, owned)
    assert not written.rejects
    assert len(database.rows) == 10
    assert any(entry["event"] == "taos.statement_too_long" for entry in logs)
    database.inserts.clear()
    writer.write(values, owned)
    assert max(map(len, database.inserts)) <= 200_000


def test_a_row_above_a_limit_that_was_only_found_out_is_still_tried() -> None:
    """The lowered limit never makes the encoder refuse a row that the layout allows."""
    database = ScriptedDatabase(longest=100_000, width=200_000)
    writer = writer_of(database)
    writer.write([value("d1", i, "x" * 30_000) for i in range(8)], owned)
    database.longest = 1_048_576
    written = writer.write([value("d1", 50, "y" * 150_000)], owned)
    assert not written.rejects
    assert ("d1", 50) in database.rows


def test_a_single_row_that_is_too_long_is_refused_as_too_large() -> None:
    """There is nothing left to split."""
    database = ScriptedDatabase(longest=100, width=5_000)
    written = writer_of(database).write([value("d1", 1, "a"), value("d1", 2, "z" * 1000)], owned)
    assert [(r.index, r.reason) for r in written.rejects] == [(1, Reason.TOO_LARGE)]


def test_ownership_is_asked_before_every_statement() -> None:
    """When the lane is lost, what is unsent comes back at once, without a cause."""
    small = Layout("db", "stb", max_statement_bytes=14)
    database = ScriptedDatabase()
    answers = iter([True, False])
    written = writer_of(database, live_schema(layout=small)).write(ROWS, lambda: next(answers))
    assert list(written.waiting) == [1, 2]
    assert (written.cause, written.delay) == (None, 0.0)
    assert len(database.inserts) == 1


def test_malformed_values_are_the_encoders_to_refuse() -> None:
    """A reject of the encoder keeps its index through a second encoding of its neighbours."""
    database = ScriptedDatabase(poison={"bad"})
    values = [b"!", value("d1", 1, "ok"), b"!", value("d1", 2, "bad")]
    written = writer_of(database).write(values, owned)
    assert sorted((r.index, r.reason) for r in written.rejects) == [
        (0, Reason.MALFORMED),
        (2, Reason.MALFORMED),
        (3, Reason.DATABASE),
    ]
    assert not written.waiting


@pytest.mark.parametrize("code", [0x061B, 0x0618, 0x2603, 0x2602, 0x263F, 0x0219, 0x0216, 0x264B])
def test_no_answer_given_for_ever_makes_the_writer_send_for_ever(code: int) -> None:
    """Every remedy is tried a bounded number of times, whatever the server keeps saying."""
    database = ScriptedDatabase(faults=lambda: code)
    values = [value("d1", i, "v") for i in range(50)]
    written = writer_of(database, live_schema(create=True, alter=True)).write(values, owned)
    assert len(written.waiting) + len(written.rejects) == 50
    assert not database.rows
    assert len(database.inserts) <= 64 + 4 * 50 + 1


def test_an_outage_while_the_schema_is_read_hands_the_rows_back() -> None:
    """A failed reading blames no row."""

    class Down(ScriptedDatabase):
        def query(self, sql: str) -> Any:
            raise TaosError(0x0020, f"down: {sql}", "memory")

    written = writer_of(Down()).write(ROWS, owned)
    assert list(written.waiting) == [0, 1, 2]
    assert isinstance(written.cause, TaosError)
    assert written.cause.code == 0x0020


def test_rows_without_statement_or_reject_are_never_called_stored() -> None:
    """An encoder that forgets a row makes it wait, and says so."""

    class Forgetful(LineEncoder):
        def encode(self, values: Any, layout: Any, known: Any) -> Any:
            return super().encode(values[:-1], layout, known)

    database = ScriptedDatabase()
    with capture_logs() as logs:
        written = SqlBatchWriter(database, Forgetful(), live_schema()).write(ROWS, owned)
    assert list(written.waiting) == [2]
    assert written.cause is not None
    assert [entry["event"] for entry in logs] == ["taos.rows_unaccounted"]


def test_a_reject_of_a_second_encoding_names_the_right_value() -> None:
    """The schema changed in between, and now the encoder refuses a row of the refused statement."""

    class Picky(LineEncoder):
        def encode(self, values: Any, layout: Layout, known: Any) -> Any:
            if layout.precision == "us":
                values = [b"!" if v.endswith(b"odd") else v for v in values]
            return super().encode(values, layout, known)

    database = ScriptedDatabase(faults=script([0x0216]))
    schema = live_schema()
    schema.current(database)
    database.precision = "us"
    values = [b"!", value("d1", 1, "a"), value("d1", 2, "odd"), value("d1", 3, "b")]
    written = SqlBatchWriter(database, Picky(), schema).write(values, owned)
    assert sorted(r.index for r in written.rejects) == [0, 2]
    assert sorted(database.rows) == [("d1", 1), ("d1", 3)]


def test_layout_follows_the_databases_precision() -> None:
    """The encoder is told the unit that the database has, not the one that was asked for."""
    seen: list[str] = []

    class Watching(LineEncoder):
        def encode(self, values: Any, layout: Layout, known: Any) -> Any:
            seen.append(layout.precision)
            return super().encode(values, layout, known)

    SqlBatchWriter(ScriptedDatabase(precision="us"), Watching(), live_schema(layout=LAYOUT)).write(
        ROWS, owned
    )
    assert seen == ["us"]
