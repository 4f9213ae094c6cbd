"""Reads a device's rows back, as numbers that can be compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from taosbatch.encoding import Precision
from taosbatch.rows import UNIT_NS
from taosdevice.times import parse_rfc3339
from taosink.audit.compare import Cell
from taosink.ports import Driver
from taosink.taos.ddl import quoted
from taosink.taos.errors import TABLE_MISSING, TaosError

PAGE = 20_000
"""Rows of one SELECT: an answer of 4 columns is about 2 MB, so that any device is read in bounded memory."""

FIRST_PAGE = 1_000
PAGE_BYTES = 4 << 20
NO_TABLE = frozenset((TABLE_MISSING, 0x2662))
"""Table does not exist; no table meta: a device of which nothing was stored has no subtable."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def timestamp_units(value: Any, precision: Precision) -> int:
    """A TIMESTAMP as a driver gives it, in the database's precision. REST sends RFC 3339; the native driver
    gives an integer or a datetime (in local time where it names no zone)."""
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.astimezone(UTC)
        nanos = (at - _EPOCH) // _MICROSECOND * 1_000
        return nanos // UNIT_NS[precision]
    return parse_rfc3339(str(value)) // UNIT_NS[precision]


def page_size(row_bytes: int) -> int:
    """Rows of one SELECT where a row may be so long."""
    return max(50, min(PAGE, PAGE_BYTES // max(1, row_bytes)))


def stored_rows(
    driver: Driver, table: str, columns: int, precision: Precision
) -> Iterator[tuple[int, Sequence[Cell]]]:
    """All rows of a subtable (`table` is qualified and quoted) with columns `col0` and so on, oldest first.

    Raises TaosError; a subtable that does not exist is the caller's to judge. Blocks for the database.
    """
    select = Select(table, "ts", [f"col{i}" for i in range(columns)], precision, first_page=PAGE)
    return select.run(driver)


@dataclass(frozen=True, slots=True)
class Select:
    """A subtable's rows from `since` (all without it), in pages that grow from `first_page` to `page`: many
    devices have few rows. `table` is qualified and quoted."""

    table: str
    time_column: str
    columns: Sequence[str]
    precision: Precision
    since: int | None = None
    first_page: int = FIRST_PAGE
    page: int = PAGE

    def run(self, driver: Driver) -> Iterator[tuple[int, Sequence[Cell]]]:
        """Oldest first. Blocks for the database; raises TaosError."""
        time_name = quoted(self.time_column)
        names = ", ".join([time_name, *map(quoted, self.columns)])
        after = "" if self.since is None else f" WHERE {time_name} >= {self.since}"
        page = min(self.first_page, self.page)
        while True:
            sql = f"SELECT {names} FROM {self.table}{after} ORDER BY {time_name} LIMIT {page}"  # noqa: S608  # names are quoted, the rest integers
            rows = driver.query(sql).rows
            last = None
            for row in rows:
                last = timestamp_units(row[0], self.precision)
                yield last, row[1:]
            if last is None or len(rows) < page:
                return
            after = f" WHERE {time_name} > {last}"
            page = min(self.page, page * 4)

    def run_if_there(self, driver: Driver) -> Iterator[tuple[int, Sequence[Cell]]]:
        """As `run`; nothing where there is no such table."""
        try:
            yield from self.run(driver)
        except TaosError as error:
            if error.code not in NO_TABLE:
                raise
