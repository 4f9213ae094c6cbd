"""DDL as text, and what a supertable lacks of what a batch needs. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from taosbatch.encoding import Precision, Stable
from taosbatch.judges import WIDEST_COLUMN, WIDEST_TAG

_TYPE = re.compile(r"\s*([A-Za-z]+(?:\s+UNSIGNED)?)\s*(?:\(\s*(\d+)\s*\))?\s*", re.IGNORECASE)
_SAME_TYPE = {"BINARY": "VARCHAR"}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type's name in capitals; `length` is in bytes (NCHAR: characters), 0 where it has no meaning."""

    name: str
    length: int = 0

    def __str__(self) -> str:
        return f"{self.name}({self.length})" if self.length else self.name

    @property
    def can_widen(self) -> bool:
        return self.name in WIDEST_COLUMN


@dataclass(frozen=True, slots=True)
class Table:
    """A supertable as it is: columns (the timestamp first) and tags, by exact name, in the server's order.

    `keys`: the columns that make a composite primary key with the timestamp.
    """

    columns: Mapping[str, ColumnType] = field(default_factory=dict)
    tags: Mapping[str, ColumnType] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()


def column_type(text: str, length: int | None = None) -> ColumnType:
    """`VARCHAR(64)` as DDL writes it, or a bare name and the length beside it as DESCRIBE gives it."""
    match = _TYPE.fullmatch(text)
    if match is None:
        return ColumnType(text.strip().upper())
    name = " ".join(match[1].upper().split())
    name = _SAME_TYPE.get(name, name)
    if name not in WIDEST_COLUMN:
        return ColumnType(name)
    return ColumnType(name, int(match[2]) if match[2] else length or 0)


def quoted(name: str) -> str:
    """The name in backticks; raises ValueError for what backticks cannot hold."""
    if "`" in name or "\x00" in name or not name:
        raise ValueError(f"TDengine cannot hold the name {name!r}")
    return f"`{name}`"


def qualified(database: str, name: str) -> str:
    return f"{quoted(database)}.{quoted(name)}" if database else quoted(name)


def create_database(name: str, precision: Precision, options: str = "") -> str:
    return f"CREATE DATABASE IF NOT EXISTS {quoted(name)} PRECISION '{precision}' {options}".rstrip()


def strict(create: str) -> str:
    """The same, refused where it exists already: with IF NOT EXISTS the answer does not tell who made it."""
    return create.replace(" IF NOT EXISTS", "", 1)


def create_stable(stable: Stable) -> str:
    return (
        f"CREATE STABLE IF NOT EXISTS {qualified(stable.database, stable.name)}"
        f" ({_fields(stable.columns)}) TAGS ({_fields(stable.tags)})"
    )


def alterations(live: Table, wanted: Stable, *, add: bool = True, widen: bool = True) -> Sequence[str]:
    """The ALTER statements that let `live` hold what `wanted` holds; types are never changed, only widened.

    The timestamp column is left alone: its name is the layout's, not the batch's.
    """
    table = qualified(wanted.database, wanted.name)
    kinds = (
        ("COLUMN", live.columns, wanted.columns[1:], WIDEST_COLUMN),
        ("TAG", live.tags, wanted.tags, WIDEST_TAG),
    )
    statements = []
    for kind, existing, fields, widest in kinds:
        for name, text in fields:
            need = column_type(text)
            have = existing.get(name)
            if have is None:
                if add:
                    statements.append(f"ALTER STABLE {table} ADD {kind} {quoted(name)} {need}")
            elif widen and have.can_widen and need.can_widen:
                width = min(need.length, widest[have.name])
                if width > have.length:
                    wider = ColumnType(have.name, width)
                    statements.append(f"ALTER STABLE {table} MODIFY {kind} {quoted(name)} {wider}")
    return statements


def _fields(fields: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{quoted(name)} {text}" for name, text in fields)
