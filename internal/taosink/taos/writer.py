"""The batch writer: encodes values, sends statements in order, and answers for every value."""

import time
from collections.abc import Callable, Sequence

from taosbatch.encoding import Encoder, Reject
from taosink.ports import Driver, PoisonGate, Written
from taosink.taos.known_tables import KnownTables
from taosink.taos.schema import LiveSchema
from taosink.taos.unknown_numbers import UnknownNumbers
from taosink.taos.writing import Writing
from taosink.taos.writing_tools import Tools


def _always(rows: Sequence[int], rejected: Sequence[Reject]) -> bool:
    del rows, rejected
    return True


class SqlBatchWriter:
    """A `taosink.ports.BatchWriter` of SQL text: one per worker thread, with a driver of its own.

    `schema`, `known` and `unknown` are shared by the writers of a process. `allow_poison` is asked before
    each step of a search for refused rows, with the rows in question (indices of this call) and the rejects
    that the database has made so far; where it says no, the rest waits with the last refusal as cause.
    `clock` gives nanoseconds since 1970.
    """

    def __init__(
        self,
        driver: Driver,
        encoder: Encoder,
        schema: LiveSchema,
        *,
        known: KnownTables | None = None,
        unknown: UnknownNumbers | None = None,
        allow_poison: PoisonGate = _always,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._tools = Tools(
            driver=driver,
            encoder=encoder,
            schema=schema,
            known=KnownTables() if known is None else known,
            unknown=UnknownNumbers() if unknown is None else unknown,
            allow_poison=allow_poison,
            clock=clock,
        )

    def __repr__(self) -> str:
        return f"<SqlBatchWriter {self._tools.driver!r} {self._tools.schema!r}>"

    def write(self, values: Sequence[bytes], owned: Callable[[], bool]) -> Written:
        """See `taosink.ports.BatchWriter`. What has to wait is not retried here: the caller owns backoff."""
        return Writing(self._tools, values, owned).run()

    def close(self) -> None:
        self._tools.driver.close()
