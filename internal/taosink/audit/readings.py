"""Record values as the readings that an audit compares: which row a value is, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from taosbatch import names
from taosbatch.encoding import Layout, Reason
from taosbatch.literals import SMALLEST_NORMAL, Value
from taosbatch.rows import UNIT_NS, RowError, stored_time
from taosink.records.codecs import check_cells, parse
from taosink.records.fast import reader
from taosink.records.model import TIME_COLUMN, column
from taosink.records.routes import Route


@dataclass(frozen=True, slots=True)
class Shape:
    """What a reading's cells are: where they go, and their columns' names as the database has them."""

    database: str
    supertable: str
    time_column: str
    columns: tuple[str, ...]


class Reading(NamedTuple):
    """`table` is qualified and quoted. `at` is in the database's unit, `rest` the nanoseconds that flooring
    dropped. `shape` is the index of its shape."""

    table: str
    at: int
    rest: int
    shape: int
    cells: Sequence[Value]


class Readings:
    """Decodes values by the product's own readers. Not thread-safe: it collects the shapes that it meets."""

    def __init__(self, layout: Layout, route: Route | None = None) -> None:
        self._layout = layout
        self._route = route
        self._unit = UNIT_NS[layout.precision]
        self._quick = reader(layout.codec, "ns")
        self._limit = names.table_limit(layout.database)
        self._lower = layout.names_case == "lower"
        self._prefix = f"{names.quote(layout.database)}." if layout.database else ""
        self._supertable = names.fold(layout.supertable, layout.names_case)
        self._widths: dict[int, int] = {}
        self._known: dict[Shape, int] = {}
        self.shapes: list[Shape] = []

    def __repr__(self) -> str:
        return f"<Readings {self._layout.codec}, {len(self.shapes)} shapes>"

    def decode(self, value: bytes | None) -> Reading:
        """One reading; RowError for a value of which no row can be made. Nothing else is raised."""
        value = value or b""
        if self._route is not None:
            return self._routed(value, self._route)
        found = self._quick(value)
        if found is None:
            return self._careful(value)
        device, nanos, cells = found
        table = names.fold(device, "lower") if self._lower else device
        if not names.is_table(table.encode(), self._limit) or any(map(_is_doubtful, cells)):
            return self._careful(value)
        at, rest = divmod(nanos, self._unit)
        return Reading(f"{self._prefix}`{table}`", at, rest, self._of_width(len(cells)), cells)

    def _careful(self, value: bytes) -> Reading:
        layout = self._layout
        fields = parse(value, layout.codec)
        table = names.fold(fields.device, layout.names_case)
        if problem := names.table_problem(table, self._limit):
            raise RowError(Reason.DEVICE, problem, fields.device)
        nanos = fields.timestamp_ns()
        at = stored_time(nanos, layout.precision)
        # Which columns are BIGINT UNSIGNED is not known here. Of a record that was refused for its large integer
        # the letter tells.
        check_cells(fields, range(len(fields.cols)))
        return Reading(
            f"{self._prefix}`{table}`", at, nanos % self._unit, self._of_width(len(fields.cols)), fields.cols
        )

    def _routed(self, value: bytes, route: Route) -> Reading:
        layout, case = self._layout, self._layout.names_case
        try:
            row = route(value)
        except RowError:
            raise
        except Exception as error:
            # The route is somebody else's code: the consumer dead-letters what it fails on.
            raise RowError(Reason.MALFORMED, f"the route failed: {error!r}") from error
        database = names.fold(row.database, case) or layout.database
        table = names.fold(row.table, case)
        if problem := names.table_problem(table, names.table_limit(database)):
            raise RowError(Reason.DEVICE, problem, row.table)
        at = stored_time(row.timestamp_ns, layout.precision)
        shape = Shape(
            database,
            names.fold(row.supertable or layout.supertable, case),
            names.fold(row.time_column, case),
            tuple(names.fold(name, case) for name in row.columns),
        )
        quoted = names.quote(database, table)
        return Reading(quoted, at, row.timestamp_ns % self._unit, self._index(shape), row.values)

    def _of_width(self, width: int) -> int:
        found = self._widths.get(width)
        if found is None:
            columns = tuple(map(column, range(width)))
            shape = Shape(self._layout.database, self._supertable, TIME_COLUMN, columns)
            found = self._widths[width] = self._index(shape)
        return found

    def _index(self, shape: Shape) -> int:
        found = self._known.get(shape)
        if found is None:
            found = self._known[shape] = len(self.shapes)
            self.shapes.append(shape)
        return found


def _is_doubtful(cell: Value) -> bool:
    """What the quick reader takes and an INSERT does not: a NUL in a text, a subnormal number."""
    if type(cell) is float:
        return -SMALLEST_NORMAL < cell < SMALLEST_NORMAL and cell != 0
    return type(cell) is str and "\0" in cell
