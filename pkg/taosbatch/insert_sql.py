"""Multi-table INSERT statements: rows grouped by subtable, packed up to the server's limit."""

from array import array
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain

from taosbatch.encoding import Statement
from taosbatch.literals import INT64_MIN

START = b"INSERT INTO"


class Segment:
    """Consecutive rows of one subtable that may stand in one statement, in the order in which they came.

    `head` is the clause up to and with VALUES. `texts` are the insides of the rows' parentheses, timestamp
    first; `rows` their indices. `last` is the highest timestamp so far.
    """

    __slots__ = ("_read", "_times", "head", "last", "new", "rows", "shape", "table", "texts", "wave")

    def __init__(self, table: str, shape: Hashable, head: bytes, *, new: bool, wave: int = 0) -> None:
        self.table = table
        self.shape = shape
        self.head = head
        self.new = new
        self.wave = wave
        self.last = INT64_MIN - 1
        self.texts: list[bytes] = []
        self.rows: list[int] = []
        self._times: set[int] | None = None
        self._read = 0

    def add(self, at: int, text: bytes, index: int) -> None:
        """Appends one row, whose text starts with its timestamp."""
        self.last = max(self.last, at)
        self.texts.append(text)
        self.rows.append(index)

    def holds(self, at: int) -> bool:
        """Whether a row with this timestamp is here."""
        # Asked only where timestamps stop rising, so they are read back from the text, each of them once.
        if self._times is None:
            self._times = set()
        for text in self.texts[self._read :]:
            self._times.add(int(text[: text.index(b",")]))
        self._read = len(self.texts)
        return at in self._times

    def __repr__(self) -> str:
        return f"<Segment {self.table!r} shape={self.shape!r} wave={self.wave} rows={len(self.rows)}>"


class Grouping:
    """Rows of one batch by subtable. One call's state: used by one thread.

    A wave is a run of statements. Within one statement the server merges equal timestamps so that the last
    value that is not NULL wins, while across statements NULL overwrites; and one column list stands for all
    rows of a subtable. What must not share a statement with its predecessor goes into the next wave.
    """

    def __init__(self) -> None:
        self.open: dict[str, Segment] = {}
        self.waves: list[list[Segment]] = []

    def fitting(self, table: str, shape: Hashable, at: int, cells: Sequence[object]) -> Segment | None:
        """The segment that may take this row, or None where `start` must open one."""
        segment = self.open.get(table)
        if segment is None or segment.shape != shape:
            return None
        if at <= segment.last and None in cells and segment.holds(at):
            return None
        return segment

    def start(self, table: str, shape: Hashable, head: bytes, *, new: bool) -> Segment:
        """Opens a segment for a subtable's next rows, a wave behind the one that it ends."""
        before = self.open.get(table)
        wave = 0 if before is None else before.wave + 1
        if wave == len(self.waves):
            self.waves.append([])
        segment = self.open[table] = Segment(table, shape, head, new=new, wave=wave)
        self.waves[wave].append(segment)
        return segment

    def __repr__(self) -> str:
        return f"<Grouping tables={len(self.open)} waves={len(self.waves)}>"


def pack(waves: Iterable[Iterable[Segment]], limit: int) -> tuple[list[Statement], list[tuple[int, int]]]:
    """Statements of at most `limit` bytes, and (index, bytes) of each row that is too long even alone."""
    packer = _Packer(limit)
    for wave in waves:
        for segment in wave:
            packer.add(segment)
        packer.finish()
    return packer.statements, packer.too_large


class _Packer:
    """Fills one statement after another; a subtable that does not fit is continued in the next one."""

    def __init__(self, limit: int) -> None:
        self.statements: list[Statement] = []
        self.too_large: list[tuple[int, int]] = []
        self._limit = limit
        self._begin()

    def _begin(self) -> None:
        self._parts = [START]
        self._size = len(START)
        self._rows: list[Sequence[int]] = []
        self._tables: list[str] = []
        self._new: list[str] = []

    def add(self, segment: Segment) -> None:
        clause = _clause(segment.head, segment.texts)
        if self._size + 1 + len(clause) <= self._limit:
            self._take(segment, clause, segment.rows)
        else:
            self._divide(segment)

    def finish(self) -> None:
        if not self._tables:
            return
        rows = array("I", chain.from_iterable(self._rows))
        sql = b" ".join(self._parts)
        self.statements.append(Statement(sql, memoryview(rows), tuple(self._tables), tuple(self._new)))
        self._begin()

    def _take(self, segment: Segment, clause: bytes, rows: Sequence[int]) -> None:
        self._parts.append(clause)
        self._size += 1 + len(clause)
        self._rows.append(rows)
        self._tables.append(segment.table)
        if segment.new:
            self._new.append(segment.table)

    def _divide(self, segment: Segment) -> None:
        start = 0
        while start < len(segment.rows):
            end = self._reach(segment, start)
            if end > start:
                self._take(segment, _clause(segment.head, segment.texts[start:end]), segment.rows[start:end])
                start = end
            elif not self._tables:
                size = self._size + 3 + len(segment.head) + len(segment.texts[start])
                self.too_large.append((segment.rows[start], size))
                start += 1
                continue
            if start < len(segment.rows):
                self.finish()

    def _reach(self, segment: Segment, start: int) -> int:
        """The end of the rows from `start` on that still fit into the current statement."""
        size = self._size + 1 + len(segment.head)
        for end in range(start, len(segment.texts)):
            size += 2 + len(segment.texts[end])
            if size > self._limit:
                return end
        return len(segment.texts)


def _clause(head: bytes, texts: Sequence[bytes]) -> bytes:
    return b"%b(%b)" % (head, b")(".join(texts))
