"""What an audit has read, kept on disk and given back in order: its memory does not grow with the topic."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from taosbatch.literals import Value
from taosink.audit.readings import Reading

CACHE_KIB = 8 * 1024
"""Page cache and sorter each take so much memory; what is beyond goes to the file."""

_SCHEMA = """
CREATE TABLE letters (partition INT, position INT, PRIMARY KEY (partition, position)) WITHOUT ROWID;
CREATE TABLE readings (device TEXT, at INT, rest INT, partition INT, position INT, shape INT, cells BLOB);
CREATE TABLE unreadable (partition INT, position INT, device TEXT, reason TEXT, stamp INT);
CREATE TABLE disputed (device TEXT, at INT, dispute BLOB, PRIMARY KEY (device, at)) WITHOUT ROWID;
"""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[bool | int | float | str | None]).decode


class SpillError(Exception):
    """The temporary file cannot be made or written; the message names the directory and the reason."""


class Held(NamedTuple):
    """A reading with its origin. `dead`: there is a dead letter of it, so it need not be stored."""

    table: str
    at: int
    rest: int
    partition: int
    offset: int
    shape: int
    cells: Sequence[Value]
    dead: bool


class Unreadable(NamedTuple):
    """A record of which no row can be made. `timestamp_ms` is Kafka's stamp."""

    partition: int
    offset: int
    device: str
    reason: str
    timestamp_ms: int


class Spill:
    """A private SQLite file that is gone when it is closed, even by SIGKILL. For one thread.

    Sorting by SQLite rather than by device partitions in memory: one device may hold most of a topic, and a
    pass for each partition would read the topic as often from the broker. Every call may raise SpillError.
    """

    def __init__(self, directory: str = "") -> None:
        self._directory = directory
        try:
            # No name: SQLite unlinks the file as soon as it is open.
            self._db = sqlite3.connect("", isolation_level=None)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        try:
            if directory:
                quoted = directory.replace("'", "''")
                self._db.execute(f"PRAGMA temp_store_directory = '{quoted}'")
            for pragma in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(_SCHEMA)
            self._db.execute("BEGIN")
        except sqlite3.Error as error:
            self._db.close()
            raise self._failed(error) from error

    def __repr__(self) -> str:
        return f"<Spill in {self._directory or 'the temporary directory'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._db.close()

    def add_letters(self, origins: Iterable[tuple[int, int]]) -> int:
        """Notes origins (partition, offset) of dead letters; returns how many were new."""
        before = self._db.total_changes
        self._many("INSERT OR IGNORE INTO letters VALUES (?, ?)", origins)
        return self._db.total_changes - before

    def add_readings(self, found: Iterable[tuple[int, int, Reading]]) -> None:
        """(partition, offset, reading)."""
        rows = ((r.table, r.at, r.rest, p, o, r.shape, _pack(r.cells)) for p, o, r in found)
        self._many("INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def add_unreadable(self, found: Iterable[Unreadable]) -> None:
        self._many("INSERT INTO unreadable VALUES (?, ?, ?, ?, ?)", found)

    def readings(self) -> Iterator[Held]:
        """By device, then time; of the same time in the order of the partition. Sorts first, on disk."""
        for row in self._rows(
            "SELECT device, at, rest, r.partition, r.position, shape, cells, l.position IS NOT NULL"
            " FROM readings r LEFT JOIN letters l ON l.partition = r.partition AND l.position = r.position"
            " ORDER BY 1, 2, 4, 5"
        ):
            table, at, rest, partition, offset, shape, cells, dead = row
            yield Held(table, at, rest, partition, offset, shape, _unpack(cells), bool(dead))

    def unaccounted(self) -> Iterator[Unreadable]:
        """Records of which no row can be made, and which are not among the dead letters."""
        rows = self._rows(
            "SELECT u.* FROM unreadable u LEFT JOIN letters l"
            " ON l.partition = u.partition AND l.position = u.position WHERE l.position IS NULL ORDER BY 1, 2"
        )
        return (Unreadable(*row) for row in rows)

    def unreadable_dead(self) -> Iterator[tuple[int, int]]:
        """(partition, how many) unreadable records that are among the dead letters."""
        return self._rows(
            "SELECT u.partition, COUNT(*) FROM unreadable u JOIN letters l"
            " ON l.partition = u.partition AND l.position = u.position GROUP BY 1"
        )

    def dispute(self, table: str, at: int, dispute: bytes) -> None:
        """Keeps a row whose values are in doubt until later records have been read."""
        self._many("INSERT OR REPLACE INTO disputed VALUES (?, ?, ?)", [(table, at, dispute)])

    def disputed(self, table: str, at: int) -> bytes | None:
        found = next(
            self._rows("SELECT dispute FROM disputed WHERE device = ? AND at = ?", (table, at)), None
        )
        return found[0] if found else None

    def settle(self, table: str, at: int) -> None:
        self._many("DELETE FROM disputed WHERE device = ? AND at = ?", [(table, at)])

    def disputes(self) -> Iterator[tuple[str, int, bytes]]:
        return self._rows("SELECT device, at, dispute FROM disputed ORDER BY 1, 2")

    def _many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._db.executemany(sql, rows)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _rows(self, sql: str, values: Sequence[object] = ()) -> Iterator[tuple]:  # type: ignore[type-arg] # as SQLite gives them
        try:
            yield from self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> SpillError:
        place = self._directory or "the system's temporary directory"
        return SpillError(f"the audit's temporary file in {place} cannot be used: {error}")
