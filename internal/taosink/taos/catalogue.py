"""Reads what the database says about itself. Every function makes driver calls and raises TaosError."""

import re
from dataclasses import dataclass
from typing import cast, get_args

from taosbatch.encoding import Precision
from taosink.ports import Driver
from taosink.taos.ddl import ColumnType, Table, column_type, qualified
from taosink.taos.errors import ErrorClass, Local, TaosError

_MINUTES = {"m": 1, "h": 60, "d": 1440, "": 1440}
_KEEP = re.compile(r"(\d+)([mhd]?)")


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """`keep_minutes` is how far back rows are taken; 0 where the server does not say."""

    name: str
    precision: Precision
    keep_minutes: int = 0


def read_database(driver: Driver, name: str) -> DatabaseInfo | None:
    """None where there is no such database (or this user may not see it)."""
    text = name.replace("\\", "\\\\").replace("'", "\\'")
    result = driver.query(
        f"SELECT `name`, `precision`, `keep` FROM information_schema.ins_databases WHERE `name`='{text}'"  # noqa: S608 - escaped above
    )
    for found, precision, keep in result.rows:
        if found == name:
            return DatabaseInfo(name, _precision(precision), _keep_minutes(str(keep or "")))
    return None


def read_table(driver: Driver, database: str, name: str) -> Table | None:
    """The table's columns and tags; None where the table or its database does not exist."""
    try:
        result = driver.query(f"DESCRIBE {qualified(database, name)}")
    except TaosError as error:
        if error.kind is ErrorClass.SCHEMA_GAP:
            return None
        raise
    columns: dict[str, ColumnType] = {}
    tags: dict[str, ColumnType] = {}
    keys = set()
    for row in result.rows:
        note = str(row[3] or "").strip().upper()
        into = tags if note == "TAG" else columns
        into[str(row[0])] = column_type(str(row[1]), int(row[2] or 0))
        if note.endswith(" KEY"):  # PRIMARY KEY, in later releases COMPOSITE KEY
            keys.add(str(row[0]))
    return Table(columns, tags, frozenset(keys))


def _precision(said: object) -> Precision:
    if said in get_args(Precision):
        return cast(Precision, said)
    raise TaosError(Local.PROTOCOL, f"the database names an unknown precision: {said!r}")


def _keep_minutes(text: str) -> int:
    """`5256000m,5256000m,5256000m`: the last tier is how far back rows are taken."""
    match = _KEEP.fullmatch(text.rpartition(",")[2].strip())
    return int(match[1]) * _MINUTES[match[2]] if match else 0
