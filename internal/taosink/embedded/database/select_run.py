"""Runs SELECT: finds its source, compiles it as one SQLite statement, gives the rows."""

from collections.abc import Sequence

from . import errors
from .answers import Rows
from .catalogue import Database
from .schema_tables import SCHEMA_DATABASE, schema_table
from .scope import Scope, no_scope, subquery_scope, table_scope, values_scope
from .select_ast import (
    Binary,
    Call,
    Expression,
    Item,
    Literal,
    Name,
    Order,
    Select,
    Star,
    SubQuery,
    TableSource,
)
from .select_compile import Compiler
from .store import Store
from .typed import Typed
from .types import DataType

_SPREADING = ("first", "last", "last_row")


class Selector:
    """Runs SELECTs against a store, for one request whose database is `database`."""

    def __init__(self, store: Store, database: str | None) -> None:
        self._store = store
        self._database = database

    def run(self, select: Select) -> Rows:
        sql, columns, precision = self._compile(select)
        return Rows(columns, self._store.query(sql), precision)

    def _compile(self, select: Select) -> tuple[str, list[tuple[str, DataType]], str]:
        scope = self._scope(select)
        items = _expand(select.items, scope)
        scan = self._tag_scan(select, items, scope)
        compiler = Compiler(scope, self._database, empty_groups=scan == "count")
        where = _where(select, scope, compiler, scan)
        groups = [compiler.value(g) for g in select.groups]
        compiler.aggregates = False
        typed = [(item.title, compiler.value(item.value)) for item in items]
        aggregated = compiler.aggregates
        if aggregated or (groups and not select.by_partition):
            _check_groups(select, typed, groups, scope)
        if select.by_partition and select.limit is not None:
            raise errors.syntax("limit")
        having = f" having {compiler.value(select.having).sql}" if select.having is not None else ""
        order = self._order(select.orders, typed, compiler, items)
        titles = ",".join(f"{t.sql} q{i}" for i, (_, t) in enumerate(typed))
        sql = f"select {'distinct ' if select.distinct else ''}{titles}"
        source = scope.smallest_source(joined=bool(scan))
        sql += f" from {source}" if source else ""
        sql += f" where {' and '.join(where)}" if where else ""
        sql += _group_by(select, groups, aggregated=aggregated, counts=compiler.counts) + having + order
        if select.limit is not None:
            sql += f" limit {select.limit} offset {select.offset}"
        return sql, [(title, t.type) for title, t in typed], scope.precision

    def _order(
        self,
        orders: Sequence[Order],
        typed: Sequence[tuple[str, Typed]],
        compiler: Compiler,
        items: Sequence[Item],
    ) -> str:
        parts = []
        for order in orders:
            sql = (
                _ordinal(order.value, typed) or _alias(order.value, items) or compiler.value(order.value).sql
            )
            nulls = f" nulls {order.nulls}" if order.nulls else ""
            parts.append(f"{sql}{' desc' if order.descending else ''}{nulls}")
        return f" order by {','.join(parts)}" if parts else ""

    # -- sources

    def _scope(self, select: Select) -> Scope:
        source = select.source
        if source is None:
            return no_scope("ms")
        if isinstance(source, SubQuery):
            sql, columns, precision = self._compile(source.select)
            return subquery_scope(sql, columns, precision, source.alias)
        return self._table_scope(source)

    def _table_scope(self, source: TableSource) -> Scope:
        name = source.database or self._database
        if name is None:
            raise errors.TaosError(errors.DB_NOT_SPECIFIED, "Database not specified")
        if name == SCHEMA_DATABASE:
            columns, rows = schema_table(self._store, source.name)
            return values_scope(columns, rows, source.alias)
        database: Database | None = self._store.catalogue.databases.get(name)
        if database is None:
            raise errors.TaosError(errors.GET_META, "Fail to get table info, error: Database not exist")
        found = database.tables.get(source.name) or database.stables.get(source.name)
        if found is None:
            raise errors.TaosError(errors.GET_META, "Fail to get table info, error: Table does not exist")
        return table_scope(found, source.alias)

    def _tag_scan(self, select: Select, items: Sequence[Item], scope: Scope) -> str:
        """Where groups are made of tags alone, subtables without rows take part too.

        "tags": nothing but tags is asked for, by subtable; "count": rows are counted, none being 0; else "".
        """
        keys = list(select.groups) or ([i.value for i in items] if select.distinct else [])
        if scope.shape is None or not keys or not all(_is_tag(k, scope) for k in keys):
            return ""
        calls = [i.value for i in items if isinstance(i.value, Call)]
        if any(c.name == "count" for c in calls):
            return "count" if select.groups else ""
        conditions = _conjuncts(select.where)
        if calls or not all(_is_tag(c, scope) for c in conditions):
            return ""
        return "tags" if any(isinstance(k, Name) and k.name == "tbname" for k in keys) else ""


