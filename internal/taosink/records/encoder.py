"""The encoder of Record: one subtable per device, columns col0, col1, ... in the order of Cols."""

from collections.abc import Container, Sequence

import msgspec

from taosbatch import names
from taosbatch.encoding import MAX_STATEMENT_BYTES, Encoded, Layout, Reason, Reject, Stable
from taosbatch.inference import Inference
from taosbatch.insert_sql import Grouping, Segment, pack
from taosbatch.literals import INT64_MAX, INT64_MIN, LiteralError, Value, row, text
from taosbatch.rows import stored_time
from taosink.records.codecs import check_cells, parse
from taosink.records.fast import Fast, Reader, reader_for
from taosink.records.model import TAG, TIME_COLUMN, RecordError, column
from taosink.records.typed import typed

_as_json = msgspec.json.Encoder().encode
_BACKSLASH, _APOSTROPHE, _MINUS = ord("\\"), ord("'"), ord("-")


class RecordEncoder:
    """`taosbatch.encoding.Encoder` for records. `careful` reads every value by the careful reader alone."""

    def __init__(self, *, careful: bool = False) -> None:
        self._careful = careful

    def encode(self, values: Sequence[bytes], layout: Layout, known: Container[str]) -> Encoded:
        """As the contract says. ValueError for a layout whose own names are impossible."""
        batch = _Batch(layout, known)
        batch.take(values, _unsure if self._careful else reader_for(layout))
        return batch.finish(values)

    def infer(self, values: Sequence[bytes], layout: Layout) -> Sequence[Stable]:
        """One supertable, as wide as the widest record, or none where no record can be read."""
        supertable = names.fold(layout.supertable, layout.names_case)
        inference, batch = Inference(), _Batch(layout, ())
        for value in values:
            try:
                device, _, cells = batch.judge(value)
            except RecordError:
                continue
            columns = [(column(position), cell) for position, cell in enumerate(cells)]
            inference.see(layout.database, supertable, TIME_COLUMN, columns, [(TAG, device)])
        return inference.stables()

    def __repr__(self) -> str:
        return f"RecordEncoder(careful={self._careful})"


def _unsure(value: bytes) -> Fast | None:  # noqa: ARG001  # stands in for a reader
    return None


