"""The INSERT parser. It follows the server's own order of reading, because that decides which error comes."""

import re
from collections.abc import Sequence

from . import errors
from .blocks import Block, Row
from .catalogue import Catalogue, NewTable, Stable, Table
from .insert_cursor import WS, InsertCursor, split_name
from .literals import Value, check
from .rows import fast_rows
from .tokens import END, ID, STRING, VARIABLE, Token, unquote, valid_token
from .types import Column

# Names short enough that no length rule can bite.
_PLAIN_CLAUSE = re.compile(
    rf"{WS}(?:,{WS})?(?:`([^`.]{{1,47}})`\.)?`([^`.]{{1,47}})`{WS}(\([^()]*\)){WS}values(?![0-9A-Za-z_])",
    re.IGNORECASE,
)


class InsertParser(InsertCursor):
    """Reads one INSERT against a catalogue; changes nothing. `blocks` is the result."""

    def __init__(self, text: str, catalogue: Catalogue, database: str | None) -> None:
        super().__init__(text)
        self._catalogue = catalogue
        self._database = database
        self._rows = 0
        self._lists: dict[tuple[int, str], tuple[Column, ...]] = {}
        self.blocks: dict[tuple[str, str, bool], Block] = {}

    def parse(self) -> list[Block]:
        """Raises TaosError at the first thing that the server would stop at."""
        self._skip_insert_into()
        while True:
            if self._plain_clause():
                continue
            start = self._pos
            token = self._next()
            if token.end == token.start:
                if token.kind != END and token.start < len(self._text):
                    raise errors.near(self._text[start:], "invalid charactor in SQL")
                if not self._rows:
                    raise errors.invalid_operation("no data in sql")
                return list(self.blocks.values())
            if token.kind not in (ID, STRING):
                raise errors.near(self._text[token.start :], "table_name is expected")
            self._table_clause(token)

    def _plain_clause(self) -> bool:
        """Short cut for a known table and a column list that has been read before; decides nothing but speed."""
        found = _PLAIN_CLAUSE.match(self._text, self._pos)
        if found is None:
            return False
        database = found.group(1) or self._database
        there = self._catalogue.databases.get(database) if database else None
        table = there.tables.get(found.group(2)) if there else None
        if table is None or database is None:
            return False
        bound = self._lists.get((table.shape.id, found.group(3)))
        if bound is None:
            return False
        block = self._block(database, table.name, table, table.shape, using=False)
        block.bound = bound
        self._pos = found.end()
        self._values(block)
        return True

    def _skip_insert_into(self) -> None:
        for wanted in ("INSERT", "INTO"):
            token = self._next()
            if token.kind != wanted and (wanted, token.kind) != ("INSERT", "IMPORT"):
                if token.kind == END:
                    raise errors.incomplete()
                raise errors.near(self._rest(token), f"keyword {wanted} is expected")

    def _table_clause(self, token: Token) -> None:
        database, name = split_name(token, self._database)
        listed: int | None = None
        if self._peek().kind == "(":
            self._pos = self._peek().end
            listed = self._pos
            self._skip_parentheses()
        using = self._peek()
        if using.kind == "USING":
            self._pos = using.end
            block = self._using(database, name)
        else:
            found = self._target(database, name)
            if isinstance(found, Stable):
                self._stable_clause(found, listed)
                return
            block = self._block(database, name, found, found.shape, using=False)
        self._columns_and_values(block, listed)

    def _target(self, database: str, name: str) -> Table | Stable:
        there = self._catalogue.database(database)
        found = there.tables.get(name) or there.stables.get(name)
        if found is None:
            raise errors.no_table()
        return found

    def _block(
        self, database: str, name: str, table: Table | NewTable, shape: Stable, *, using: bool
    ) -> Block:
        key = (database, name, using)
        if key not in self.blocks:
            self.blocks[key] = Block(table, shape, shape.columns)
        return self.blocks[key]

    def _using(self, database: str, name: str) -> Block:
        known = self.blocks.get((database, name, True))
        if known is not None:
            self._ignore_using()
            return known
        stable_database, stable_name = split_name(self._next(), self._database)
        there = self._catalogue.database(stable_database)
        stable = there.stables.get(stable_name)
        if stable is None:
            if stable_name in there.tables:
                raise errors.invalid_operation("create table only from super table is allowed")
            raise errors.no_table()
        tags = self._tags(stable)
        if stable_database != database:
            raise errors.TaosError(errors.OTHER_DATABASE, "Corresponding super table not in this db")
        return self._block(database, name, NewTable(stable, name, tags), stable, using=True)

    def _ignore_using(self) -> None:
        self._next()
        token = self._next()
        if token.kind == "(":
            self._skip_parentheses()
            token = self._next()
        self._expect_tags(token)
        self._skip_parentheses()
        self._table_options()

    def _expect_tags(self, token: Token) -> None:
        if token.kind != "TAGS":
            raise errors.near(self._rest(token), "TAGS is expected")
        bracket = self._next()
        if bracket.kind != "(":
            raise errors.near(self._rest(bracket), "( is expected")

    def _tags(self, stable: Stable) -> dict[str, Value]:
        bound: Sequence[Column] = stable.tags
        if self._peek().kind == "(":
            self._pos = self._peek().end
            bound = self._bound(stable.tags)
        self._expect_tags(self._next())
        values: dict[str, Value] = {}
        for column in bound:
            token = self._next(signed=True)
            check(self._located(token))
            if token.kind == VARIABLE:
                raise errors.near(token.text, "not expected tags values")
            values[column.slot] = self._value(token, column, stable.database.precision, tag=True)
        closing = valid_token(self._text, self._pos)
        self._pos = closing.end
        if closing.kind == ",":
            raise errors.TaosError(errors.TAGS_NOT_MATCHED, "Tags number not matched")
        if closing.kind != ")":
            raise errors.near(self._rest(closing), ") is expected")
        self._table_options()
        return values

    def _table_options(self) -> None:
        while (option := self._peek()).kind in ("TTL", "COMMENT"):
            self._pos = option.end
            value = self._next(signed=option.kind == "TTL")
            wanted = "integer" if option.kind == "TTL" else STRING
            if value.kind != wanted or value.text.startswith("-"):
                raise errors.near(self._rest(value), f"Invalid option {option.kind.lower()}")

    def _bound(self, columns: Sequence[Column], *, tbname: Column | None = None) -> list[Column]:
        bound: list[Column] = []
        while (token := self._next()).kind != ")":
            name = unquote(token.text)
            column = next((c for c in columns if c.name == name), None)
            if column is None and tbname is not None and name.lower() == "tbname":
                column = tbname
            if column is None:
                raise errors.invalid_column(name)
            if column in bound and column is not tbname:
                raise errors.near(name, "duplicated column name")
            bound.append(column)
        return bound

    def _columns_and_values(self, block: Block, listed: int | None) -> None:
        here = self._peek()
        if here.kind == "(":
            self._pos = here.end
            if listed is not None:
                raise errors.near(self._rest(here), "keyword VALUES or FILE is expected")
            block.bound = tuple(self._timed(self._bound(block.shape.columns)))
        elif listed is not None:
            back, self._pos = self._pos, listed
            block.bound = tuple(self._timed(self._bound(block.shape.columns)))
            self._lists[block.shape.id, self._text[listed - 1 : self._pos]] = block.bound
            self._pos = back
        self._expect_values()
        self._values(block)

    def _values(self, block: Block) -> None:
        before = self._rows
        bound, precision = block.bound, block.shape.database.precision
        while True:
            rows, self._pos = fast_rows(self._text, self._pos, bound)
            if rows:
                block.add(bound, rows)
                self._rows += len(rows)
            row = self._row(bound, precision)
            if row is None:
                break
            block.add(bound, [row])
            self._rows += 1
        if self._rows == before:
            raise errors.near("", "no any data points")

    def _timed(self, bound: list[Column]) -> list[Column]:
        if not any(c.slot == "ts" for c in bound):
            raise errors.invalid_operation("Primary timestamp column should not be null")
        return bound

    def _expect_values(self) -> None:
        token = self._next()
        if token.kind != "VALUES":
            raise errors.near(self._rest(token), "keyword VALUES or FILE is expected")

    def _row(self, bound: Sequence[Column], precision: str) -> Row | None:
        """One parenthesised row; None where none begins."""
        if not self._opening():
            return None
        values: list[Value] = []
        for index, column in enumerate(bound):
            values.append(self._value(self._cell(), column, precision))
            if index < len(bound) - 1:
                self._separator()
        self._close_row()
        return tuple(values)

    def _stable_clause(self, stable: Stable, listed: int | None) -> None:
        """`INSERT INTO stb (tbname, ts, ..., tags...) VALUES ...`: each row names its subtable."""
        if listed is None:
            raise errors.near(self._text[self._pos :], "(...tbname, ts...) bounded cols is expected")
        back, self._pos = self._pos, listed
        tbname = Column("tbname", stable.columns[0].type, "tbname")
        bound = self._timed(self._bound((*stable.columns, *stable.tags), tbname=tbname))
        self._pos = back
        if tbname not in bound:
            raise errors.invalid_operation("tbname column should not be null")
        self._expect_values()
        before = self._rows
        while self._stable_row(stable, bound, tbname):
            self._rows += 1
        if self._rows == before:
            raise errors.near("", "no any data points")

    def _stable_row(self, stable: Stable, bound: Sequence[Column], tbname: Column) -> bool:
        if not self._opening():
            return False
        columns: list[Column] = []
        values: list[Value] = []
        tags: dict[str, Value] = {}
        name = ""
        for index, column in enumerate(bound):
            token = self._cell()
            if column is tbname:
                name = self._tbname(token)
            elif column in stable.tags:
                if token.kind == VARIABLE:
                    raise errors.invalid_operation("not expected tag")
                tags[column.slot] = self._value(token, column, stable.database.precision, tag=True)
            else:
                columns.append(column)
                values.append(self._value(token, column, stable.database.precision))
                if token.kind == VARIABLE:
                    raise errors.invalid_operation("not expected row value")
            if index < len(bound) - 1:
                self._separator()
        self._close_row()
        table = NewTable(stable, name, tags)
        self._block(stable.database.name, name, table, stable, using=True).add(columns, [tuple(values)])
        return True
