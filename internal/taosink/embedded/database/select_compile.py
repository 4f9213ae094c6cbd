"""Expressions to SQLite's SQL, each with TDengine's type for it."""

from collections.abc import Sequence

from . import errors
from .scope import Scope, quote
from .select_ast import (
    Between,
    Binary,
    Call,
    Cast,
    Expression,
    In,
    IsNull,
    Literal,
    Name,
    Star,
    Unary,
)
from .timestamps import duration_ticks, now_ticks, parse_integer, parse_time, today_ticks
from .typed import Typed, number, real, unknown_function
from .types import (
    BIGINT,
    BOOL,
    DOUBLE,
    INT,
    INTEGERS,
    NUMERIC,
    TEXT,
    TIMESTAMP,
    UBIGINT_BIAS,
    VARIABLE_LENGTH,
    DataType,
    fixed,
    varchar,
)

VERSION = "3.3.0.1"
_SELECTIVE = {"first": "td_first", "last": "td_last", "last_row": "td_last_row"}
_NUMERIC_AGGREGATES = frozenset({"sum", "avg", "spread"})
_SCALARS = frozenset({"lower", "upper", "length", "char_length", "abs"})
_ONE_ARGUMENT = _NUMERIC_AGGREGATES | _SCALARS | {"count", "min", "max", *_SELECTIVE}


