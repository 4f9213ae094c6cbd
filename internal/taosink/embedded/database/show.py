"""SHOW and DESCRIBE."""

from . import errors
from .answers import Rows
from .catalogue import Database, Stable
from .literals import Value
from .reader import Reader
from .schema_tables import keep_text
from .scope import quote
from .store import Store
from .types import INT, varchar

_NAME = varchar(192)


class Show:
    """Runs one SHOW or DESCRIBE for a request whose database is `database`."""

    def __init__(self, reader: Reader, store: Store, database: str | None) -> None:
        self._in = reader
        self._store = store
        self._current = database

    def run(self) -> Rows:
        if self._in.take("SHOW", "DESCRIBE", "DESC").kind != "SHOW":
            return self._describe()
        if self._in.accept("CREATE"):
            return self._create()
        database = None
        if self._in.peek(1).kind == ".":
            database = self._in.name()
            self._in.take(".")
        what = self._in.take("DATABASES", "STABLES", "TABLES").kind
        if what != "DATABASES" and database is None and self._in.accept("FROM"):
            database = self._in.name()
        pattern = self._in.string() if what != "DATABASES" and self._in.accept("LIKE") else None
        self._in.end()
        if what == "DATABASES":
            names = ["information_schema", "performance_schema", *self._store.catalogue.databases]
            return Rows([("name", varchar(64))], [(n,) for n in names])
        home = self._home(database)
        stables = what == "STABLES"
        found = self._like([*(home.stables if stables else home.tables)], pattern)
        return Rows([("stable_name" if stables else "table_name", _NAME)], [(n,) for n in found])

    def _home(self, database: str | None) -> Database:
        name = database or self._current
        if name is None:
            raise errors.TaosError(errors.DB_NOT_SPECIFIED, "Database not specified")
        return self._store.catalogue.database(name)

    def _like(self, names: list[str], pattern: str | None) -> list[str]:
        if pattern is None:
            return names
        wanted = quote(pattern)
        return [n for n in names if self._store.query(f"select {quote(n)} like {wanted} escape '\\'")[0][0]]

    def _shape(self, database: str | None, name: str) -> tuple[Stable, bool]:
        home = self._home(database)
        if name in home.tables:
            shape = home.tables[name].shape
            return shape, not shape.normal
        if name not in home.stables:
            raise errors.no_table()
        return home.stables[name], False

    def _describe(self) -> Rows:
        database, name = self._in.full_name()
        self._in.end()
        shape, subtable = self._shape(database, name)
        columns = [("field", varchar(64)), ("type", varchar(20)), ("length", INT), ("note", varchar(16))]
        rows: list[tuple[Value, ...]] = [(c.name, c.type.name, c.type.length, "") for c in shape.columns]
        rows += [(c.name, c.type.name, c.type.length, "TAG") for c in shape.tags]
        if not subtable:
            columns += [("encode", varchar(12)), ("compress", varchar(12)), ("level", varchar(12))]
            extras = [(c.type.encoding, "lz4", "medium") for c in shape.columns]
            extras += [("disabled",) * 3 for _ in shape.tags]
            rows = [row + extra for row, extra in zip(rows, extras, strict=True)]
        return Rows(columns, rows)

    def _create(self) -> Rows:
        what = self._in.take("DATABASE", "STABLE", "TABLE").kind
        if what == "DATABASE":
            name = self._in.name()
            self._in.end()
            home = self._store.catalogue.database(name)
            text = f"CREATE DATABASE `{name}` PRECISION '{home.precision}' KEEP {keep_text(home)}"
            return Rows([("Database", varchar(64)), ("Create Database", varchar(3145726))], [(name, text)])
        database, name = self._in.full_name()
        self._in.end()
        shape, subtable = self._shape(database, name)
        text = self._subtable_text(name, shape) if subtable else _shape_text(shape)
        return Rows([("Table", varchar(193)), ("Create Table", varchar(3145726))], [(name, text)])

    def _subtable_text(self, name: str, shape: Stable) -> str:
        slots = ",".join(t.slot for t in shape.tags)
        wanted = f"select {slots} from g{shape.id} where name=?"  # noqa: S608 - ids and slots are made here
        values = self._store.query(wanted, (name,))[0]
        shown = ", ".join("NULL" if v is None else f'"{v}"' if isinstance(v, str) else str(v) for v in values)
        names = ", ".join(f"`{t.name}`" for t in shape.tags)
        return f"CREATE TABLE `{name}` USING `{shape.name}` ({names}) TAGS ({shown})"


def _shape_text(shape: Stable) -> str:
    columns = ", ".join(
        f"`{c.name}` {c.type.ddl} ENCODE '{c.type.encoding}' COMPRESS 'lz4' LEVEL 'medium'"
        for c in shape.columns
    )
    if shape.normal:
        return f"CREATE TABLE `{shape.name}` ({columns})"
    tags = ", ".join(f"`{t.name}` {t.type.ddl}" for t in shape.tags)
    return f"CREATE STABLE `{shape.name}` ({columns}) TAGS ({tags})"
