"""TDengine's SELECT, as far as it is supported; the rest gets the grammar's own error."""

from . import errors
from .expression_parse import Expressions
from .reader import Reader
from .select_ast import Call, Expression, Item, Name, Order, Select, Star, SubQuery, TableSource
from .tokens import ALIAS, ID, unquote

_TITLE_LENGTH = 64


class SelectParser:
    """Reads one SELECT from a reader that stands on the keyword."""

    def __init__(self, reader: Reader) -> None:
        self._in = reader
        self._expressions = Expressions(reader)

    def statement(self) -> Select:
        select = self._select()
        self._in.end()
        return select

    def _select(self) -> Select:
        reader = self._in
        reader.take("SELECT")
        distinct = reader.accept("DISTINCT")
        if not distinct:
            reader.accept("ALL")
        items = [self._item()]
        while reader.accept(","):
            items.append(self._item())
        source = self._source() if reader.accept("FROM") else None
        where = self._expressions.condition() if reader.accept("WHERE") else None
        groups: list[Expression] = []
        by_partition = reader.accept("PARTITION", "BY")
        if by_partition:
            groups = self._list()
        if reader.accept("GROUP", "BY"):
            if by_partition:
                raise reader.fail()
            groups = self._list()
        having = self._expressions.condition() if reader.accept("HAVING") else None
        orders: list[Order] = []
        if reader.accept("ORDER", "BY"):
            orders.append(self._order())
            while reader.accept(","):
                orders.append(self._order())
        limit, offset = self._limit()
        return Select(items, distinct, source, where, groups, by_partition, having, orders, limit, offset)

    def _list(self) -> list[Expression]:
        values = [self._expressions.value()]
        while self._in.accept(","):
            values.append(self._expressions.value())
        return values

    def _item(self) -> Item:
        reader = self._in
        start = reader.peek().start
        value = self._expressions.value(star=True)
        end = reader.tokens[reader.at - 1].end
        if reader.accept("AS"):
            return Item(value, self._alias())
        if reader.peek().kind in (ID, ALIAS):
            return Item(value, self._alias())
        if isinstance(value, Name):
            return Item(value, value.name)
        return Item(value, _title(reader.text[start:end], value))

    def _alias(self) -> str:
        return unquote(self._in.take(ID, ALIAS).text)

    def _source(self) -> TableSource | SubQuery:
        reader = self._in
        if reader.accept("("):
            inner = self._select()
            reader.take(")")
            return SubQuery(inner, self._table_alias(""))
        database, name = reader.full_name()
        if reader.peek().kind in (",", "JOIN", "LEFT", "INNER"):
            raise reader.fail()
        return TableSource(database, name, self._table_alias(name))

    def _table_alias(self, otherwise: str) -> str:
        if self._in.accept("AS") or self._in.peek().kind == ID:
            return self._in.name()
        return otherwise

    def _order(self) -> Order:
        value = self._expressions.value()
        descending = self._in.word("ASC", "DESC") == "DESC"
        nulls = ""
        if self._in.accept("NULLS"):
            nulls = self._in.word("FIRST", "LAST") or ""
            if not nulls:
                raise self._in.fail()
        return Order(value, descending, nulls)

    def _limit(self) -> tuple[int | None, int]:
        reader = self._in
        if not reader.accept("LIMIT"):
            return None, 0
        limit, offset = reader.integer(), 0
        if reader.accept("OFFSET"):
            offset = reader.integer()
        elif reader.accept(","):
            limit, offset = reader.integer(), limit
        return limit, offset


def _title(text: str, value: Expression) -> str:
    if isinstance(value, Star):
        return "*"
    if isinstance(value, Call) and text.startswith("`"):
        raise errors.syntax(text)
    return text.encode()[:_TITLE_LENGTH].decode(errors="ignore")
