"""Where the INSERT parser stands in its text, and the steps that all of its clauses share."""

import re

from . import errors
from .catalogue import MAX_NAME, MAX_TABLE_NAME
from .literals import Value, check, convert, is_null
from .time_values import time_value
from .tokens import ALIAS, ID, STRING, VARIABLE, Token, insert_token, scan, unquote, valid_token
from .types import Column

WS = r"[ \t\n\r\f]*"
_OPENING = re.compile(rf"{WS}(?:,{WS})?\(")


class InsertCursor:
    """A position in one INSERT. Every method moves it, or raises TaosError as the server does there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0

    def _next(self, *, signed: bool = False) -> Token:
        token, _ = insert_token(self._text, self._pos, signed=signed)
        self._pos = token.end
        return token

    def _peek(self) -> Token:
        return insert_token(self._text, self._pos)[0]

    def _rest(self, token: Token) -> str:
        return self._text[token.start :]

    def _skip_parentheses(self) -> None:
        depth = 1
        while depth:
            token = self._next()
            depth += (token.kind == "(") - (token.kind == ")")
            if token.start == token.end:
                raise errors.near("", ") expected")

    def _located(self, token: Token) -> Token:
        """The token with the text that an error quotes, where it has none of its own."""
        return token if token.text else token._replace(text=self._text[token.start : token.start + 63])

    def _close_row(self) -> None:
        closing = valid_token(self._text, self._pos)
        self._pos = closing.end
        if closing.kind == ",":
            raise errors.TaosError(errors.COLUMNS_NUM, "Illegal number of columns")
        if closing.kind != ")":
            raise errors.near(self._rest(closing), ") expected")

    def _value(self, token: Token, column: Column, precision: str, *, tag: bool = False) -> Value:
        if column.type.name != "TIMESTAMP":
            return convert(token, column.type, column.name, tag=tag)
        text = check(token)
        if is_null(token, text, "TIMESTAMP"):
            if column.slot == "ts":
                raise errors.near(token.text, "Primary timestamp column should not be null")
            return None
        value, self._pos = time_value(self._text, token, text, precision)
        return value

    def _tbname(self, token: Token) -> str:
        text = check(token)
        if token.kind in (VARIABLE, "NULL"):
            raise errors.invalid_operation("not expected tbname")
        if not text or "." in text or len(text.encode()) > MAX_TABLE_NAME:
            raise errors.invalid_operation("tbname can not be empty, too long or contain '.'")
        return text

    def _opening(self) -> bool:
        """Past the bracket of a row, if one begins here."""
        opening = _OPENING.match(self._text, self._pos)
        if opening is None:
            return False
        self._pos = opening.end()
        return True

    def _cell(self) -> Token:
        """The next value's first token."""
        start = self._pos
        token, comma = insert_token(self._text, start, signed=True)
        self._pos = token.end
        if comma:
            raise errors.near(self._text[start:], "invalid data or symbol")
        if token.kind == ")":
            raise errors.TaosError(errors.COLUMNS_NUM, "Illegal number of columns")
        return self._located(token)

    def _separator(self) -> None:
        separator = valid_token(self._text, self._pos)
        self._pos = separator.end
        if separator.kind != ",":
            raise errors.near(self._rest(separator), ", expected")


def split_name(token: Token, current: str | None) -> tuple[str, str]:
    """Database and table of a `db.tb` or `tb` token. Raises as the server does for names it cannot take."""
    first = scan(token.text, 0)
    if first.kind in (ID, STRING, ALIAS) and token.text.startswith(".", first.end):
        database, name = unquote(first.text), unquote(token.text[first.end + 1 :])
        if len(database.encode()) > MAX_NAME or len(name.encode()) > MAX_TABLE_NAME or not name:
            raise errors.invalid_operation("name too long")
    else:
        # The quotes of an unqualified name count towards its length.
        if len(token.text.encode()) > MAX_TABLE_NAME:
            raise errors.invalid_operation("name too long")
        name = unquote(token.text)
        if current is None:
            raise errors.invalid_operation("db is not specified")
        if not name:
            raise errors.invalid_operation("name too long")
        database = current
    if "." in name:
        raise errors.TaosError(errors.INVALID_IDENTIFIER, "The table name cannot contain '.'")
    return database, name
