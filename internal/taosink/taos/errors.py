"""What a TDengine error number means for the rows that were being written. One table; drivers only report."""

import re
import threading
from collections.abc import Mapping
from enum import IntEnum, StrEnum

import structlog

log = structlog.get_logger()


class ErrorClass(StrEnum):
    """What to do about an answer. The values are what logs, metrics and dead letters carry."""

    UNAVAILABLE = "unavailable"
    """Connection or server state: wait, then the same statement again, without end."""
    FULL = "full"
    """No disk, memory, vnodes or quota left: as UNAVAILABLE, and somebody has to make room."""
    REFRESH = "refresh"
    """The server or its client worked from an old schema: read it again, then retry."""
    SCHEMA_GAP = "schema_gap"
    """No database, supertable or table: create it if allowed, else wait for somebody who does."""
    ROW_SCHEMA = "row_schema"
    """Rows need a column, tag or width that is not there: ALTER if allowed, else those rows are refused."""
    POISON = "poison"
    """A row cannot be stored: find it by halving and refuse it alone."""
    TOO_LONG = "too_long"
    """The statement is longer than the server or a proxy takes: split it."""
    DDL_RACE = "ddl_race"
    """Somebody else created it first: success for DDL."""
    FATAL = "fatal"
    """Credentials, permission, licence or set-up: nothing works until an operator has mended it."""
    UNKNOWN = "unknown"
    """A number that nobody has judged yet: waited on, never taken for bad data."""


class Local(IntEnum):
    """Numbers for what happens on this side, above the server's 16 bits so that they never meet."""

    CONNECT = 0x1_0001
    TIMEOUT = 0x1_0002
    BROKEN = 0x1_0003
    PROTOCOL = 0x1_0004
    BUSY = 0x1_0005
    REFUSED = 0x1_0006
    TLS = 0x1_0007
    TOO_LARGE = 0x1_0008
    LIBRARY = 0x1_0009
    ANSWER_SIZE = 0x1_000A


TABLE_MISSING = 0x2603
TABLE_GONE = 0x0618
DATABASE_MISSING = 0x0388
DATABASE_CREATING = 0x0396
TRANSACTION_CONFLICT = 0x03D3

_CODES: dict[ErrorClass, tuple[int, ...]] = {
    ErrorClass.UNAVAILABLE: (
        # The connection: a dead server answers 0x0020 after ten seconds.
        *(0x000B, 0x0015, 0x0018, 0x0019, 0x0020, 0x0021, 0x0022, 0x0023, 0x0024, 0x0213),
        # The node: out of memory, busy, timed out, starting, stopping; objects being made or dropped.
        *(0x0102, 0x0111, 0x0125, 0x0126, 0x012C, 0x0130, 0x0131, 0x032C, 0x032D, 0x0386, 0x0396),
        # Transactions, an offline dnode, a vnode that moved or stopped.
        *(0x03D3, 0x03D5, 0x03D7, 0x0408, 0x0503, 0x0520, 0x0522, 0x0528, 0x0529),
        # Replication: no leader, restoring, timed out; the scheduler.
        *(0x0903, 0x090C, 0x0911, 0x0914, 0x0916, 0x0917, 0x0918, 0x09FF, 0x2402),
        *(Local.CONNECT, Local.TIMEOUT, Local.BROKEN, Local.PROTOCOL, Local.BUSY),
    ),
    ErrorClass.FULL: (
        # Disk (node, vnode, system, WAL), licence speed and storage, dnodes, dnode memory, vnodes.
        *(0x0129, 0x012B, 0x012E, 0x0613, 0x2208, 0x0808, 0x0809, 0x0334, 0x03B1, 0x03BA),
    ),
    ErrorClass.REFRESH: (
        # Table schema old, supertable schema old, table gone, table id invalid; a bad MODIFY means that the
        # column is not what we thought; no table meta tells nothing by itself.
        *(0x061B, 0x03C6, TABLE_GONE, 0x0600, 0x264B, 0x2662),
    ),
    ErrorClass.SCHEMA_GAP: (*(DATABASE_MISSING, 0x0217, 0x0380, 0x2616, 0x0362, 0x061A, TABLE_MISSING),),
    ErrorClass.ROW_SCHEMA: (
        # Unknown column or tag, value too long, tag count, column count.
        *(0x2602, 0x2653, 0x260D, 0x263F),
    ),
    ErrorClass.POISON: (
        # 0x0216 covers syntax, type, overflow, NULL time and a short row; 0x0200 names; 0x060B is KEEP.
        *(0x0216, 0x060B, 0x0127, 0x0224, 0x266A, 0x267B, 0x267C, 0x2617, 0x061D, 0x3002, 0x3004),
        *(0x0200, 0x2600, 0x2601, 0x263C, 0x263D, 0x263E, 0x2640, 0x2641, 0x2642, 0x2643),
    ),
    ErrorClass.TOO_LONG: (0x0219, Local.TOO_LARGE),
    ErrorClass.DDL_RACE: (0x0381, 0x0360, 0x0603, 0x0369, 0x036B),
    ErrorClass.FATAL: (
        *range(0x0350, 0x0359),
        # Address not on the white list; no permission (mnode, vnode, parser); licence.
        *(0x0134, 0x0303, 0x0512, 0x2644, 0x0800),
        # taosAdapter: no, unknown or malformed authorization header.
        *(0x1105, 0x1122, 0x1124),
        *(Local.REFUSED, Local.TLS, Local.LIBRARY),
    ),
    ErrorClass.UNKNOWN: (Local.ANSWER_SIZE,),
}

