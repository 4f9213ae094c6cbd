"""The Protocols that the application is written against."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from taosbatch.batch import Chunk
from taosbatch.encoding import Reject


class SourceMessage(Protocol):
    """What the application needs of a Kafka message; confluent_kafka.Message is one."""

    def topic(self) -> str | None: ...
    def partition(self) -> int | None: ...
    def offset(self) -> int | None: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...
    def timestamp(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a SELECT or SHOW: column names, and rows as the driver gives them."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Driver(Protocol):
    """One connection to TDengine, used by one thread at a time. It connects at its first call and again after
    a failure; every failure is raised as `taosink.taos.errors.TaosError`, classified by number."""

    def execute(self, sql: bytes | str) -> int:
        """Runs one statement; returns affected rows. Blocks at most for the driver's timeout."""
        ...

    def query(self, sql: str) -> Result:
        """Runs one statement that returns rows."""
        ...

    def close(self) -> None:
        """Idempotent; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch's values: every index that is in neither list is stored (acknowledged).

    `waiting` (ascending) were neither stored nor refused, because of `cause`: hand them back and try again
    after about `delay` seconds. A resend is safe: the same (subtable, timestamp) merges.
    """

    rejects: Sequence[Reject]
    waiting: Sequence[int]
    cause: Exception | None = None
    delay: float = 0.0


PoisonGate = Callable[[Sequence[int], Sequence[Reject]], bool]
"""Asked before each step of a search for refused rows, with the rows in question (indices of the call) and the
database's rejects of this call so far: False ends the search, and the rest waits."""


class BatchWriter(Protocol):
    """The worker's seam: nothing above it knows of SQL. One per worker thread."""

    def write(self, values: Sequence[bytes], owned: Callable[[], bool]) -> Written:
        """Blocks for as long as the database takes to answer; never raises for data or database errors.

        `owned` is asked before each statement; where it says no (an epoch ended, or a stop abandons), the
        rest comes back as waiting, with delay 0. `attempt`-free: the caller owns backoff across calls.
        """
        ...

    def close(self) -> None: ...


class DeadLetters(Protocol):
    """Records that cannot be stored, on their way into the dead-letter topic."""

    def publish(self, source: SourceMessage, reject: Reject, done: Callable[[], None]) -> bool:
        """Hands one over without blocking; thread-safe. `done` is called once, from another thread, when the
        broker has acknowledged it. False where the bound on unacknowledged letters is reached: try later."""
        ...


class StoredAnswers(Protocol):
    """Who tells devices that their records are stored. Best effort: neither blocks nor raises."""

    def stored(self, chunk: Chunk, but: Collection[int]) -> None:
        """All records of the chunk are stored but those numbered in `but`."""
        ...
