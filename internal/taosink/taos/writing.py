"""One batch on its way into the database: encoded, sent in order, and every value accounted for."""

from collections.abc import Callable, Container, Sequence
from dataclasses import replace

import structlog

from taosbatch.encoding import Encoded, Layout, Reason, Reject, Statement
from taosink.ports import Written
from taosink.taos.errors import ErrorClass, TaosError
from taosink.taos.remedies import Refusal, Remedies, halves
from taosink.taos.schema import Snapshot
from taosink.taos.writing_tools import Halt, Remedy, Tools, Tried

log = structlog.get_logger()

_DELAYS = {
    ErrorClass.FULL: 5.0,
    ErrorClass.SCHEMA_GAP: 5.0,
    ErrorClass.FATAL: 30.0,
    ErrorClass.UNKNOWN: 5.0,
    ErrorClass.POISON: 60.0,
    ErrorClass.ROW_SCHEMA: 60.0,
}


class Writing:
    """The writing of one batch: used once, by one thread.

    Rows are named by their index in `values`. What is neither stored nor refused when the run ends waits, so
    no path through here can lose a row. Rows are written in ascending order at every step, and a refusal's
    consequences end before the next statement is sent: so equal timestamps end as the last value.
    """

    def __init__(self, tools: Tools, values: Sequence[bytes], owned: Callable[[], bool]) -> None:
        self._tools = tools
        self._values = values
        self._owned = owned
        self._remedies = Remedies(tools, self)
        self._stored: set[int] = set()
        self._rejects: list[Reject] = []
        self._held: set[str] = set()
        self._parked_by: TaosError | None = None
        self._sent = 0
        self._reread = False
        # Every row refused alone costs two statements a row; remedies add a few.
        self._most = 64 + 4 * len(values)

    def run(self) -> Written:
        """Blocks for as long as the database takes to answer."""
        try:
            self.write(range(len(self._values)), frozenset())
        except Halt as halt:
            return self._written(self._waiting(), halt.cause)
        waiting = self._waiting()
        if waiting and self._parked_by is None:
            log.error("taos.rows_unaccounted", rows=len(waiting), todo="report this; the rows wait")
            defect = RuntimeError("the encoder left values without a statement or reject")
            return self._written(waiting, defect)
        return self._written(waiting, self._parked_by)

    def write(self, rows: Sequence[int], tried: Tried) -> None:
        """Encodes these rows (ascending) and sends their statements in order. Raises Halt."""
        known: Container[str] = () if Remedy.FORGET in tried else self._tools.known
        snapshot, encoded = self._guarded(self.of(rows), known)
        self._rejects += [replace(r, index=rows[r.index]) for r in encoded.rejects]
        for statement in encoded.statements:
            if self._held and not self._held.isdisjoint(statement.tables):
                self._hold_back(statement, rows, tried)
            else:
                self._send(statement, rows, snapshot, tried)

    def of(self, rows: Sequence[int]) -> Sequence[bytes]:
        """The values of these rows."""
        if len(rows) == len(self._values):
            return self._values
        return [self._values[i] for i in rows]

    def reject(self, reject: Reject) -> None:
        """Ends a row as refused."""
        self._rejects.append(reject)

    def park(self, refusal: Refusal) -> None:
        """Lets this row wait while others go on; later rows of its subtable wait too, so that order is kept."""
        self._parked_by = refusal.error
        self._held.update(refusal.statement.tables)

    def _guarded(self, values: Sequence[bytes], known: Container[str]) -> tuple[Snapshot, Encoded]:
        """A guard's refusal counts only by a schema that was read after the rows had come."""
        snapshot = self._remedies.current()
        encoded = self._encode(values, snapshot.layout, known)
        if self._reread or not any(reject.by_guard for reject in encoded.rejects):
            return snapshot, encoded
        self._reread = True
        fresh = self._remedies.reread()
        if fresh is not snapshot:
            encoded = self._encode(values, fresh.layout, known)
        return fresh, encoded

    def _encode(self, values: Sequence[bytes], layout: Layout, known: Container[str]) -> Encoded:
        if layout.guard is not None:
            layout = replace(layout, guard=layout.guard.at(self._tools.clock()))
        limit = self._tools.limit
        if limit is not None and limit < layout.max_statement_bytes:
            shorter = replace(layout, max_statement_bytes=limit)
            encoded = self._tools.encoder.encode(values, shorter, known)
            # A row too large for a limit that was only found out is still one that the server may take.
            if not any(r.reason is Reason.TOO_LARGE for r in encoded.rejects):
                return encoded
        return self._tools.encoder.encode(values, layout, known)

    def _send(self, statement: Statement, rows: Sequence[int], snapshot: Snapshot, tried: Tried) -> None:
        if not self._owned():
            raise Halt(None)
        self._sent += 1
        try:
            self._tools.driver.execute(statement.sql)
        except TaosError as error:
            if self._sent > self._most:
                raise Halt(error) from error
            mine = sorted(rows[i] for i in statement.rows)
            self._remedies.answer(Refusal(error, statement, mine, snapshot, tried))
            return
        self._tools.unknown.succeeded()
        self._tools.known.learn(statement.tables)
        whole = len(rows) == len(self._values)
        self._stored.update(statement.rows if whole else (rows[i] for i in statement.rows))

    def _hold_back(self, statement: Statement, rows: Sequence[int], tried: Tried) -> None:
        """A statement that holds rows of a parked subtable is divided until the others can go on without."""
        mine = sorted(rows[i] for i in statement.rows)
        if len(statement.tables) > 1:
            for half in halves(mine):
                self.write(half, tried)

    def _written(self, waiting: list[int], cause: Exception | None) -> Written:
        if not waiting:
            return Written(self._rejects, waiting)
        delay = _DELAYS.get(cause.kind, 0.0) if isinstance(cause, TaosError) else 0.0
        return Written(self._rejects, waiting, cause, delay)

    def _waiting(self) -> list[int]:
        if not self._rejects and len(self._stored) == len(self._values):
            return []
        ended = self._stored.union(r.index for r in self._rejects)
        return [i for i in range(len(self._values)) if i not in ended]
