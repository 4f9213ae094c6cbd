"""A small reader of INSERT statements by the server's rules, written apart from the code that it judges."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_KEPT = "%_x"  # after these the backslash stays
_NUMBER = re.compile(r"-?(?:\d+\.\d*(?:e-?\d+)?|\d+e-?\d+|\d+)")
_WORD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class Name:
    """An identifier in backticks."""

    text: str


@dataclass(frozen=True)
class Clause:
    """One subtable's part of a statement. A number is int or float as it was written."""

    database: str
    table: str
    using: tuple[str, str] | None
    tag_names: tuple[str, ...]
    tags: tuple[object, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def parse_insert(sql: bytes) -> list[Clause]:
    """The clauses of one INSERT; ValueError for anything that is not its strict form."""
    return list(_Reader(sql.decode("utf-8")).statement())


class _Reader:
    def __init__(self, text: str) -> None:
        if "\0" in text:
            raise ValueError("NUL in the statement")
        self.text, self.at = text, 0

    def statement(self) -> Iterator[Clause]:
        self.word("INSERT")
        self.word("INTO")
        while True:
            yield self.clause()
            if self.at == len(self.text):
                return

    def clause(self) -> Clause:
        database, table = self.qualified()
        using: tuple[str, str] | None = None
        tag_names: tuple[str, ...] = ()
        tags: tuple[object, ...] = ()
        if self.peek() == "U":
            self.word("USING")
            using = self.qualified()
            tag_names = self.titles()
            self.word("TAGS")
            tags = self.values()
        columns = self.titles()
        self.word("VALUES")
        rows = []
        while self.peek() == "(":
            rows.append(self.values())
        if not rows:
            raise ValueError("VALUES without a row")
        return Clause(database, table, using, tag_names, tags, columns, tuple(rows))

    def qualified(self) -> tuple[str, str]:
        first = self.name()
        if self.peek() != ".":
            return "", first
        self.at += 1
        return first, self.name()

    def titles(self) -> tuple[str, ...]:
        found = self.values()
        titles = tuple(item.text for item in found if isinstance(item, Name))
        if len(titles) != len(found):
            raise ValueError(f"not a list of names: {found}")
        return titles

    def values(self) -> tuple[object, ...]:
        self.take("(")
        found = [self.value()]
        while self.peek() == ",":
            self.at += 1
            found.append(self.value())
        self.take(")")
        return tuple(found)

    def value(self) -> object:
        char = self.peek()
        if char == "`":
            return Name(self.name())
        if char in ("'", '"'):
            return self.string()
        if match := _NUMBER.match(self.text, self.at):
            self.at = match.end()
            digits = match.group()
            return float(digits) if "." in digits or "e" in digits else int(digits)
        words = {"true": True, "false": False, "null": None}
        found = self.any_word()
        if found not in words:
            raise ValueError(f"{found!r} is no value")
        return words[found]

    def name(self) -> str:
        self.take("`")
        end = self.text.index("`", self.at)
        found, self.at = self.text[self.at : end], end + 1
        return found

    def string(self) -> str:
        quote, found = self.text[self.at], []
        self.at += 1
        while True:
            char = self.text[self.at]
            following = self.text[self.at + 1 : self.at + 2]
            if char == "\\":
                found.append(f"\\{following}" if following in _KEPT else _ESCAPES.get(following, following))
                self.at += 2
            elif char == quote and following == quote:
                found.append(quote)
                self.at += 2
            elif char == quote:
                self.at += 1
                return "".join(found)
            else:
                found.append(char)
                self.at += 1

    def peek(self) -> str:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, char: str) -> None:
        if self.peek() != char:
            raise ValueError(f"{char!r} expected at {self.text[self.at : self.at + 30]!r}")
        self.at += 1

    def any_word(self) -> str:
        self.peek()
        match = _WORD.match(self.text, self.at)
        if match is None:
            raise ValueError(f"no word at {self.text[self.at : self.at + 30]!r}")
        self.at = match.end()
        return match.group()

    def word(self, expected: str) -> None:
        if (found := self.any_word()) != expected:
            raise ValueError(f"{expected} expected, not {found}")
