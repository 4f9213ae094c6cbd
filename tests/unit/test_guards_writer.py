"""Guards in the writer: when a refusal counts, and by which schema and clock."""

from dataclasses import dataclass, field

import pytest
from support.record_values import packed, stamp64

from taosbatch.encoding import Layout, Reason, Stable
from taosbatch.guards import GuardRule
from taosink.config import ConsumerSettings
from taosink.ports import Result
from taosink.records.encoder import RecordEncoder
from taosink.taos.catalogue import read_table
from taosink.taos.errors import TaosError
from taosink.taos.schema import LiveSchema, SchemaPolicy
from taosink.taos.writer import SqlBatchWriter
from taosink.wiring import live_schema

START = 1_700_000_000


@dataclass
class Described:
    """A database that says what its table is, and takes every INSERT but those scripted to fail."""

    fields: list[list[object]] = field(
        default_factory=lambda: [
            ["ts", "TIMESTAMP", 8, ""],
            ["col0", "TINYINT", 1, ""],
            ["device", "VARCHAR", 8, "TAG"],
        ]
    )
    keep: str = "14400m"
    down: bool = False
    failures: list[int] = field(default_factory=list)
    inserts: list[bytes] = field(default_factory=list)
    ddl: list[str] = field(default_factory=list)
    reads: int = 0

    def execute(self, sql: bytes | str) -> int:
        if isinstance(sql, str):
            self.ddl.append(sql)
            name, kind = sql.split("`")[-2], sql.split(" ")[-1]
            self.fields = [
                f if f[0] != name else [name, "VARCHAR", int(kind[8:-1]), f[3]] for f in self.fields
            ]
            return 0
        self.inserts.append(sql)
        if self.failures:
            raise TaosError(self.failures.pop(0), "scripted", "memory")
        return 1

    def query(self, sql: str) -> Result:
        if self.down:
            raise TaosError(0x0020, "down", "memory")
        if "ins_databases" in sql:
            self.reads += 1
            return Result(["name", "precision", "keep"], [["db", "ms", self.keep]])
        return Result(["field", "type", "length", "note"], self.fields)

    def close(self) -> None:
        pass


def writer_of(
    database: Described, rule: GuardRule | None, *, alter: bool = False, now_s: float = START
) -> SqlBatchWriter:
    schema = LiveSchema(Layout("db", "stb"), SchemaPolicy(alter=alter, guard=rule))
    return SqlBatchWriter(database, RecordEncoder(), schema, clock=lambda: int(now_s * 1e9))


def owned() -> bool:
    return True


GOOD, BAD = packed("a", stamp64(START), [1]), packed("a", stamp64(START + 1), [300])


def test_a_bad_row_never_reaches_the_database() -> None:
    """One statement with the others; the refusal names column, type and limit."""
    database = Described()
    written = writer_of(database, GuardRule()).write([GOOD, BAD], owned)
    ((reject,), waiting) = written.rejects, written.waiting
    assert (reject.index, reject.reason, reject.by_guard, waiting) == (1, Reason.VALUE, True, [])
    assert len(database.inserts) == 1
    assert b"300" not in database.inserts[0]


def test_a_refusal_counts_only_by_a_schema_read_after_the_rows_came() -> None:
    """A column that was widened by somebody else meanwhile takes the row."""
    database = Described()
    writer = writer_of(database, GuardRule())
    assert not writer.write([GOOD], owned).rejects
    assert database.reads == 1
    database.fields[1] = ["col0", "SMALLINT", 2, ""]
    written = writer.write([BAD], owned)
    assert (list(written.rejects), list(written.waiting)) == ([], [])
    assert database.reads == 2
    assert b"300" in database.inserts[-1]


def test_one_reading_is_enough_for_a_batch() -> None:
    """Also for one with many bad rows; batches without any read nothing."""
    database = Described()
    writer = writer_of(database, GuardRule())
    for reads in (2, 3):
        written = writer.write([BAD, GOOD, BAD], owned)
        assert [reject.index for reject in written.rejects] == [0, 2]
        assert database.reads == reads
        assert not writer.write([GOOD], owned).rejects
        assert database.reads == reads


