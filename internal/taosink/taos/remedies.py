"""What each class of refusal leads to: the rows of a refused statement end, or they have to wait."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

import structlog

from taosbatch.encoding import Reason, Reject, Statement
from taosink.taos.errors import TABLE_MISSING, ErrorClass, TaosError
from taosink.taos.schema import Snapshot
from taosink.taos.writing_tools import Halt, Remedy, Tools, Tried

log = structlog.get_logger()

_LEAST_LIMIT = 64 * 1024
_MOST_ISOLATING = 64

_ALTERATIONS = {0x2602: frozenset({Remedy.ADD}), 0x2653: frozenset({Remedy.WIDEN})}
"""Unknown column or tag; value too long. A wrong count may be either."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that the database refused: its rows (ascending), the schema that it was encoded for, and
    what has been tried for these rows before."""

    error: TaosError
    statement: Statement
    rows: list[int]
    snapshot: Snapshot
    tried: Tried

    @property
    def device(self) -> str:
        return self.statement.tables[0] if len(self.statement.tables) == 1 else ""

    def having(self, *remedies: Remedy) -> "Refusal":
        return replace(self, tried=self.tried | set(remedies))


class Rows(Protocol):
    """What remedies need of the batch that is being written."""

    def write(self, rows: Sequence[int], tried: Tried) -> None: ...
    def of(self, rows: Sequence[int]) -> Sequence[bytes]: ...
    def reject(self, reject: Reject) -> None: ...
    def park(self, refusal: Refusal) -> None: ...


class Remedies:
    """For one batch and one thread. Every method raises Halt where the rest of the batch has to wait."""

    def __init__(self, tools: Tools, batch: Rows) -> None:
        self._tools = tools
        self._batch = batch
        self._refused: list[Reject] = []
        self._isolating = 0

    def current(self) -> Snapshot:
        """The schema as it was last read."""
        try:
            return self._tools.schema.current(self._tools.driver)
        except TaosError as error:
            self._halt(error)

    def reread(self) -> Snapshot:
        """The schema as it is now."""
        try:
            return self._tools.schema.reread(self._tools.driver)
        except TaosError as error:
            self._halt(error)

    def answer(self, refusal: Refusal) -> None:
        match refusal.error.kind:
            case ErrorClass.REFRESH:
                self._refresh(refusal)
            case ErrorClass.SCHEMA_GAP:
                self._fill_gap(refusal)
            case ErrorClass.ROW_SCHEMA:
                self._fit(refusal)
            case ErrorClass.POISON:
                self._search(refusal)
            case ErrorClass.TOO_LONG:
                self._split(refusal)
            case ErrorClass.UNKNOWN:
                self._isolate(refusal)
            case _:
                raise Halt(refusal.error)

    def _refresh(self, refusal: Refusal) -> None:
        if Remedy.REREAD in refusal.tried:
            raise Halt(refusal.error)
        self._tools.known.forget(refusal.statement.tables)
        self.reread()
        self._again(refusal.having(Remedy.REREAD, Remedy.FORGET))

    def _fill_gap(self, refusal: Refusal) -> None:
        statement = refusal.statement
        using_everywhere = len(statement.new_tables) == len(statement.tables)
        subtable = refusal.error.code == TABLE_MISSING and not using_everywhere
        if subtable and Remedy.FORGET not in refusal.tried:
            self._tools.known.forget(statement.tables)
            self._again(refusal.having(Remedy.FORGET))
        else:
            # With USING everywhere the answer can only mean the supertable, or the database.
            self._create(refusal)

    def _create(self, refusal: Refusal) -> None:
        if Remedy.ENSURE in refusal.tried:
            raise Halt(refusal.error)
        tools = self._tools
        tools.known.clear()
        stables = tools.encoder.infer(self._batch.of(refusal.rows), refusal.snapshot.layout)
        try:
            tools.schema.ensure(tools.driver, stables)
            tools.schema.reread(tools.driver)
        except TaosError as error:
            if error.kind not in {ErrorClass.POISON, ErrorClass.ROW_SCHEMA}:
                self._halt(error)
            # The table that these rows ask for cannot be made: one row may spoil it for its neighbours.
            self._bisect(replace(refusal, error=error))
            return
        self._again(refusal.having(Remedy.ENSURE))

    def _fit(self, refusal: Refusal) -> None:
        """The rows need more than the schema has: let it grow if allowed, else refuse those that need it."""
        # A batch may lack a column and a width: the server names one of them at a time.
        wanted = _ALTERATIONS.get(refusal.error.code, {Remedy.ADD, Remedy.WIDEN}) - refusal.tried
        if not wanted:
            self._bisect(refusal)
            return
        fresh = self.reread()
        tried = refusal.having(*wanted, Remedy.REREAD)
        if _is_gap(fresh):
            self._create(tried)
        elif self._alter(wanted, refusal.rows, fresh) or fresh is not refusal.snapshot:
            self._again(tried)
        else:
            self._bisect(tried)

    def _alter(self, wanted: Collection[Remedy], rows: list[int], snapshot: Snapshot) -> bool:
        tools = self._tools
        stables = tools.encoder.infer(self._batch.of(rows), snapshot.layout)
        add, widen = Remedy.ADD in wanted, Remedy.WIDEN in wanted
        try:
            return tools.schema.widen(tools.driver, stables, add=add, widen=widen)
        except TaosError as error:
            self._halt(error)

    def _search(self, refusal: Refusal) -> None:
        """Drift looks like poison, so the schema is read again before the first row is suspected."""
        if Remedy.REREAD in refusal.tried:
            self._bisect(refusal)
            return
        fresh = self.reread()
        tried = refusal.having(Remedy.REREAD)
        if _is_gap(fresh):
            self._create(tried)
        elif fresh is not refusal.snapshot:
            self._again(tried)
        else:
            self._bisect(tried)

    def _bisect(self, refusal: Refusal) -> None:
        """Halves, left before right and deep before wide, until the refused rows stand alone."""
        error, rows = refusal.error, refusal.rows
        log.debug("taos.halving", code=f"0x{error.code:04X}", rows=len(rows), first_row=rows[0])
        self._ask(error, rows)
        if len(rows) == 1:
            self._reject(refusal, Reason.DATABASE)
            return
        for half in halves(rows):
            self._ask(error, half)
            self._batch.write(half, refusal.tried)

    def _ask(self, error: TaosError, rows: list[int]) -> None:
        if not self._tools.allow_poison(rows, self._refused):
            raise Halt(error)

    def _split(self, refusal: Refusal) -> None:
        if len(refusal.rows) == 1:
            self._reject(refusal, Reason.TOO_LARGE)
            return
        size = len(refusal.statement.sql)
        self._tools.limit = max(_LEAST_LIMIT, size // 2)
        log.warning(
            "taos.statement_too_long",
            bytes=size,
            limit=self._tools.limit,
            error=str(refusal.error),
            todo="raise the limit of the server or of the proxy before it; smaller statements cost it more",
        )
        for half in halves(refusal.rows):
            self._batch.write(half, refusal.tried)

    def _isolate(self, refusal: Refusal) -> None:
        """Nobody knows what it means: wait, and after long enough let the neighbours through."""
        if not self._tools.unknown.seen(refusal.error):
            raise Halt(refusal.error)
        if len(refusal.rows) == 1:
            self._batch.park(refusal)
            return
        for half in halves(refusal.rows):
            self._isolating += 1
            if self._isolating > _MOST_ISOLATING:
                raise Halt(refusal.error)
            self._batch.write(half, refusal.tried)

    def _again(self, refusal: Refusal) -> None:
        self._batch.write(refusal.rows, refusal.tried)

    def _reject(self, refusal: Refusal, reason: Reason) -> None:
        error = refusal.error
        reject = Reject(refusal.rows[0], reason, error.message, refusal.device, error.code)
        self._refused.append(reject)
        self._batch.reject(reject)

    def _halt(self, error: TaosError) -> NoReturn:
        if error.kind is ErrorClass.UNKNOWN:
            self._tools.unknown.seen(error)
        raise Halt(error) from error


def halves(rows: list[int]) -> tuple[list[int], list[int]]:
    middle = (len(rows) + 1) // 2
    return rows[:middle], rows[middle:]


def _is_gap(snapshot: Snapshot) -> bool:
    """Whether the layout's supertable is missing; a layout without one has its tables named by the encoder."""
    return snapshot.table is None and bool(snapshot.layout.supertable)
