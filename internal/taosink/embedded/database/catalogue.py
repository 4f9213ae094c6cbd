"""What exists: databases, supertables, tables. Plain objects, changed by the store's thread alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import errors
from .literals import Value
from .types import Column

MAX_TABLE_NAME = 192
MAX_NAME = 64


@dataclass(slots=True)
class Stable:
    """A supertable, or (without tags, `normal`) the shape of one normal table. Rows live in `r<id>`."""

    id: int
    database: "Database" = field(repr=False)
    name: str
    columns: tuple[Column, ...]
    tags: tuple[Column, ...]
    next_slot: int
    normal: bool = False

    def column(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)

    def tag(self, name: str) -> Column | None:
        return next((c for c in self.tags if c.name == name), None)


@dataclass(slots=True)
class Table:
    """A subtable, or a normal table (whose shape is its own)."""

    tid: int
    name: str
    shape: Stable


@dataclass(slots=True)
class Database:
    """`keep_minutes` bounds timestamps from below; `options` are shown, not acted upon."""

    id: int
    name: str
    precision: str
    keep_minutes: tuple[int, int, int]
    options: dict[str, str]
    created: int
    stables: dict[str, Stable] = field(default_factory=dict, repr=False)
    tables: dict[str, Table] = field(default_factory=dict, repr=False)
    rows_written: int = 0
    rows_overwritten: int = 0

    def stable(self, name: str) -> Stable:
        found = self.stables.get(name)
        if found is None:
            raise errors.TaosError(errors.STABLE_NOT_EXIST, "STable not exist")
        return found


@dataclass(slots=True)
class NewTable:
    """A subtable that a statement asks for: made when it runs, unless it is there by then."""

    stable: Stable
    name: str
    tags: Mapping[str, Value]


@dataclass(slots=True)
class Catalogue:
    databases: dict[str, Database] = field(default_factory=dict)

    def database(self, name: str) -> Database:
        found = self.databases.get(name)
        if found is None:
            raise errors.no_database()
        return found