class _Batch:
    """The state of one call."""

    def __init__(self, layout: Layout, known: Container[str]) -> None:
        self._layout = layout
        self._known = known
        self._limit = names.table_limit(layout.database)
        self._lower = layout.names_case == "lower"
        self._grouping = Grouping()
        self._rejects: list[Reject] = []
        self._columns: dict[int, bytes] = {}
        self._window = layout.guard.window if layout.guard else None
        self._table = typed(layout.guard.table) if layout.guard and layout.guard.table else None
        supertable = names.fold(layout.supertable, layout.names_case)
        if problem := names.table_problem(supertable, self._limit):
            raise ValueError(f"supertable {layout.supertable!r}: {problem}")
        if layout.database and (problem := names.name_problem(layout.database)):
            raise ValueError(f"database {layout.database!r}: {problem}")
        using = f" USING {names.quote(layout.database, supertable)} ({names.quote(TAG)}) TAGS ("
        self._prefix = f"{names.quote(layout.database)}.`".encode() if layout.database else b"`"
        self._using = using.encode()

    def take(self, values: Sequence[bytes], read: Reader) -> None:
        """Groups every value, or rejects it. Most of a consumer's own time goes into this loop."""
        segments, lower = self._grouping.open, self._lower
        first, last = self._window.bounds() if self._window else (INT64_MIN, INT64_MAX)
        in_bytes = self._table.least_bytes if self._table else MAX_STATEMENT_BYTES
        for index, value in enumerate(values):
            found = read(value)
            if found is None:
                try:
                    found = self.judge(value)
                except RecordError as error:
                    self._rejects.append(error.reject(index))
                    continue
            device, at, cells = found
            width = len(cells)
            line = [at, *cells]
            # JSON writes numbers, bools and null as SQL does, and any text but for the quotes around it: without
            # a backslash there are no other quotes. Subnormal numbers would pass; their exponents start with e-3.
            sql = _as_json(line)[1:-1]
            if _BACKSLASH in sql or _APOSTROPHE in sql or (_MINUS in sql and sql.find(b"e-3") >= 0):
                sql = _written(line)
            else:
                sql = sql.replace(b'"', b"'")
            table = names.fold(device, "lower") if lower else device
            segment = segments.get(table)
            # The quick reader counts characters, which are bytes where there is nothing but ASCII. No text is
            # longer than the whole row.
            if (not sql or at < first or at > last) or (
                len(sql) > in_bytes and not sql.isascii() and not self._fits(cells)
            ):
                segment = None
            elif segment is None or at <= segment.last or width != segment.shape:
                segment = self._segment(table, device, at, cells)
            else:
                segment.last = at
            if segment is None:
                self._refuse(index, value)
                continue
            segment.texts.append(sql)
            segment.rows.append(index)

    def finish(self, values: Sequence[bytes]) -> Encoded:
        """Statements and rejects of all that was taken."""
        statements, too_large = pack(self._grouping.waves, self._layout.max_statement_bytes)
        for index, size in too_large:
            detail = f"the row alone needs {size} bytes of SQL, over {self._layout.max_statement_bytes}"
            device = parse(values[index], self._layout.codec).device
            self._rejects.append(Reject(index, Reason.TOO_LARGE, detail, device))
        self._rejects.sort(key=lambda reject: reject.index)
        return Encoded(statements, self._rejects)

    def judge(self, value: bytes) -> Fast:
        """The careful reader's word, by every rule in its order; RecordError names the first broken one."""
        fields = parse(value, self._layout.codec)
        table = names.fold(fields.device, self._layout.names_case)
        if problem := names.table_problem(table, self._limit):
            raise RecordError(Reason.DEVICE, problem, fields.device)
        try:
            at = stored_time(fields.timestamp_ns(), self._layout.precision)
        except RecordError as error:
            raise RecordError(error.reason, error.detail, fields.device) from None
        if self._window and (problem := self._window.problem(at)):
            raise RecordError(Reason.TIMESTAMP, problem, fields.device, by_guard=True)
        guard = self._table.row(len(fields.cols)) if self._table else None
        check_cells(fields, guard.unsigned if guard else ())
        if guard and (problem := guard.check(fields.cols)):
            reason = Reason.SHAPE if guard.problem else Reason.VALUE
            raise RecordError(reason, problem, fields.device, by_guard=True)
        return fields.device, at, fields.cols

    def _fits(self, cells: Sequence[Value]) -> bool:
        """Whether the table takes these values, which is looked at one by one."""
        return self._table is None or self._table.row(len(cells)).check(cells) is None

    def _tag_problem(self, device: str) -> str | None:
        return self._table.tag_problem(device) if self._table else None

    def _refuse(self, index: int, value: bytes) -> None:
        """Rejects what the quick reader read, with the reason that the careful one gives."""
        try:
            device, _, _ = self.judge(value)
            if problem := self._tag_problem(device):
                raise RecordError(Reason.DEVICE, problem, device, by_guard=True)
        except RecordError as error:
            self._rejects.append(error.reject(index))
        else:  # a defect, which must cost this record and no other
            self._rejects.append(Reject(index, Reason.VALUE, "the row cannot be written as SQL"))

    def _segment(self, table: str, device: str, at: int, cells: Sequence[Value]) -> Segment | None:
        """Where a row goes that does not simply follow its device's last one; None for an impossible name."""
        width = len(cells)
        segment = self._grouping.fitting(table, width, at, cells)
        if segment is None:
            name = table.encode()
            if not names.is_table(name, self._limit):
                return None
            new = table not in self._known
            if new and self._tag_problem(device):
                return None
            tag = self._using + text(device) + b")" if new else b""
            head = self._prefix + name + b"`" + tag + self._column_list(width)
            segment = self._grouping.start(table, width, head, new=new)
        if at > segment.last:  # noqa: PLR1730  # max() is a call, once for each device of a batch
            segment.last = at
        return segment

    def _column_list(self, width: int) -> bytes:
        found = self._columns.get(width)
        if found is None:
            titles = ",".join(map(names.quote, (TIME_COLUMN, *map(column, range(width)))))
            found = self._columns[width] = f" ({titles}) VALUES ".encode()
        return found


def _written(cells: Sequence[Value]) -> bytes:
    """The row cell by cell, or nothing where a cell cannot be stored. Integers have been judged before."""
    try:
        return row(cells, range(len(cells)))
    except LiteralError:
        return b""
