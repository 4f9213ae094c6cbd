"""Expressions of SELECT, by precedence: OR, AND, NOT, comparison, sum, product, sign."""

from . import errors
from .ddl_columns import data_type
from .reader import Reader
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
from .tokens import BIN, BOOL, FLOAT, HEX, ID, INTEGER, STRING, VARIABLE, string_value, unquote

_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_NUMBERS = {INTEGER: "integer", FLOAT: "float", VARIABLE: "duration"}
_WORD_CALLS = (
    "COUNT", "FIRST", "LAST", "LAST_ROW", "NOW", "TODAY", "SERVER_VERSION", "SERVER_STATUS", "DATABASE",
    "CLIENT_VERSION", "CURRENT_USER", "TIMEZONE",
)  # fmt: skip


class Expressions:
    """`value` reads any expression, `condition` one for WHERE."""

    def __init__(self, reader: Reader) -> None:
        self._in = reader

    def condition(self) -> Expression:
        return self._or()

    def value(self, *, star: bool = False) -> Expression:
        if star and self._in.accept("*"):
            return Star(None)
        if star and self._in.peek(1).kind == "." and self._in.peek(2).kind == "*":
            qualifier = self._in.name()
            self._in.at += 2
            return Star(qualifier)
        return self._or()

    def _or(self) -> Expression:
        left = self._and()
        while self._in.accept("OR"):
            left = Binary("or", left, self._and())
        return left

    def _and(self) -> Expression:
        left = self._not()
        while self._in.accept("AND"):
            left = Binary("and", left, self._not())
        return left

    def _not(self) -> Expression:
        if self._in.accept("NOT"):
            return Unary("not", self._not())
        return self._comparison()

    def _comparison(self) -> Expression:
        left = self._sum()
        reader = self._in
        while True:
            if reader.peek().kind in _COMPARISONS:
                left = Binary(reader.take().kind, left, self._sum())
            elif reader.accept("IS"):
                negated = reader.accept("NOT")
                reader.take("NULL")
                left = IsNull(left, negated)
            else:
                negated = reader.peek().kind == "NOT" and reader.peek(1).kind in ("IN", "LIKE", "BETWEEN")
                reader.at += negated
                predicate = self._predicate(left, negated=negated)
                if predicate is None:
                    return left
                left = predicate

    def _predicate(self, left: Expression, *, negated: bool) -> Expression | None:
        reader = self._in
        if reader.accept("IN"):
            reader.take("(")
            choices = [self.value()]
            while reader.accept(","):
                choices.append(self.value())
            reader.take(")")
            return In(left, choices, negated)
        if reader.accept("BETWEEN"):
            low = self._sum()
            reader.take("AND")
            return Between(left, low, self._sum(), negated)
        if reader.accept("LIKE"):
            return Binary("not like" if negated else "like", left, self._sum())
        return None

    def _sum(self) -> Expression:
        left = self._product()
        while self._in.peek().kind in ("+", "-"):
            left = Binary(self._in.take().kind, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._sign()
        while self._in.peek().kind in ("*", "/", "%"):
            left = Binary(self._in.take().kind, left, self._sign())
        return left

    def _sign(self) -> Expression:
        if self._in.accept("-"):
            operand = self._sign()
            if isinstance(operand, Literal) and operand.kind in ("integer", "float"):
                return Literal(operand.kind, "-" + operand.text)
            return Unary("-", operand)
        self._in.accept("+")
        return self._primary()

    def _primary(self) -> Expression:  # noqa: PLR0911 - one return per kind of expression
        reader = self._in
        token = reader.peek()
        if reader.accept("("):
            if reader.peek().kind == "SELECT":
                raise reader.fail()
            inner = self._or()
            reader.take(")")
            return inner
        literal = self._literal()
        if literal is not None:
            return literal
        if token.kind == "CAST":
            return self._cast()
        if token.kind in ("TBNAME", "_ROWTS", "_C0"):
            reader.take()
            return Name(None, token.kind.lower())
        if token.kind in _WORD_CALLS or (token.kind == ID and reader.peek(1).kind == "("):
            return self._call()
        name = reader.name()
        if reader.accept("."):
            if reader.accept("TBNAME"):
                return Name(name, "tbname")
            return Name(name, reader.name())
        return Name(None, name)

    def _literal(self) -> Literal | None:
        token = self._in.peek()
        kind = _NUMBERS.get(token.kind)
        text = token.text
        if token.kind == STRING:
            kind, text = "string", string_value(token.text)
        elif token.kind in (HEX, BIN):
            kind, text = "integer", str(int(token.text, 0))
        elif token.kind in (BOOL, "NULL"):
            kind = token.kind.lower()
        if kind is None:
            return None
        self._in.take()
        return Literal(kind, text)

    def _cast(self) -> Expression:
        reader = self._in
        reader.take("CAST")
        reader.take("(")
        value = self._or()
        reader.take("AS")
        bare = reader.word("VARCHAR", "BINARY", "NCHAR") if reader.peek(1).kind == ")" else None
        kind, length = (bare.replace("BINARY", "VARCHAR"), 0) if bare else ("", 0)
        if bare is None:
            declared = data_type(reader)
            kind, length = declared.name, declared.length
        reader.take(")")
        return Cast(value, kind, length)

    def _call(self) -> Expression:
        reader = self._in
        token = reader.take()
        name = unquote(token.text)
        if name in ("now", "today") and reader.peek().kind != "(":
            return Call(name, ())
        reader.take("(")
        arguments: list[Expression] = []
        if not reader.accept(")"):
            arguments.append(self.value(star=True))
            while reader.accept(","):
                arguments.append(self.value())
            reader.take(")")
        if reader.peek().kind == "(":
            raise errors.syntax(token.text)
        return Call(name, arguments)
