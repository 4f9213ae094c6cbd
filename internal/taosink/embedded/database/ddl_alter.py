"""ALTER TABLE and ALTER STABLE."""

from . import errors
from .catalogue import MAX_NAME, Stable
from .ddl_base import DdlStatement
from .ddl_columns import check_lengths, checked_name, data_type
from .types import VARIABLE_LENGTH, Column, DataType


class AlterTable(DdlStatement):
    """The reader stands behind STABLE or TABLE."""

    def run(self, *, stable_only: bool) -> None:
        database, name = self._in.full_name()
        verb = self._in.word("ADD", "DROP", "MODIFY", "RENAME", "SET")
        if verb == "SET":
            self._set_tag(database, name)
            return
        if verb is None:
            raise self._in.fail()
        tag = self._in.take("COLUMN", "TAG").kind == "TAG"
        column = self._in.name()
        new_name = self._in.name() if verb == "RENAME" else ""
        kind = data_type(self._in) if verb in ("ADD", "MODIFY") else None
        self._in.end()
        shape = self._shape(database, name, stable_only=stable_only)
        if kind is not None and verb == "ADD":
            self._add(shape, column, kind, tag=tag)
            return
        found = shape.tag(column) if tag else shape.column(column)
        if found is None:
            code = errors.TAG_NOT_EXIST if tag else errors.COLUMN_NOT_EXIST
            raise errors.TaosError(code, f"{'Tag' if tag else 'Column'} does not exist")
        if verb == "DROP":
            self._drop(shape, found, tag=tag)
        elif verb == "RENAME":
            self._store.replace_column(shape, found, Column(new_name, found.type, found.slot))
        elif kind is not None:
            if (
                kind.name != found.type.name
                or kind.name not in VARIABLE_LENGTH
                or kind.length <= found.type.length
            ):
                raise errors.TaosError(errors.INVALID_MODIFY, "The length can only be increased")
            _check_room(shape, kind, tag=tag, instead_of=found)
            self._store.replace_column(shape, found, Column(found.name, kind, found.slot))

    def _shape(self, database: str | None, name: str, *, stable_only: bool) -> Stable:
        home = self._home(database)
        shape = home.stables.get(name)
        if shape is None and not stable_only and name in home.tables:
            table = home.tables[name]
            if table.shape.normal:
                return table.shape
            raise errors.TaosError(errors.INVALID_ALTER, "Invalid alter table statement")
        if shape is None:
            raise (
                errors.TaosError(errors.STABLE_NOT_EXIST, "STable not exist")
                if stable_only
                else errors.no_table()
            )
        return shape

    def _add(self, shape: Stable, name: str, kind: DataType, *, tag: bool) -> None:
        checked_name(name, MAX_NAME)
        if shape.column(name) is not None:
            raise errors.TaosError(errors.COLUMN_EXISTS, "Column already exists")
        if shape.tag(name) is not None:
            raise errors.TaosError(errors.TAG_EXISTS, "Tag already exists")
        _check_room(shape, kind, tag=tag)
        self._store.add_column(shape, name, kind, tag=tag)

    def _drop(self, shape: Stable, column: Column, *, tag: bool) -> None:
        if column.slot == "ts":
            raise errors.TaosError(errors.DROP_PRIMARY_KEY, "Primary timestamp column cannot be dropped")
        if len(shape.tags if tag else shape.columns) <= (1 if tag else 2):
            raise errors.TaosError(errors.INVALID_DROP_COL, "No columns can be dropped")
        self._store.drop_column(shape, column)

    def _set_tag(self, database: str | None, name: str) -> None:
        self._in.take("TAG")
        tag_name = self._in.name()
        self._in.take("=")
        token, _ = self._literal()
        self._in.end()
        home = self._home(database)
        table = home.tables.get(name)
        if table is None and name not in home.stables:
            raise errors.no_table()
        if table is None or table.shape.normal:
            raise errors.TaosError(errors.INVALID_ALTER, "Set tag value only available for child table")
        tag = table.shape.tag(tag_name)
        if tag is None:
            raise errors.TaosError(errors.INVALID_TAG_NAME, f"Invalid tag name: {tag_name}")
        self._store.set_tag(table, tag, self._tag_value(table.shape, tag, token))


def _check_room(shape: Stable, kind: DataType, *, tag: bool, instead_of: Column | None = None) -> None:
    columns = [column.type for column in shape.columns if column is not instead_of]
    tags = [column.type for column in shape.tags if column is not instead_of]
    (tags if tag else columns).append(kind)
    check_lengths(columns, tags)
