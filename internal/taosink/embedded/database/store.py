"""SQLite underneath: one table of rows per supertable, one table of tags, and the catalogue in JSON."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import errors
from .aggregates import register
from .blocks import Block, Row, Runs
from .catalogue import Catalogue, Database, NewTable, Stable, Table
from .literals import Value
from .persistence import database_body, database_of, stable_body, stable_of
from .timestamps import now_ticks
from .types import PRECISIONS, Column, DataType

_SCHEMA = """
create table if not exists databases(id integer primary key, name text, body text);
create table if not exists stables(id integer primary key, db integer, name text, body text);
"""
# Seconds: the years 2970, and 2262 where nanoseconds end.
_LAST_SECOND = {"ms": 31_556_995_200, "us": 31_556_995_200, "ns": 9_214_646_400}


class Store:
    """Rows and catalogue of one server, in memory or in a file. Used by one thread at a time.

    Every change is one transaction: it raises TaosError and leaves nothing, or is there as a whole.
    """

    def __init__(self, path: Path | None) -> None:
        self._sql = sqlite3.connect(
            str(path or ":memory:"), timeout=1.0, isolation_level=None, check_same_thread=False
        )
        self.catalogue = Catalogue()
        self._ids = 0
        try:
            self._open(path)
        except BaseException:
            self._sql.close()
            raise

    def __repr__(self) -> str:
        return f"Store({len(self.catalogue.databases)} databases)"

    def _open(self, path: Path | None) -> None:
        if path:
            # One server per file: a second one is told at its start, not at its first write.
            self._sql.execute("pragma locking_mode=exclusive")
        self._sql.execute("pragma journal_mode=wal" if path else "pragma journal_mode=memory")
        self._sql.execute("pragma synchronous=normal" if path else "pragma synchronous=off")
        self._sql.executescript(_SCHEMA)
        register(self._sql)
        self._load()

    def close(self) -> None:
        """Idempotent."""
        self._sql.close()

    def query(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Rows of a SELECT in SQLite's own SQL."""
        return self._sql.execute(sql, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._sql.execute("begin")
        try:
            yield
        except BaseException:
            self._sql.execute("rollback")
            raise
        self._sql.execute("commit")

    def _new_id(self) -> int:
        self._ids += 1
        return self._ids

    # -- catalogue

    def create_database(self, database: Database) -> None:
        database.id = self._new_id()
        self._sql.execute(
            "insert into databases values(?,?,?)", (database.id, database.name, database_body(database))
        )
        self.catalogue.databases[database.name] = database

    def save_database(self, database: Database) -> None:
        self._sql.execute("update databases set body=? where id=?", (database_body(database), database.id))

    def drop_database(self, database: Database) -> None:
        with self._transaction():
            self._sql.execute("delete from databases where id=?", (database.id,))
            for shape in self._shapes(database):
                self._drop_shape(shape)
        del self.catalogue.databases[database.name]

    def _shapes(self, database: Database) -> Iterable[Stable]:
        yield from database.stables.values()
        yield from [t.shape for t in database.tables.values() if t.shape.normal]

    def create_stable(
        self,
        database: Database,
        name: str,
        columns: Sequence[tuple[str, DataType]],
        tags: Sequence[tuple[str, DataType]],
        *,
        normal: bool = False,
    ) -> Stable:
        """A supertable, or (`normal`) a normal table."""
        made = [Column(n, t, "ts" if i == 0 else f"c{i}") for i, (n, t) in enumerate(columns)]
        tag_columns = [Column(n, t, f"c{len(made) + i}") for i, (n, t) in enumerate(tags)]
        stable = Stable(
            self._new_id(),
            database,
            name,
            tuple(made),
            tuple(tag_columns),
            len(made) + len(tag_columns),
            normal,
        )
        with self._transaction():
            slots = "".join(f",{c.slot}" for c in made[1:])
            self._sql.execute(
                f"create table r{stable.id}(tid integer, ts integer{slots}, primary key(tid,ts)) without rowid"
            )
            slots = "".join(f",{c.slot}" for c in tag_columns)
            self._sql.execute(f"create table g{stable.id}(tid integer primary key, name text{slots})")
            self._sql.execute(
                "insert into stables values(?,?,?,?)", (stable.id, database.id, name, stable_body(stable))
            )
            if normal:
                tid = self._new_id()
                self._sql.execute(f"insert into g{stable.id}(tid,name) values(?,?)", (tid, name))
        if normal:
            database.tables[name] = Table(tid, name, stable)
        else:
            database.stables[name] = stable
        return stable

    def add_column(self, stable: Stable, name: str, kind: DataType, *, tag: bool) -> None:
        column = Column(name, kind, f"c{stable.next_slot}")
        with self._transaction():
            self._sql.execute(f"alter table {'g' if tag else 'r'}{stable.id} add column {column.slot}")
            stable.next_slot += 1
            if tag:
                stable.tags = (*stable.tags, column)
            else:
                stable.columns = (*stable.columns, column)
            self._save_stable(stable)

    def drop_column(self, stable: Stable, column: Column) -> None:
        """The data stays in the file, unreachable: slots are never used twice."""
        self.replace_column(stable, column, None)

    def replace_column(self, stable: Stable, column: Column, new: Column | None) -> None:
        def swap(columns: tuple[Column, ...]) -> tuple[Column, ...]:
            swapped = (new if c is column else c for c in columns)
            return tuple(c for c in swapped if c is not None)

        stable.columns, stable.tags = swap(stable.columns), swap(stable.tags)
        self._save_stable(stable)

    def _save_stable(self, stable: Stable) -> None:
        self._sql.execute("update stables set body=? where id=?", (stable_body(stable), stable.id))

    def drop_stable(self, stable: Stable) -> None:
        with self._transaction():
            self._drop_shape(stable)
        tables = stable.database.tables
        for name in [t.name for t in tables.values() if t.shape is stable]:
            del tables[name]
        del stable.database.stables[stable.name]

    def _drop_shape(self, shape: Stable) -> None:
        for prefix in "rg":
            self._sql.execute(f"drop table {prefix}{shape.id}")
        self._sql.execute("delete from stables where id=?", (shape.id,))

    def create_tables(self, wanted: Sequence[NewTable]) -> None:
        with self._transaction():
            made = [self._create_subtable(w) for w in wanted]
        for table in made:
            table.shape.database.tables[table.name] = table

    def _create_subtable(self, wanted: NewTable) -> Table:
        table = Table(self._new_id(), wanted.name, wanted.stable)
        names = ",".join(["tid", "name", *wanted.tags])
        marks = ",".join("?" * (2 + len(wanted.tags)))
        self._sql.execute(
            f"insert into g{wanted.stable.id}({names}) values({marks})",
            (table.tid, table.name, *wanted.tags.values()),
        )
        return table

    def drop_table(self, table: Table) -> None:
        with self._transaction():
            if table.shape.normal:
                self._drop_shape(table.shape)
            else:
                for prefix in "rg":
                    sql = f"delete from {prefix}{table.shape.id} where tid=?"  # noqa: S608 - ids and slots are made here
                    self._sql.execute(sql, (table.tid,))
        del table.shape.database.tables[table.name]

    def set_tag(self, table: Table, column: Column, value: Value) -> None:
        sql = f"update g{table.shape.id} set {column.slot}=? where tid=?"  # noqa: S608 - ids and slots are made here
        self._sql.execute(sql, (value, table.tid))

    def _load(self) -> None:
        by_id: dict[int, Database] = {}
        for id_, name, body in self.query("select * from databases order by id"):
            database = database_of(int(str(id_)), str(name), str(body))
            by_id[database.id] = self.catalogue.databases[database.name] = database
            self._ids = max(self._ids, database.id)
        for id_, db, name, body in self.query("select * from stables order by id"):
            stable = stable_of(int(str(id_)), by_id[int(str(db))], str(name), str(body))
            self._ids = max(self._ids, stable.id)
            if not stable.normal:
                stable.database.stables[stable.name] = stable
            listed = f"select tid,name from g{stable.id} order by tid"  # noqa: S608 - ids and slots are made here
            for tid, table in self.query(listed):
                self._ids = max(self._ids, int(str(tid)))
                stable.database.tables[str(table)] = Table(int(str(tid)), str(table), stable)

    # -- rows

    def write(self, blocks: Sequence[Block]) -> int:
        """Runs one parsed INSERT; returns TDengine's affected rows (equal timestamps counted once)."""
        merged = [(block, block.merged()) for block in blocks]
        for block, runs in merged:
            _check_window(block.shape.database, runs)
        made: dict[tuple[int, str], Table] = {}
        with self._transaction():
            batches: dict[tuple[int, tuple[str, ...]], tuple[Database, list[Row]]] = {}
            affected = 0
            for block, runs in merged:
                tid = (self._resolve(block.table, made),)
                for slots, rows in runs:
                    key = (block.shape.id, slots)
                    batch = batches.setdefault(key, (block.shape.database, []))[1]
                    batch.extend([tid + row for row in rows])
                    affected += len(rows)
            counted = [
                (db, len(rows), self._upsert(id_, slots, rows))
                for (id_, slots), (db, rows) in batches.items()
            ]
        for table in made.values():
            table.shape.database.tables[table.name] = table
        for database, rows_count, fresh in counted:
            database.rows_written += rows_count
            database.rows_overwritten += rows_count - fresh
        return affected

    def _resolve(self, table: Table | NewTable, made: dict[tuple[int, str], Table]) -> int:
        if isinstance(table, Table):
            return table.tid
        database = table.stable.database
        key = (database.id, table.name)
        there = database.tables.get(table.name) or made.get(key)
        if there is None:
            there = made[key] = self._create_subtable(table)
        if there.shape is not table.stable:
            raise errors.TaosError(errors.OTHER_STABLE, "Table already exists in other stables")
        return there.tid

    def _upsert(self, id_: int, slots: tuple[str, ...], rows: list[Row]) -> int:
        """Returns how many rows were new."""
        names = ",".join(["tid", "ts", *slots])
        insert = (
            f"insert into r{id_}({names}) values({','.join('?' * (len(slots) + 2))}) on conflict(tid,ts) do "
        )
        fresh = self._sql.executemany(insert + "nothing", rows).rowcount
        if fresh != len(rows) and slots:
            changes = ",".join(f"{s}=excluded.{s}" for s in slots)
            self._sql.executemany(insert + f"update set {changes}", rows)
        return fresh


def _check_window(database: Database, runs: Runs) -> None:
    per_second = PRECISIONS[database.precision]
    first = now_ticks(database.precision) - database.keep_minutes[2] * 60 * per_second
    last = _LAST_SECOND[database.precision] * per_second
    for _, rows in runs:
        stamps = [row[0] for row in rows]
        if min(stamps) < first or max(stamps) > last:  # type: ignore[type-var,operator]  # timestamps are integers
            raise errors.TaosError(errors.TIMESTAMP_OUT_OF_RANGE, "Timestamp data out of range")


def created_now() -> int:
    """Milliseconds: when something was made, as the catalogue shows it."""
    return time.time_ns() // 1_000_000
