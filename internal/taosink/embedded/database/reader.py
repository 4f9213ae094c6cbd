"""A statement as a stream of tokens, with TDengine's errors for what does not fit its grammar."""

import re

from . import errors
from .tokens import COMMENT, END, ID, ILLEGAL, INTEGER, SPACE, STRING, Token, scan, string_value, unquote

_QUOTED = re.compile(
    r"""(?:'(?:[^'\\]|\\.)*(?:'|$)|"(?:[^"\\]|\\.)*(?:"|$)|`(?:[^`\\]|\\.)*(?:`|$))""", re.DOTALL
)


def lower_outside_quotes(text: str) -> str:
    """The server lowers a whole statement before it reads it; column titles show that."""
    parts: list[str] = []
    at = 0
    for found in _QUOTED.finditer(text):
        parts += [text[at : found.start()].lower(), found.group()]
        at = found.end()
    return "".join([*parts, text[at:].lower()])


class Reader:
    """`peek` and `take` tokens up to the end or the first semicolon; blanks and comments are passed over."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        pos = 0
        while True:
            token = scan(text, pos)
            if token.kind == ";" and self.tokens:
                token = Token(END, "", pos, pos)
            if token.kind not in (SPACE, COMMENT):
                self.tokens.append(token)
            if token.kind in (END, ILLEGAL):
                break
            pos = token.end
        self.at = 0

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def fail(self) -> errors.TaosError:
        """What the grammar answers at this point."""
        token = self.peek()
        return errors.incomplete() if token.kind == END else errors.syntax(self.text[token.start :])

    def take(self, *kinds: str) -> Token:
        """The next token, which must be one of `kinds` (any, where none are given)."""
        token = self.peek()
        if token.kind in (END, ILLEGAL) or (kinds and token.kind not in kinds):
            raise self.fail()
        self.at += 1
        return token

    def accept(self, *kinds: str) -> bool:
        """Takes all of `kinds` if they come next, in this order."""
        if any(self.peek(i).kind != kind for i, kind in enumerate(kinds)):
            return False
        self.at += len(kinds)
        return True

    def word(self, *words: str) -> str | None:
        """Takes the next token if its text, a keyword or not, is one of `words`; gives it in upper case."""
        token = self.peek()
        upper = token.text.upper()
        if upper in words and token.kind != STRING:
            self.at += 1
            return upper
        return None

    def name(self) -> str:
        return unquote(self.take(ID).text)

    def string(self) -> str:
        return string_value(self.take(STRING).text)

    def integer(self) -> int:
        return int(self.take(INTEGER).text)

    def full_name(self) -> tuple[str | None, str]:
        """`[db.]name`."""
        first = self.name()
        if self.accept("."):
            return first, self.name()
        return None, first

    def if_exists(self, *, negated: bool) -> bool:
        return self.accept("IF", "NOT", "EXISTS") if negated else self.accept("IF", "EXISTS")

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek().kind != END:
            raise self.fail()