CLASS_OF: Mapping[int, ErrorClass] = {code: kind for kind, codes in _CODES.items() for code in codes}
"""Every number with a class of its own."""

_MEANS = {
    ErrorClass.UNAVAILABLE: "nothing is lost, writing goes on when TDengine answers again",
    ErrorClass.FULL: "nothing is lost, writing goes on when TDengine has room: add disk, vnodes or quota",
    ErrorClass.REFRESH: "nothing is lost, the schema is read again",
    ErrorClass.SCHEMA_GAP: "nothing is lost, its rows wait until the table exists",
    ErrorClass.ROW_SCHEMA: "rows that the live schema cannot hold are refused, the others are stored",
    ErrorClass.POISON: "the rows that the database refuses are refused, the others are stored",
    ErrorClass.TOO_LONG: "nothing is lost, the statement is split",
    ErrorClass.DDL_RACE: "nothing is lost, it exists already",
    ErrorClass.FATAL: "no data is touched until this is mended: credentials, permission, licence or set-up",
    ErrorClass.UNKNOWN: "nothing is lost, its rows wait",
}


_QUOTED = re.compile(r"\bnear\s+(['\"])(?:.*\1|.*$)", re.DOTALL)


def unquoted(message: str) -> str:
    """A server's words without the piece of the statement that they quote, which may hold a device's values."""
    return _QUOTED.sub("near ...", message)


def normal(code: int) -> int:
    """A driver's number as this table knows it: local numbers as they are, others by their low 16 bits."""
    return code if 0x1_0000 < code < 0x1_FFFF else code & 0xFFFF


def classify(code: int) -> ErrorClass:
    """The class of a number, in any form that a driver reports it in; UNKNOWN for one that is not listed."""
    return CLASS_OF.get(normal(code), ErrorClass.UNKNOWN)


class TaosError(Exception):
    """A failed call: its number, the server's own words, the endpoint (without secrets), and its class."""

    def __init__(self, code: int, message: str, server: str = "", *, kind: ErrorClass | None = None) -> None:
        super().__init__(code, message, server)
        self.code = normal(code)
        self.message = message
        self.server = server
        self.kind = classify(code) if kind is None else kind

    @property
    def answer(self) -> str:
        """What happened, without what it means for rows that wait: for a caller that has none."""
        return self._said(self.message)

    def __str__(self) -> str:
        # It goes into logs, where no row's values are to stand.
        return f"{self._said(unquoted(self.message))} ({_MEANS[self.kind]})"

    def _said(self, message: str) -> str:
        place = f" at {self.server}" if self.server else ""
        # A number of this side is nobody's answer, and tells an operator nothing.
        said = f"TDengine answered 0x{self.code:04X}{place}" if self.code <= 0xFFFF else f"TDengine{place}"
        return f"{said}: {message}"

    def __repr__(self) -> str:
        return f"TaosError(0x{self.code:04X}, {self.message!r}, {self.kind.value}, {self.server!r})"


_reported: set[int] = set()
_reported_lock = threading.Lock()


def report_unknown(error: TaosError) -> None:
    """Asks, once per number and process, that a number without a class be reported. Thread-safe."""
    with _reported_lock:
        if error.code in _reported:
            return
        _reported.add(error.code)
    log.warning(
        "taos.unknown_error",
        code=f"0x{error.code:04X}",
        message=unquoted(error.message),
        server=error.server,
        effect="its rows wait; none is lost, none is dead-lettered",
        todo="report this number and message to the taosink project, so that it gets a class",
    )
