"""CREATE and DROP of supertables and tables."""

from . import errors
from .catalogue import Database, NewTable, Stable
from .ddl_base import DdlStatement
from .ddl_columns import Columns, check_lengths, column_list
from .ddl_options import table_options
from .literals import Value
from .tokens import Token

MAX_COLUMNS, MAX_TAGS = 4096, 128
# SQLite's own limit of 2,000, less its keys: wider tables are not supported here.
_SQLITE_COLUMNS = 1_990


class TableDdl(DdlStatement):
    """The reader stands behind STABLE or TABLE."""

    def create_stable(self) -> None:
        tolerant = self._in.if_exists(negated=True)
        database, name = self._new_table_name()
        self._create_shape(database, name, column_list(self._in), tolerant=tolerant, stable=True)

    def create_table(self) -> None:
        tolerant = self._in.if_exists(negated=True)
        database, name = self._new_table_name()
        if self._in.peek().kind == "USING":
            self._create_subtables(database, name, tolerant=tolerant)
        else:
            self._create_shape(database, name, column_list(self._in), tolerant=tolerant, stable=False)

    def _create_shape(
        self, database: str | None, name: str, columns: Columns, *, tolerant: bool, stable: bool
    ) -> None:
        tags: Columns = []
        if stable or self._in.peek().kind == "TAGS":
            self._in.take("TAGS")
            tags = column_list(self._in)
        table_options(self._in)
        self._in.end()
        home = self._home(database)
        _check_shape(columns, tags)
        self._check_free(home, name, stable=bool(tags), tolerant=tolerant)
        if name not in home.tables and name not in home.stables:
            self._store.create_stable(home, name, columns, tags, normal=not tags)

    def _check_free(self, home: Database, name: str, *, stable: bool, tolerant: bool) -> None:
        if name not in home.stables and name not in home.tables:
            return
        if stable != (name in home.stables):
            raise errors.TaosError(errors.TABLE_EXISTS, "Table already exists")
        if not tolerant:
            code = errors.STABLE_EXISTS if stable else errors.TABLE_EXISTS
            raise errors.TaosError(code, f"{'STable' if stable else 'Table'} already exists")

    def _create_subtables(self, database: str | None, name: str, *, tolerant: bool) -> None:
        wanted = [(self._subtable(database, name), tolerant)]
        while self._in.peek().kind != "":
            tolerant = self._in.if_exists(negated=True)
            database, name = self._new_table_name()
            wanted.append((self._subtable(database, name), tolerant))
        self._in.end()
        fresh: list[NewTable] = []
        for table, tolerant in wanted:
            home = table.stable.database
            there = home.tables.get(table.name)
            if there is not None and not tolerant:
                raise errors.TaosError(errors.TABLE_EXISTS, "Table already exists")
            if there is None and all(f.name != table.name for f in fresh):
                fresh.append(table)
        self._store.create_tables(fresh)

    def _subtable(self, database: str | None, name: str) -> NewTable:
        self._in.take("USING")
        stable_database, stable_name = self._in.full_name()
        named: list[str] | None = None
        if self._in.accept("("):
            named = [self._in.name()]
            while self._in.accept(","):
                named.append(self._in.name())
            self._in.take(")")
        self._in.take("TAGS")
        values = self._tag_literals()
        table_options(self._in)
        home = self._home(stable_database)
        if (database or self._current) != home.name:
            raise errors.TaosError(errors.OTHER_DATABASE, "Corresponding super table not in this db")
        stable = home.stables.get(stable_name)
        if stable is None:
            raise errors.no_table()
        return NewTable(stable, name, self._tag_values(stable, named, values))

    def _tag_literals(self) -> list[tuple[Token, int]]:
        self._in.take("(")
        values = [self._literal()]
        while self._in.accept(","):
            values.append(self._literal())
        self._in.take(")")
        return values

    def _tag_values(
        self, stable: Stable, named: list[str] | None, values: list[tuple[Token, int]]
    ) -> dict[str, Value]:
        bound = list(stable.tags)
        if named is not None:
            bound = []
            for name in named:
                tag = stable.tag(name)
                if tag is None:
                    raise errors.TaosError(errors.INVALID_TAG_NAME, f"Invalid tag name: {name}")
                bound.append(tag)
        if len(bound) != len(values):
            raise errors.TaosError(errors.TAGS_NOT_MATCHED, "Tags number not matched")
        return {
            tag.slot: self._tag_value(stable, tag, token)
            for tag, (token, _) in zip(bound, values, strict=True)
        }

    def drop_stable(self) -> None:
        tolerant = self._in.if_exists(negated=False)
        database, name = self._in.full_name()
        self._in.end()
        home = self._home(database)
        if tolerant and name not in home.stables:
            return
        self._store.drop_stable(home.stable(name))

    def drop_tables(self) -> None:
        wanted = [(self._in.if_exists(negated=False), *self._in.full_name())]
        while self._in.accept(","):
            wanted.append((self._in.if_exists(negated=False), *self._in.full_name()))
        self._in.end()
        for tolerant, database, name in wanted:
            home = self._home(database)
            if name not in home.tables and name not in home.stables and not tolerant:
                raise errors.no_table()
        for _, database, name in wanted:
            home = self._home(database)
            if name in home.tables:
                self._store.drop_table(home.tables[name])
            elif name in home.stables:
                self._store.drop_stable(home.stables[name])


def _check_shape(columns: Columns, tags: Columns) -> None:
    names = [n for n, _ in columns] + [n for n, _ in tags]
    if len(columns) < 2:
        raise errors.TaosError(errors.COLUMNS_NUM, "Illegal number of columns")
    if columns[0][1].name != "TIMESTAMP":
        raise errors.TaosError(errors.INVALID_FIRST_COLUMN, "First column must be timestamp")
    if len(set(names)) != len(names):
        raise errors.TaosError(errors.DUPLICATED_COLUMN, "Duplicated column names")
    if len(names) > MAX_COLUMNS:
        raise errors.TaosError(errors.TOO_MANY_COLUMNS, "Too many columns")
    if len(columns) > _SQLITE_COLUMNS:
        raise errors.syntax(f"more than {_SQLITE_COLUMNS} columns")
    if len(tags) > MAX_TAGS:
        raise errors.TaosError(errors.INVALID_TAGS_NUM, "Invalid number of tag columns")
    check_lengths((kind for _, kind in columns), (kind for _, kind in tags))
