"""One statement in, one answer out: tells INSERT, DDL, SHOW and SELECT apart as the server does."""

from pathlib import Path

from . import errors
from .answers import Affected, Answer
from .ddl import Ddl
from .insert import InsertParser
from .reader import Reader, lower_outside_quotes
from .select_parse import SelectParser
from .select_run import Selector
from .show import Show
from .store import Store
from .tokens import END, insert_token

MAX_STATEMENT_BYTES = 1_048_576


class Engine:
    """The database behind the protocol. Used by one thread at a time."""

    def __init__(self, data: Path | None) -> None:
        self.store = Store(data)

    def __repr__(self) -> str:
        return f"Engine({self.store!r})"

    def close(self) -> None:
        self.store.close()

    def execute(self, statement: str, database: str | None, *, size: int) -> Answer:
        """Runs one statement; `size` is its length in bytes. Raises TaosError."""
        if size > MAX_STATEMENT_BYTES:
            raise errors.TaosError(errors.SQL_TOO_LONG, "SQL statement too long")
        text = statement.split("\0", 1)[0]
        current = database if database in self.store.catalogue.databases else None
        if _is_values_insert(text):
            blocks = InsertParser(text, self.store.catalogue, current).parse()
            return Affected(self.store.write(blocks))
        return self._query(lower_outside_quotes(text), current)

    def _query(self, text: str, current: str | None) -> Answer:
        reader = Reader(text)
        kind = reader.peek().kind
        if kind in ("CREATE", "DROP", "ALTER", "USE"):
            return Ddl(reader, self.store, current).run()
        if kind in ("SHOW", "DESCRIBE", "DESC"):
            return Show(reader, self.store, current).run()
        if kind == "SELECT":
            return Selector(self.store, current).run(SelectParser(reader).statement())
        if reader.accept("INSERT") and reader.take("INTO"):
            reader.full_name()
        raise reader.fail()

    def stats(self) -> dict[str, object]:
        """Rows written and rows written onto existing ones since the start, in all and by database."""
        by_name = {
            d.name: {"rows_written": d.rows_written, "rows_overwritten": d.rows_overwritten}
            for d in self.store.catalogue.databases.values()
        }
        return {
            "rows_written": sum(d["rows_written"] for d in by_name.values()),
            "rows_overwritten": sum(d["rows_overwritten"] for d in by_name.values()),
            "databases": by_name,
        }


def _is_values_insert(text: str) -> bool:
    """The server looks for the first of these words to choose between its two parsers."""
    token, _ = insert_token(text, 0)
    if token.kind not in ("INSERT", "IMPORT"):
        return False
    while token.end > token.start and token.kind != END:
        token, _ = insert_token(text, token.end)
        if token.kind in ("USING", "VALUES", "FILE"):
            return True
        if token.kind == "SELECT":
            return False
    return False
