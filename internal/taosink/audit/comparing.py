"""Compares what was read of a topic with what the database holds, device by device."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby
from typing import Any

import msgspec

from taosbatch.encoding import Precision
from taosbatch.literals import Value
from taosbatch.rows import UNIT_NS, RowError
from taosink.audit.account import Account, Named
from taosink.audit.judge import Match, Row, Same, match, rows_of
from taosink.audit.readings import Readings, Shape
from taosink.audit.spill import Held, Spill
from taosink.audit.stored_rows import Select, page_size
from taosink.audit.values import same_value
from taosink.ports import Driver, SourceMessage
from taosink.taos.catalogue import read_table
from taosink.taos.ddl import ColumnType, Table

Progress = Callable[[int], None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIXED_BYTES = 24
"""Of a value in an answer: digits, quotes and the Python object."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a supertable's rows are read: its time column, and the columns that records name and it has."""

    time_column: str
    columns: tuple[str, ...]
    types: Mapping[str, ColumnType]
    page: int


class Comparison:
    """One run over the spill. Used by one thread; every call may raise TaosError or SpillError."""

    def __init__(
        self,
        driver: Driver,
        readings: Readings,
        spill: Spill,
        account: Account,
        precision: Precision,
        *,
        committed: Mapping[int, int],
    ) -> None:
        self._driver = driver
        self._readings = readings
        self._spill = spill
        self._account = account
        self._precision = precision
        self._committed = committed
        self._targets: dict[tuple[str, str], Target | None] = {}
        # What stands before the range, or was removed by the broker, may have given columns that these did
        # not.
        self._open_start = any(lane.part.start > 0 for lane in account.lanes.values())

    def run(self, progress: Progress) -> None:
        """Judges every record. Blocks for the database; `progress` is told the records of each row."""
        self._unreadable()
        shapes = self._readings.shapes
        rows = rows_of(self._held(), lambda shape: shapes[shape].columns, self._is_pending)
        for table, of_table in groupby(rows, key=lambda row: row.table):
            self._account.devices += 1
            self._device(table, of_table, progress)

    def settle(self, tail: Iterable[Sequence[SourceMessage]], progress: Progress) -> None:
        """Judges the rows in doubt: a record behind the range may be stored already, over one in it."""
        for chunk in tail:
            for message in chunk:
                self._later(message.value())
            progress(len(chunk))
        for table, at, packed in self._spill.disputes():
            self._different(table, at, msgspec.msgpack.decode(packed, type=Dispute))

    def _held(self) -> Iterator[Held]:
        for held in self._spill.readings():
            if held.dead:
                self._dead(held.partition, 1)
            yield held

    def _dead(self, partition: int, count: int) -> None:
        self._account.dead_lettered += count
        self._account.lanes[partition].dead_lettered += count

    def _unreadable(self) -> None:
        for partition, count in self._spill.unreadable_dead():
            self._dead(partition, count)
        for found in self._spill.unaccounted():
            time = _written(found.timestamp_ms, 1_000_000)
            self._missing(found.partition, found.offset, found.device, time, f"unreadable ({found.reason})")
            self._count_missing(found.partition, 1)
            self._account.pending += self._is_pending(found.partition, found.offset)

    def _is_pending(self, partition: int, offset: int) -> bool:
        """Behind what the group has committed: it may be on its way."""
        return offset >= self._committed.get(partition, offset + 1)

    def _device(self, table: str, rows: Iterator[Row], progress: Progress) -> None:
        first = next(rows)
        target = self._target(self._readings.shapes[first.shape])

        def fetch(since: int) -> Iterator[tuple[int, Sequence[Any]]]:
            if target is None:
                return iter(())
            select = Select(
                table, target.time_column, target.columns, self._precision, since, page=target.page
            )
            return select.run_if_there(self._driver)

        for found in match(chain((first,), rows), fetch):
            self._judge(found, target)
            progress(found.row.required)

    def _judge(self, found: Match, target: Target | None) -> None:
        row, account = found.row, self._account
        account.unexpected += found.unexpected
        account.replayed += found.replayed
        if found.stored is None or target is None:
            for partition, offset in row.origins:
                self._missing(
                    partition, offset, _device(row.table), self._time(row.at), "not in the database"
                )
            for partition, count in row.by_partition.items():
                self._count_missing(partition, count)
            account.pending += row.pending
            return
        account.stored += 1
        account.merged += row.merged
        account.repeated += row.repeated
        stored = dict(zip(target.columns, found.stored, strict=False))
        wrong = row.differing(stored, self._same(target), open_start=self._open_start)
        if wrong:
            self._doubt(row, stored, wrong)

    def _same(self, target: Target) -> Same:
        types, precision = target.types, self._precision

        def same(name: str, sent: Value, actual: Any) -> bool:
            if type(sent) is type(actual) and sent == actual:
                return True
            return same_value(sent, actual, types[name], precision)

        return same

    def _doubt(self, row: Row, stored: Mapping[str, Any], wrong: Sequence[str]) -> None:
        partition, offset = row.origins[-1]
        held = {name: _plain(stored.get(name)) for name in wrong}
        sent = {name: _lasts(row, name) for name in wrong}
        self._spill.dispute(
            row.table, row.at, msgspec.msgpack.encode(Dispute(row.shape, partition, offset, held, sent))
        )

    def _later(self, value: bytes | None) -> None:
        try:
            reading = self._readings.decode(value)
        except RowError:
            return
        packed = self._spill.disputed(reading.table, reading.at)
        if packed is None:
            return
        dispute = msgspec.msgpack.decode(packed, type=Dispute)
        target = self._target(self._readings.shapes[dispute.shape])
        columns = self._readings.shapes[reading.shape].columns
        for name, cell in zip(columns, reading.cells, strict=False):
            if target is not None and name in dispute.stored and name in target.types:
                self._clear(dispute, name, cell, target.types[name])
        if dispute.stored:
            self._spill.dispute(reading.table, reading.at, msgspec.msgpack.encode(dispute))
        else:
            self._spill.settle(reading.table, reading.at)

    def _clear(self, dispute: "Dispute", name: str, cell: Value, column: ColumnType) -> None:
        if same_value(cell, dispute.stored[name], column, self._precision):
            del dispute.stored[name]

    def _different(self, table: str, at: int, dispute: "Dispute") -> None:
        self._account.different += 1
        detail = ", ".join(
            f"{name} is {value!r}, the last sent is {dispute.sent.get(name)!r}"
            for name, value in dispute.stored.items()
        )
        self._account.name(
            Named(
                "another value",
                _device(table),
                self._time(at),
                self._account.topic,
                dispute.partition,
                dispute.offset,
                detail,
            )
        )

    def _missing(self, partition: int, offset: int, device: str, time: str, detail: str) -> None:
        self._account.name(Named("missing", device, time, self._account.topic, partition, offset, detail))

    def _count_missing(self, partition: int, count: int) -> None:
        self._account.missing += count
        self._account.lanes[partition].missing += count

    def _target(self, shape: Shape) -> Target | None:
        """None where there is no such supertable: nothing of it can have been stored."""
        key = (shape.database, shape.supertable)
        if key not in self._targets:
            live = read_table(self._driver, *key)
            self._targets[key] = None if live is None else self._aim(shape, live)
            if live is None:
                self._account.remarks.append(f"supertable {key[0]}.{key[1]} does not exist")
        return self._targets[key]

    def _aim(self, shape: Shape, live: Table) -> Target:
        key = (shape.database, shape.supertable)
        shapes = [s for s in self._readings.shapes if (s.database, s.supertable) == key]
        named = dict.fromkeys(name for s in shapes for name in s.columns)
        columns = tuple(name for name in live.columns if name in named)
        width = sum(live.columns[name].length or 8 for name in columns) + _FIXED_BYTES * len(columns)
        return Target(shape.time_column, columns, live.columns, page_size(width))

    def _time(self, at: int) -> str:
        return _written(at, UNIT_NS[self._precision])


class Dispute(msgspec.Struct):
    """A row whose values are in doubt: what the columns in doubt hold, and what was sent last."""

    shape: int
    partition: int
    offset: int
    stored: dict[str, Any]
    sent: dict[str, Any]


def _lasts(row: Row, name: str) -> Value:
    return next((lane[name] for lane in reversed(row.lanes.values()) if name in lane), None)


def _plain(value: Any) -> Value:
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _device(table: str) -> str:
    return table.rpartition(".")[2].strip("`")


def _written(at: int, unit_ns: int) -> str:
    """RFC 3339 where a datetime can hold it, with as many digits as the unit has."""
    digits = {1_000_000: 3, 1_000: 6, 1: 9}[unit_ns]
    seconds, rest = divmod(at, 1_000_000_000 // unit_ns)
    try:
        clock = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return f"{at} ({'ns' if digits == 9 else 'us' if digits == 6 else 'ms'} since 1970)"
    return f"{clock}.{rest:0{digits}d}Z"
