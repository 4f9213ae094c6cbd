"""What names mean in a SELECT: a table's columns and tags, or a subquery's titles."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import errors
from .catalogue import Stable, Table
from .literals import Value
from .types import TIMESTAMP, DataType, varchar

TBNAME = varchar(270)


@dataclass(frozen=True, slots=True)
class Field:
    """One column as SQLite names it. `tag` is true of tags and of tbname."""

    title: str
    sql: str
    type: DataType
    tag: bool = False


@dataclass(slots=True)
class Scope:
    """`star` is what `*` means; `hidden` can be named but is not part of it. `time` is the primary timestamp."""

    source: str
    condition: str
    star: Sequence[Field]
    hidden: Sequence[Field] = ()
    time: Field | None = None
    precision: str = "ms"
    name: str = ""
    shape: Stable | None = None
    rows_source: str = ""
    used: list[Field] = field(default_factory=list)

    def smallest_source(self, *, joined: bool) -> str:
        """Where no tag has been named, the rows alone are read: counting them all is much quicker."""
        if joined or not self.rows_source or any(f.tag for f in self.used):
            return self.source
        return self.rows_source

    def find(self, qualifier: str | None, name: str) -> Field:
        if qualifier is not None and qualifier != self.name:
            raise errors.TaosError(errors.GET_META, "Fail to get table info, error: Table does not exist")
        if name in ("_rowts", "_c0") and self.time is not None:
            found: Field | None = self.time
        else:
            found = next((f for f in (*self.star, *self.hidden) if f.title == name), None)
        if found is None:
            raise errors.invalid_column(name)
        self.used.append(found)
        return found


def table_scope(table: Table | Stable, alias: str) -> Scope:
    """A supertable with its tags in `*`, or a table with only its columns there."""
    shape = table.shape if isinstance(table, Table) else table
    columns = [Field(c.name, f"r.{c.slot}", c.type) for c in shape.columns]
    tags = [Field(c.name, f"g.{c.slot}", c.type, tag=True) for c in shape.tags]
    tbname = Field("tbname", "g.name", TBNAME, tag=True)
    single = isinstance(table, Table)
    return Scope(
        f"r{shape.id} r join g{shape.id} g on g.tid=r.tid",
        f"r.tid={table.tid}" if isinstance(table, Table) else "",
        columns if single else [*columns, *tags],
        [*tags, tbname] if single else [tbname],
        columns[0],
        shape.database.precision,
        alias,
        None if single else shape,
        f"r{shape.id} r",
    )


def values_scope(
    columns: Sequence[tuple[str, DataType]], rows: Sequence[Sequence[Value]], alias: str
) -> Scope:
    """Rows that are made up for the occasion: the catalogue's own tables."""
    titles = ",".join(f"column{i + 1} v{i}" for i in range(len(columns)))
    if rows:
        listed = ",".join("(" + ",".join(quote(v) for v in row) + ")" for row in rows)
        source = f"(select {titles} from (values {listed})) s"  # noqa: S608 - every value is quoted above
    else:
        source = f"(select {','.join(f'null v{i}' for i in range(len(columns)))} where 0) s"
    star = [Field(title, f"s.v{i}", kind) for i, (title, kind) in enumerate(columns)]
    return Scope(source, "", star, name=alias)


def subquery_scope(sql: str, columns: Sequence[tuple[str, DataType]], precision: str, alias: str) -> Scope:
    star = [Field(title, f"s.q{i}", kind) for i, (title, kind) in enumerate(columns)]
    time = next((f for f in star if f.type == TIMESTAMP), None)
    return Scope(f"({sql}) s", "", star, time=time, precision=precision, name=alias)


def no_scope(precision: str) -> Scope:
    """SELECT without FROM."""
    return Scope("", "", [], precision=precision)


def quote(value: Value) -> str:
    """A value as SQLite's literal."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        # SQLite ends a statement at NUL.
        return "'" + value.replace("'", "''").replace("\0", "") + "'"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return repr(value)
