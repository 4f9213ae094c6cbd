"""What CREATE, DROP and ALTER share: the request's database, names, tag literals."""

from . import errors
from .catalogue import MAX_TABLE_NAME, Database, Stable
from .ddl_columns import checked_name
from .literals import Value, convert, is_null
from .reader import Reader
from .store import Store
from .time_values import time_value
from .tokens import STRING, Token, string_value
from .types import Column


class DdlStatement:
    """One statement that changes the catalogue; it reads all of its text before it changes anything.

    `current` is the request's database, if it exists.
    """

    def __init__(self, reader: Reader, store: Store, current: str | None) -> None:
        self._in = reader
        self._store = store
        self._current = current

    def _home(self, database: str | None) -> Database:
        name = database or self._current
        if name is None:
            raise errors.TaosError(errors.DB_NOT_SPECIFIED, "Database not specified")
        return self._store.catalogue.database(name)

    def _new_table_name(self) -> tuple[str | None, str]:
        """`[db.]name` of a table to be made; a bad one is refused before what follows is read."""
        database, name = self._in.full_name()
        if "." in name:
            raise errors.TaosError(errors.INVALID_IDENTIFIER, "The table name cannot contain '.'")
        return database, checked_name(name, MAX_TABLE_NAME)

    def _literal(self) -> tuple[Token, int]:
        """One literal, its sign joined; sums of a timestamp are left to its reader."""
        first = self._in.take()
        token = first
        if first.kind in ("+", "-"):
            number = self._in.take("integer", "float", "hex", "bin")
            token = Token(number.kind, self._in.text[first.start : number.end], first.start, number.end)
        while self._in.peek().kind not in (",", ")", ""):
            self._in.take()
        return token, token.end

    def _tag_value(self, stable: Stable, tag: Column, token: Token) -> Value:
        if tag.type.name != "TIMESTAMP":
            return convert(token, tag.type, tag.name, tag=True)
        text = string_value(token.text) if token.kind == STRING else token.text
        if is_null(token, text, "TIMESTAMP"):
            return None
        return time_value(self._in.text, token, text, stable.database.precision)[0]