def test_rows_wait_where_the_schema_cannot_be_read() -> None:
    """An outage refuses nothing."""
    database = Described()
    writer = writer_of(database, GuardRule())
    writer.write([GOOD], owned)
    database.down = True
    written = writer.write([GOOD, BAD], owned)
    assert (list(written.rejects), list(written.waiting)) == ([], [0, 1])
    assert isinstance(written.cause, TaosError)


def test_keep_and_future_are_judged_by_the_writers_clock() -> None:
    """Each batch by the time at which it is written."""
    database = Described(keep="1440m")
    values = [packed("a", stamp64(START + second), [1]) for second in (0, 100, 200_000)]
    for now, refused in (
        (START, [1, 2]),
        (START + 200_000, [0, 1]),
        (START + 100_000, [2]),
        (START + 199_995, [0, 1]),
    ):
        written = writer_of(database, GuardRule(future=10), now_s=now).write(values, owned)
        assert [reject.index for reject in written.rejects] == refused
        assert {reject.reason for reject in written.rejects} == {Reason.TIMESTAMP}


def test_what_alter_can_widen_goes_to_the_database_first() -> None:
    """A text that is too long for its column leads to ALTER, and is stored."""
    text = [["ts", "TIMESTAMP", 8, ""], ["col0", "VARCHAR", 4, ""], ["device", "VARCHAR", 64, "TAG"]]
    long = packed("a", stamp64(START), ["x" * 9])
    database = Described(fields=text, failures=[0x2653])
    written = writer_of(database, GuardRule(), alter=True).write([long], owned)
    assert (list(written.rejects), list(written.waiting)) == ([], [])
    assert len(database.ddl) == 1
    assert "MODIFY COLUMN `col0` VARCHAR" in database.ddl[0]
    bare = Described(fields=text)
    (reject,) = writer_of(bare, GuardRule()).write([long], owned).rejects
    assert (reject.by_guard, bare.inserts) == (True, [])


def test_without_a_rule_the_database_alone_judges() -> None:
    """Tools that write what an operator chose have no guard."""
    database = Described()
    assert not writer_of(database, None).write([BAD], owned).rejects
    assert b"300" in database.inserts[0]


@pytest.mark.parametrize("note", ["PRIMARY KEY", "COMPOSITE KEY"])
def test_the_columns_of_a_composite_key_are_read(note: str) -> None:
    """However the server's release calls them."""
    database = Described(
        fields=[["ts", "TIMESTAMP", 8, ""], ["col0", "INT", 4, note], ["d", "INT", 4, "TAG"]]
    )
    table = read_table(database, "db", "stb")
    assert table is not None
    assert table.keys == {"col0"}
    (reject,) = writer_of(database, GuardRule()).write([packed("a", stamp64(START), [None])], owned).rejects
    assert reject.detail == "column col0 is INT: null cannot stand in the primary key"


def test_a_supertable_that_is_not_there_yet_guards_by_time_alone() -> None:
    """Its columns come from the values."""
    schema = LiveSchema(Layout("db", ""), SchemaPolicy(guard=GuardRule(future=5)))
    guard = schema.current(Described()).layout.guard
    assert guard is not None
    assert guard.table is None
    assert (guard.window.keep_minutes, guard.window.future) == (14_400, 5)
    inferred = RecordEncoder().infer([BAD], Layout("db", "stb", guard=guard))
    assert inferred == [
        Stable("db", "stb", (("ts", "TIMESTAMP"), ("col0", "DOUBLE")), (("device", "VARCHAR(64)"),))
    ]


def test_the_settings_reach_the_guard() -> None:
    """values.lossy and guard.future; lossy values are refused by default, the future is not."""
    settings = ConsumerSettings.model_validate({"tables": {"database": "db"}})
    guard = live_schema(settings).current(Described()).layout.guard
    assert guard is not None
    assert guard.table is not None
    assert (guard.table.lossy, guard.table.widen, guard.window.future) == ("reject", False, None)
    tables = {"database": "db", "lossy": "allow", "future": "90m", "alter": True}
    guard = live_schema(ConsumerSettings.model_validate({"tables": tables})).current(Described()).layout.guard
    assert guard is not None
    assert guard.table is not None
    assert (guard.table.lossy, guard.table.widen, guard.window.future) == ("allow", True, 5400.0)