def _where(select: Select, scope: Scope, compiler: Compiler, scan: str) -> list[str]:
    """The conditions of WHERE; a scan of tags changes the scope's source to fit."""
    where = [scope.condition] if scope.condition else []
    conditions = [(c, compiler.condition(c)) for c in _conjuncts(select.where)]
    if not scan or scope.shape is None:
        return where + [sql for _, sql in conditions]
    scope.source = f"g{scope.shape.id} g"
    if scan == "count":
        on = ["g.tid=r.tid", *[sql for c, sql in conditions if not _is_tag(c, scope)]]
        scope.source += f" left join r{scope.shape.id} r on {' and '.join(on)}"
    return where + [sql for c, sql in conditions if _is_tag(c, scope)]


def _group_by(select: Select, groups: Sequence[Typed], *, aggregated: bool, counts: bool) -> str:
    if groups and (aggregated or not select.by_partition):
        return f" group by {','.join(g.sql for g in groups)}"
    if (aggregated and not counts) or select.having is not None:
        # Without a count, aggregates of nothing are no row at all: a constant makes one group, or none.
        return " group by 'all'"
    return ""


def _conjuncts(expression: Expression | None) -> list[Expression]:
    """What is joined by AND at the top."""
    if isinstance(expression, Binary) and expression.operator == "and":
        return [*_conjuncts(expression.left), *_conjuncts(expression.right)]
    return [] if expression is None else [expression]


def _is_tag(expression: Expression, scope: Scope) -> bool:
    """Whether tags are all that an expression names, and it names one."""
    before = len(scope.used)
    Compiler(scope, None).value(expression)
    named = scope.used[before:]
    return bool(named) and all(f.tag for f in named)


def _expand(items: Sequence[Item], scope: Scope) -> list[Item]:
    """`*` and `last(*)` made plain."""
    expanded: list[Item] = []
    for item in items:
        value = item.value
        if isinstance(value, Star):
            if not scope.star:
                raise errors.syntax("*")
            expanded += [Item(Name(value.qualifier, f.title), f.title) for f in scope.star]
        elif (
            isinstance(value, Call)
            and value.name in _SPREADING
            and any(isinstance(a, Star) for a in value.arguments)
        ):
            for f in scope.star:
                if not f.tag:
                    expanded.append(
                        Item(Call(value.name, (Name(None, f.title),)), f"{value.name}({f.title})")
                    )
        else:
            expanded.append(item)
    return expanded


def _check_groups(
    select: Select, typed: Sequence[tuple[str, Typed]], groups: Sequence[Typed], scope: Scope
) -> None:
    """What is neither aggregated nor constant in a group cannot be selected."""
    by_subtable = any(isinstance(g, Name) and g.name == "tbname" for g in select.groups)
    tags = {f.sql for f in (*scope.star, *scope.hidden) if f.tag}
    known = {g.sql for g in groups}
    for _, value in typed:
        constant = value.literal is not None or value.sql in known or (by_subtable and value.sql in tags)
        if not value.aggregate and not constant:
            if groups:
                raise errors.TaosError(errors.NOT_GROUP_EXPRESSION, "Not a GROUP BY expression")
            raise errors.TaosError(errors.NOT_SINGLE_GROUP, "Not a single-group group function")


def _ordinal(value: Expression, typed: Sequence[tuple[str, Typed]]) -> str | None:
    if not isinstance(value, Literal) or value.kind != "integer":
        return None
    index = int(value.text)
    if not 1 <= index <= len(typed):
        raise errors.TaosError(
            errors.WRONG_ORDER_NUMBER, "ORDER BY item must be the number of a SELECT-list expression"
        )
    return f"q{index - 1}"


def _alias(value: Expression, items: Sequence[Item]) -> str | None:
    """An ORDER BY that names a title, or repeats a selected expression."""
    for index, item in enumerate(items):
        if item.value == value or (
            isinstance(value, Name) and value.qualifier is None and value.name == item.title
        ):
            return f"q{index}"
    return None
