"""Asks an embedded database's engine directly: rows as JSON shows them, or the error's number."""

import json
from pathlib import Path
from typing import Any

from taosink.embedded.database.answers import Affected
from taosink.embedded.database.engine import Engine
from taosink.embedded.database.errors import TaosError
from taosink.embedded.database.protocol import body


class Asker:
    """One engine with a database `d`; `ask` gives rows or affected rows, `code` the error's number (0: none)."""

    def __init__(self, data: Path | None = None, options: str = "keep 36500") -> None:
        self.engine = Engine(data)
        self.ask(f"create database if not exists d {options}")

    def ask(self, statement: str) -> Any:
        answer = self.engine.execute(statement, "d", size=len(statement.encode()))
        if isinstance(answer, Affected):
            return answer.rows
        return json.loads(body(answer, None))["data"]

    def columns(self, statement: str) -> list[list[Any]]:
        answer = self.engine.execute(statement, "d", size=len(statement))
        columns: list[list[Any]] = json.loads(body(answer, None))["column_meta"]
        return columns

    def code(self, statement: str) -> int:
        try:
            self.ask(statement)
        except TaosError as error:
            return error.code
        return 0

    def written(self) -> tuple[Any, Any]:
        """Rows written, rows written again."""
        stats = self.engine.stats()
        return stats["rows_written"], stats["rows_overwritten"]

    def close(self) -> None:
        self.engine.close()
