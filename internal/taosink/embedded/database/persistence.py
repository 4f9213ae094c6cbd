"""The catalogue's objects as the JSON that the data file keeps."""

import json
from collections.abc import Sequence

from .catalogue import Database, Stable
from .types import Column, DataType


def database_body(database: Database) -> str:
    return json.dumps(
        {
            "precision": database.precision,
            "keep": database.keep_minutes,
            "options": database.options,
            "created": database.created,
        }
    )


def database_of(id_: int, name: str, body: str) -> Database:
    fields = json.loads(body)
    return Database(
        id_, name, fields["precision"], tuple(fields["keep"]), fields["options"], fields["created"]
    )


def stable_body(stable: Stable) -> str:
    def listed(columns: Sequence[Column]) -> list[list[object]]:
        return [[c.name, c.type.name, c.type.length, c.slot] for c in columns]

    return json.dumps(
        {
            "columns": listed(stable.columns),
            "tags": listed(stable.tags),
            "next": stable.next_slot,
            "normal": stable.normal,
        }
    )


def stable_of(id_: int, database: Database, name: str, body: str) -> Stable:
    fields = json.loads(body)

    def columns(key: str) -> tuple[Column, ...]:
        return tuple(Column(n, DataType(t, length), slot) for n, t, length, slot in fields[key])

    return Stable(id_, database, name, columns("columns"), columns("tags"), fields["next"], fields["normal"])