class Compiler:
    """Compiles one SELECT's expressions; remembers whether counting or other aggregates were used."""

    def __init__(self, scope: Scope, database: str | None, *, empty_groups: bool = False) -> None:
        self._scope = scope
        self._database = database
        self._empty_groups = empty_groups
        self._depth = 0
        self.counts = False
        self.aggregates = False

    def value(self, expression: Expression) -> Typed:  # noqa: PLR0911 - one return per kind of expression
        match expression:
            case Literal():
                return self._literal(expression)
            case Name():
                found = self._scope.find(expression.qualifier, expression.name)
                return Typed(found.sql, found.type)
            case Call():
                return self._call(expression)
            case Cast():
                return self._cast(expression)
            case Unary():
                return self._unary(expression)
            case Binary():
                return self._binary(expression)
            case In():
                value = self.value(expression.value)
                parts = [self._compare("=", value, self.value(c)) for c in expression.choices]
                joined = f"({' or '.join(parts)})"
                return Typed(f"(not {joined})" if expression.negated else joined, BOOL)
            case Between():
                value = self.value(expression.value)
                low = self._compare(">=", value, self.value(expression.low))
                high = self._compare("<=", value, self.value(expression.high))
                return Typed(f"({'not ' if expression.negated else ''}({low} and {high}))", BOOL)
            case IsNull():
                value = self.value(expression.value)
                return Typed(f"({value.sql} is {'not ' if expression.negated else ''}null)", BOOL)
            case Star():
                raise errors.syntax("*")

    def condition(self, expression: Expression) -> str:
        """For WHERE: aggregates are refused."""
        before = self.aggregates
        self.aggregates = False
        sql = self.value(expression).sql
        if self.aggregates:
            raise errors.TaosError(errors.ILLEGAL_AGG, "There mustn't be aggregation")
        self.aggregates = before
        return sql

    def _literal(self, literal: Literal) -> Typed:  # noqa: PLR0911 - one return per kind of literal
        text = literal.text
        match literal.kind:
            case "integer":
                value = int(text)
                if -(2**63) <= value < 2**63:
                    return Typed(str(value), BIGINT, literal=literal)
                return Typed(repr(float(value)), fixed("BIGINT UNSIGNED"), literal=literal)
            case "float":
                return Typed(real(text), DOUBLE, literal=literal)
            case "string":
                return Typed(quote(text), varchar(len(text.encode())), literal=literal)
            case "bool":
                return Typed("1" if text.lower() == "true" else "0", BOOL, literal=literal)
            case "duration":
                ticks = duration_ticks(text, self._scope.precision)
                if ticks is None:
                    raise errors.syntax(text)
                return Typed(str(ticks), BIGINT, literal=literal)
            case _:
                return Typed("NULL", varchar(0), literal=literal)

    def _unary(self, node: Unary) -> Typed:
        operand = self.value(node.operand)
        if node.operator == "not":
            return Typed(f"(not {operand.sql})", BOOL)
        return Typed(f"(-{number(operand)})", DOUBLE, operand.aggregate)

    def _binary(self, node: Binary) -> Typed:
        left, right = self.value(node.left), self.value(node.right)
        aggregate = left.aggregate or right.aggregate
        match node.operator:
            case "and" | "or":
                return Typed(f"({left.sql} {node.operator} {right.sql})", BOOL)
            case "like" | "not like":
                pattern = right.sql
                return Typed(f"({left.sql} {node.operator} {pattern} escape '\\')", BOOL)
            case "+" | "-" | "*" | "/" | "%":
                return self._arithmetic(node.operator, left, right, aggregate)
            case _:
                return Typed(self._compare(node.operator, left, right), BOOL, aggregate)

    def _arithmetic(self, operator: str, left: Typed, right: Typed, aggregate: bool) -> Typed:
        times = [t for t in (left, right) if t.type == TIMESTAMP]
        if times and operator in "+-":
            kind = TIMESTAMP if len(times) == 1 else BIGINT
            return Typed(f"({left.sql} {operator} {right.sql})", kind, aggregate)
        if operator == "%":
            return Typed(f"td_mod({number(left)}, {number(right)})", DOUBLE, aggregate)
        return Typed(f"(cast({number(left)} as real) {operator} {number(right)})", DOUBLE, aggregate)

    def _compare(self, operator: str, left: Typed, right: Typed) -> str:
        """Both sides brought to one kind: a literal follows the column that it is compared with."""
        if left.literal is not None and right.literal is None:
            turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator, operator)
            return self._compare(turned, right, left)
        if right.literal is not None:
            return f"({self._against_literal(operator, left, right)})"
        if (left.type.name in TEXT) == (right.type.name in TEXT) and left.type.name == right.type.name:
            return f"({left.sql} {operator} {right.sql})"
        if left.type.name in VARIABLE_LENGTH and right.type.name in VARIABLE_LENGTH:
            return f"({left.sql} {operator} {right.sql})"
        return f"({number(left)} {operator} {number(right)})"

    def _against_literal(self, operator: str, left: Typed, right: Typed) -> str:
        literal, kind = right.literal, left.type.name
        if literal is None or literal.kind == "null":
            return "NULL"
        if kind == "TIMESTAMP" and literal.kind == "string":
            return f"{left.sql} {operator} {self._stamp(literal.text)}"
        if kind == "BIGINT UNSIGNED" and literal.kind == "integer":
            limit = min(max(int(literal.text) - UBIGINT_BIAS, -(2**63)), 2**63 - 1)
            return f"{left.sql} {operator} {limit}" if int(literal.text) >= 0 else f"0 {operator} -1"
        if kind in NUMERIC or kind in ("TIMESTAMP", "BOOL"):
            return f"{number(left)} {operator} {number(right)}"
        if literal.kind == "string":
            return f"{left.sql} {operator} {right.sql}"
        return f"cast({left.sql} as real) {operator} {right.sql}"

    def _stamp(self, text: str) -> int:
        ticks = parse_time(text, self._scope.precision)
        if ticks is None:
            ticks = parse_integer(text)
        if ticks is None:
            raise errors.TaosError(errors.WRONG_VALUE_TYPE, f"Invalid value type: {text}")
        return ticks

    def _cast(self, node: Cast) -> Typed:
        value, kind = self.value(node.value), node.type
        if kind in INTEGERS and kind != "BIGINT UNSIGNED":
            return Typed(f"cast({number(value)} as integer)", fixed(kind), value.aggregate)
        if kind in ("DOUBLE", "FLOAT"):
            return Typed(f"cast({number(value)} as real)", DOUBLE, value.aggregate)
        if kind in TEXT and value.type.name not in ("BIGINT UNSIGNED", "BOOL", "VARBINARY", "GEOMETRY"):
            length = node.length or max(value.type.length, 20)
            return Typed(
                f"substr(cast({value.sql} as text), 1, {length})", DataType(kind, length), value.aggregate
            )
        if kind == "TIMESTAMP":
            if value.literal is not None and value.literal.kind == "string":
                return Typed(str(self._stamp(value.literal.text)), TIMESTAMP)
            return Typed(f"cast({number(value)} as integer)", TIMESTAMP, value.aggregate)
        raise errors.syntax("cast")

    # -- functions

    def _call(self, node: Call) -> Typed:
        name, count = node.name, len(node.arguments)
        if count == 0:
            return self._constant(name)
        if name not in _ONE_ARGUMENT and name != "concat":
            raise unknown_function(name)
        if name in _ONE_ARGUMENT and count != 1:
            raise errors.TaosError(errors.FUNCTION_PARA_NUM, f"Invalid number of parameters : {name}")
        if name == "count":
            return self._count(node.arguments[0])
        if name in _NUMERIC_AGGREGATES:
            return self._numeric_aggregate(name, self._argument(node.arguments[0]))
        if name in ("min", "max", *_SELECTIVE):
            return self._selection(name, self._argument(node.arguments[0]))
        return _scalar(name, [self.value(a) for a in node.arguments])

    def _constant(self, name: str) -> Typed:
        precision = self._scope.precision
        texts = {
            "server_version": VERSION,
            "client_version": VERSION,
            "database": self._database or "",
            "current_user": "root@127.0.0.1",
            "timezone": "UTC (UTC, +0000)",
        }
        if name in texts:
            shown = None if name == "database" and self._database is None else texts[name]
            return Typed(quote(shown), varchar(len(texts[name].encode())))
        if name in ("now", "today"):
            return Typed(str((now_ticks if name == "now" else today_ticks)(precision)), TIMESTAMP)
        if name == "server_status":
            return Typed("1", INT)
        raise unknown_function(name)

    def _count(self, argument: Expression) -> Typed:
        self.counts = True
        if isinstance(argument, Star) or (isinstance(argument, Literal) and argument.kind != "null"):
            self._enter()
            return Typed("count(r.ts)" if self._empty_groups else "count(*)", BIGINT, aggregate=True)
        inner = self._argument(argument)
        return Typed(f"count({inner.sql})", BIGINT, aggregate=True)

    def _numeric_aggregate(self, name: str, inner: Typed) -> Typed:
        kind, value = inner.type, number(inner)
        if kind.name not in NUMERIC and kind != BOOL:
            raise errors.TaosError(errors.FUNCTION_PARA_TYPE, f"Invalid parameter data type : {name}")
        if name == "avg":
            return Typed(f"avg({value})", DOUBLE, aggregate=True)
        if name == "spread":
            return Typed(f"cast(max({value}) - min({value}) as real)", DOUBLE, aggregate=True)
        if kind.name == "BIGINT UNSIGNED":
            return Typed(f"td_sum_unsigned({inner.sql})", kind, aggregate=True)
        if "UNSIGNED" in kind.name:
            # Stored less the bias, which is too large for one literal of SQLite's.
            biased = f"(sum({inner.sql}) - {UBIGINT_BIAS - 1} - 1)"
            return Typed(biased, fixed("BIGINT UNSIGNED"), aggregate=True)
        whole = kind.name in INTEGERS or kind == BOOL
        return Typed(f"sum({value})", BIGINT if whole else DOUBLE, aggregate=True)

    def _selection(self, name: str, inner: Typed) -> Typed:
        if name in ("min", "max"):
            return Typed(f"{name}({inner.sql})", inner.type, aggregate=True)
        time = self._scope.time
        if time is None:
            raise errors.syntax(name)
        if inner.sql == time.sql:
            return Typed(f"{'min' if name == 'first' else 'max'}({time.sql})", inner.type, aggregate=True)
        return Typed(f"{_SELECTIVE[name]}({time.sql},{inner.sql})", inner.type, aggregate=True)

    def _argument(self, argument: Expression) -> Typed:
        self._enter()
        self._depth += 1
        inner = self.value(argument)
        self._depth -= 1
        return inner

    def _enter(self) -> None:
        if self._depth:
            raise errors.TaosError(errors.AGG_NESTING, "Aggregate functions do not support nesting")
        self.aggregates = True


def _scalar(name: str, arguments: Sequence[Typed]) -> Typed:
    aggregate, first = any(a.aggregate for a in arguments), arguments[0]
    match name:
        case "lower" | "upper":
            return Typed(f"{name}({first.sql})", first.type, aggregate)
        case "length":
            return Typed(f"length(cast({first.sql} as blob))", BIGINT, aggregate)
        case "char_length":
            return Typed(f"length({first.sql})", BIGINT, aggregate)
        case "abs":
            return Typed(f"abs({number(first)})", first.type, aggregate)
        case _:
            joined = " || ".join(a.sql for a in arguments)
            return Typed(f"({joined})", varchar(sum(a.type.length for a in arguments)), aggregate)
