"""information_schema, SHOW and DESCRIBE: what the catalogue says of itself."""

from collections.abc import Callable, Sequence

from . import errors
from .catalogue import Database, Stable
from .literals import Value
from .store import Store
from .types import BIGINT, INT, TIMESTAMP, UBIGINT_BIAS, Column, DataType, varchar

SCHEMA_DATABASE = "information_schema"
Columns = Sequence[tuple[str, DataType]]
Listing = tuple[Columns, list[tuple[Value, ...]]]

_SETTINGS = {
    "vgroups": "2",
    "replica": "1",
    "duration": "10d",
    "buffer": "256",
    "cachemodel": "none",
    "wal_level": "1",
    "stt_trigger": "2",
}


def schema_table(store: Store, name: str) -> Listing:
    """One table of information_schema. Raises the server's own answer to a name that is none."""
    tables: dict[str, Callable[[Store], Listing]] = {
        "ins_databases": _databases,
        "ins_stables": _stables,
        "ins_tables": _tables,
        "ins_tags": _tags,
        "ins_columns": _columns,
    }
    if name not in tables:
        raise errors.TaosError(errors.GET_META, "Fail to get table info, error: Table does not exist")
    return tables[name](store)


def _each(store: Store) -> list[Database]:
    return list(store.catalogue.databases.values())


def keep_text(database: Database) -> str:
    return ",".join(f"{minutes}m" for minutes in database.keep_minutes)


def _databases(store: Store) -> Listing:
    columns = [
        ("name", varchar(64)),
        ("create_time", TIMESTAMP),
        ("vgroups", INT),
        ("ntables", BIGINT),
        ("replica", INT),
        ("duration", varchar(10)),
        ("keep", varchar(32)),
        ("buffer", INT),
        ("precision", varchar(2)),
        ("status", varchar(10)),
        ("cachemodel", varchar(60)),
        ("wal_level", INT),
        ("stt_trigger", INT),
    ]
    rows: list[tuple[Value, ...]] = []
    for database in _each(store):
        options = _SETTINGS | database.options
        duration = options["duration"] if options["duration"][-1].isalpha() else options["duration"] + "d"
        rows.append(
            (
                database.name,
                database.created,
                int(options["vgroups"]),
                len(database.tables),
                int(options["replica"]),
                duration,
                keep_text(database),
                int(options["buffer"]),
                database.precision,
                "ready",
                options["cachemodel"],
                int(options["wal_level"]),
                int(options["stt_trigger"]),
            )
        )
    return columns, rows


def _stables(store: Store) -> Listing:
    columns = [
        ("stable_name", varchar(192)),
        ("db_name", varchar(64)),
        ("create_time", TIMESTAMP),
        ("columns", INT),
        ("tags", INT),
    ]
    return columns, [
        (s.name, d.name, d.created, len(s.columns), len(s.tags))
        for d in _each(store)
        for s in d.stables.values()
    ]


def _tables(store: Store) -> Listing:
    columns = [
        ("table_name", varchar(192)),
        ("db_name", varchar(64)),
        ("create_time", TIMESTAMP),
        ("columns", INT),
        ("stable_name", varchar(192)),
        ("type", varchar(21)),
    ]
    rows: list[tuple[Value, ...]] = []
    for database in _each(store):
        for table in database.tables.values():
            shape = table.shape
            stable, kind = (None, "NORMAL_TABLE") if shape.normal else (shape.name, "CHILD_TABLE")
            rows.append((table.name, database.name, database.created, len(shape.columns), stable, kind))
    return columns, rows


def _tags(store: Store) -> Listing:
    columns = [
        ("table_name", varchar(192)),
        ("db_name", varchar(64)),
        ("stable_name", varchar(192)),
        ("tag_name", varchar(64)),
        ("tag_type", varchar(32)),
        ("tag_value", varchar(16384)),
    ]
    rows: list[tuple[Value, ...]] = []
    for database in _each(store):
        for stable in database.stables.values():
            slots = ",".join(t.slot for t in stable.tags)
            listed = f"select name,{slots} from g{stable.id} order by tid"  # noqa: S608 - slots are made here
            for name, *values in store.query(listed):
                for tag, value in zip(stable.tags, values, strict=True):
                    shown = _tag_text(tag, value)
                    rows.append((name, database.name, stable.name, tag.name, tag.type.ddl, shown))
    return columns, rows


def _tag_text(tag: Column, value: Value) -> str | None:
    if value is None:
        return None
    if tag.type.name == "BOOL":
        return "true" if value else "false"
    if tag.type.name == "BIGINT UNSIGNED" and isinstance(value, int):
        return str(value + UBIGINT_BIAS)
    if isinstance(value, bytes):
        return "\\x" + value.hex().upper()
    return f"{value:f}" if isinstance(value, float) else str(value)


def _columns(store: Store) -> Listing:
    columns = [
        ("table_name", varchar(192)),
        ("db_name", varchar(64)),
        ("table_type", varchar(21)),
        ("col_name", varchar(64)),
        ("col_type", varchar(32)),
        ("col_length", INT),
    ]
    rows: list[tuple[Value, ...]] = []
    for database in _each(store):
        shapes: list[tuple[str, str, Stable]] = [
            (s.name, "SUPER_TABLE", s) for s in database.stables.values()
        ]
        for table in database.tables.values():
            kind = "NORMAL_TABLE" if table.shape.normal else "CHILD_TABLE"
            shapes.append((table.name, kind, table.shape))
        for name, kind, shape in shapes:
            rows += [
                (name, database.name, kind, c.name, c.type.ddl, c.type.stored_bytes) for c in shape.columns
            ]
    return columns, rows
