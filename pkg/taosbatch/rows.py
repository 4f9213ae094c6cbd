"""Rows of any shape: what a route makes of a message, and the statements that carry them."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from taosbatch import names
from taosbatch.encoding import Layout, Precision, Reason, Reject, Statement
from taosbatch.errors import TaosbatchError
from taosbatch.guards import RowGuard, TableGuard
from taosbatch.insert_sql import Grouping, pack
from taosbatch.literals import INT64_MAX, INT64_MIN, LiteralError, Value, literal, row

UNIT_NS: dict[Precision, int] = {"ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds in one unit of a database's precision."""


DETAIL_CHARS, DEVICE_CHARS = 500, 256


class RowError(TaosbatchError):
    """This record cannot become a row; its neighbours are not concerned.

    `detail` and `device` are cut to what a header can carry, and are valid Unicode whatever the record holds.
    """

    def __init__(self, reason: Reason, detail: str, device: str = "", *, by_guard: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = _presentable(detail, DETAIL_CHARS)
        self.device = _presentable(device, DEVICE_CHARS)
        self.by_guard = by_guard

    def reject(self, index: int) -> Reject:
        """What becomes of the record at this index."""
        return Reject(index, self.reason, self.detail, self.device, by_guard=self.by_guard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One reading and where it goes. Empty `database` or `supertable` mean the layout's.

    `columns` names what `values` holds; the timestamp stands apart, in `time_column`. Tags count only when
    the subtable is created: the first row's win.
    """

    table: str
    timestamp_ns: int
    columns: Sequence[str]
    values: Sequence[Value]
    tags: Sequence[tuple[str, Value]] = ()
    database: str = ""
    supertable: str = ""
    time_column: str = "ts"


def stored_time(timestamp_ns: int, precision: Precision) -> int:
    """The timestamp in the database's unit, floored; RowError beyond what 64 bits hold."""
    if type(timestamp_ns) is not int:
        raise RowError(Reason.TIMESTAMP, "the timestamp is no integer of nanoseconds")
    at = timestamp_ns // UNIT_NS[precision]
    if not INT64_MIN <= at <= INT64_MAX:
        raise RowError(Reason.TIMESTAMP, f"the timestamp does not fit into 64 bits of {precision}")
    return at


def full_name(database: str, table: str, layout: Layout) -> str:
    """The name by which a subtable is known: alone in the layout's database, else with the database's."""
    return table if database == layout.database else f"{database}.{table}"


@dataclass(frozen=True, slots=True)
class _Shape:
    """Everything but the subtable that a clause needs, judged and quoted; equal shapes may share a clause."""

    database: str
    using: bytes
    columns: bytes
    width: int
    table: TableGuard | None
    row: RowGuard | None
    unsigned: frozenset[int]


class RowStatements:
    """Collects the rows of one batch and writes their statements. One call's state: used by one thread."""

    def __init__(self, layout: Layout, known: Container[str]) -> None:
        self._layout = layout
        self._known = known
        self._grouping = Grouping()
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def add(self, index: int, item: Row) -> None:
        """Takes one row, or raises RowError and is unchanged."""
        key = (item.database, item.supertable, item.time_column, *item.columns)
        shape = self._shapes.get(key) or self._shapes.setdefault(key, self._shape(item))
        if len(item.values) != shape.width or not item.values:
            detail = f"{len(item.values)} values for {shape.width} columns"
            raise RowError(Reason.SHAPE, detail, item.table)
        table = names.fold(item.table, self._layout.names_case)
        if problem := names.table_problem(table, names.table_limit(shape.database)):
            raise RowError(Reason.DEVICE, problem, item.table)
        at = stored_time(item.timestamp_ns, self._layout.precision)
        try:
            text = row([at, *item.values], shape.unsigned)
        except LiteralError as error:
            raise RowError(Reason.VALUE, str(error), item.table) from None
        name = full_name(shape.database, table, self._layout)
        self._guard(shape, item, at)
        segment = self._grouping.fitting(name, shape, at, item.values)
        if segment is None:
            new = name not in self._known
            tags = shape.using + self._tags(shape, item) if new else b""
            head = names.quote(shape.database, table).encode() + tags + shape.columns
            segment = self._grouping.start(name, shape, head, new=new)
        segment.add(at, text, index)

    def finish(self) -> tuple[list[Statement], list[tuple[int, int]]]:
        """As `insert_sql.pack`."""
        return pack(self._grouping.waves, self._layout.max_statement_bytes)

    def _shape(self, item: Row) -> _Shape:
        case = self._layout.names_case
        database = item.database or self._layout.database
        supertable = names.fold(item.supertable or self._layout.supertable, case)
        columns = [names.fold(name, case) for name in (item.time_column, *item.columns)]
        problems = [
            names.name_problem(database) if database else None,
            names.table_problem(supertable, names.table_limit(database)),
            *map(names.name_problem, columns),
            None if len(set(columns)) == len(columns) else "a column is named twice",
        ]
        if found := next(filter(None, problems), None):
            raise RowError(Reason.SHAPE, found, item.table)
        quoted = ",".join(map(names.quote, columns))
        using = f" USING {names.quote(database, supertable)}"
        guard = self._layout.guard
        own = database == self._layout.database and supertable == names.fold(self._layout.supertable, case)
        table = guard.table if guard and own else None
        row_guard = table.row(columns[0], columns[1:]) if table else None
        head = f" ({quoted}) VALUES ".encode()
        # In the row the timestamp stands before them.
        unsigned = frozenset(position + 1 for position in row_guard.unsigned) if row_guard else frozenset()
        return _Shape(database, using.encode(), head, len(item.columns), table, row_guard, unsigned)

    def _guard(self, shape: _Shape, item: Row, at: int) -> None:
        """RowError for what the live database and table do not take. Of others, only what is known is asked."""
        guard = self._layout.guard
        if guard is None:
            return
        window = guard.window if shape.database == self._layout.database else guard.window.anywhere()
        if problem := window.problem(at):
            raise RowError(Reason.TIMESTAMP, problem, item.table, by_guard=True)
        if shape.row and (problem := shape.row.check(item.values)):
            reason = Reason.SHAPE if shape.row.problem else Reason.VALUE
            raise RowError(reason, problem, item.table, by_guard=True)

    def _tags(self, shape: _Shape, item: Row) -> bytes:
        titles = [names.fold(tag, self._layout.names_case) for tag, _ in item.tags]
        found = next(filter(None, map(names.name_problem, titles)), None)
        if found or not titles:
            detail = found or "a subtable is created with its tags, and there are none"
            raise RowError(Reason.SHAPE, f"tag: {detail}", item.table)
        try:
            values = b",".join(literal(value) for _, value in item.tags)
        except LiteralError as error:
            raise RowError(Reason.VALUE, f"tag: {error}", item.table) from None
        written = zip(titles, (value for _, value in item.tags), strict=True)
        if shape.table and (problem := shape.table.tag_problem(written)):
            raise RowError(Reason.VALUE, problem, item.table, by_guard=True)
        return b" (%b) TAGS (%b)" % (",".join(map(names.quote, titles)).encode(), values)


def _presentable(text: str, most: int) -> str:
    return text[:most].encode(errors="replace").decode()
