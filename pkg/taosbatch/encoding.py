"""The encoder contract: raw record values in, INSERT statements and rejects out."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from taosbatch.guards import Guard

MAX_STATEMENT_BYTES = 1_048_576
"""The server's limit for one SQL statement, inclusive (TDengine 3.x: one byte more answers 0x0219)."""

Precision = Literal["ms", "us", "ns"]
NamesCase = Literal["exact", "lower"]


class Reason(StrEnum):
    """Why a record cannot become a row. The values are what dead letters and metrics carry."""

    MALFORMED = "malformed"
    SHAPE = "bad_shape"
    DEVICE = "bad_device"
    TIMESTAMP = "bad_timestamp"
    VALUE = "bad_value"
    TOO_LARGE = "too_large"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Layout:
    """How values become rows: frozen, shared by threads, replaced as a whole when the schema changes.

    `database` may be empty: names are then unqualified and the connection's database is meant. `guard` says
    what the live database and the layout's own supertable take; without one, the database alone judges.
    """

    database: str
    supertable: str
    codec: Literal["auto", "msgpack", "json"] = "auto"
    precision: Precision = "ms"
    names_case: NamesCase = "exact"
    max_statement_bytes: int = MAX_STATEMENT_BYTES
    guard: "Guard | None" = None


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that cannot be stored. `index` counts within the values of the call.

    `by_guard`: the layout's guard refused it. Another schema, or another time, may take it.
    """

    index: int
    reason: Reason
    detail: str
    device: str = ""
    code: int = 0
    by_guard: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One INSERT and the rows that it carries.

    `sql` is UTF-8, at most `Layout.max_statement_bytes` long. `rows` holds the indices of the values in it as
    unsigned 32-bit integers (`memoryview.cast("I")`), in no order that a caller may rely on; every index stands
    in exactly one statement or one reject of an `Encoded`. `tables` are the subtables written, each once;
    `new_tables` those that carry USING here.
    """

    sql: bytes
    rows: "memoryview[int]"
    tables: tuple[str, ...]
    new_tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Statements must be sent in the order given: equal timestamps of one device end as the last one sent."""

    statements: Sequence[Statement]
    rejects: Sequence[Reject]


@dataclass(frozen=True, slots=True)
class Stable:
    """What a batch needs of one supertable: names and column types as DDL writes them (`VARCHAR(64)`).

    The first column is the timestamp. Names are exact, without backticks.
    """

    database: str
    name: str
    columns: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]


class Encoder(Protocol):
    """Pure and thread-safe: no call changes the encoder."""

    def encode(self, values: Sequence[bytes], layout: Layout, known: Container[str]) -> Encoded:
        """Never raises for anything a value contains. `known`: subtables that are written without USING.

        Names in `known`, `Statement.tables` and `new_tables` are the subtable's exact names, unquoted; in
        another database than the layout's (a route may say so) `database.table`. ValueError for a layout whose
        own names are impossible, which no record can cause.
        """
        ...

    def infer(self, values: Sequence[bytes], layout: Layout) -> Sequence[Stable]:
        """The supertables that these values need, with types from the values; bad values are passed over."""
        ...
