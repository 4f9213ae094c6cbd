"""TDengine's tokens: the rules of its hand-written scanner, which INSERT uses directly."""

import re
from typing import NamedTuple

from .keywords import KEYWORDS

SPACE, COMMENT, STRING, ID, ALIAS, ILLEGAL = "space", "comment", "string", "id", "alias", "illegal"
INTEGER, FLOAT, HEX, BIN, VARIABLE, IP, BOOL = "integer", "float", "hex", "bin", "variable", "ip", "bool"
END = ""


class Token(NamedTuple):
    """`kind` is one of the constants, an upper-case keyword, or the punctuation itself; END has no text."""

    kind: str
    text: str
    start: int
    end: int


# Possessive quantifiers matter: an unterminated string must not match a shorter one.
_SCAN = re.compile(
    r"""
      (?P<space>[ \t\n\f\r]\s*)
    | (?P<comment>--[^\n]*|/\*.(?:(?<=\*)/|.*?\*/|.*))
    | (?P<string>'(?:[^'\\]++|\\.|'')*+'|"(?:[^"\\]++|\\.|"")*+")
    | (?P<quoted>`(?:[^`]++|``)*+`)
    | (?P<hex>0[xX][0-9a-fA-F]+)
    | (?P<bin>0[bB][01]+)
    | (?P<bad>0[xXbB]|\d+(?:\.\d+){4,}|\d+(?:\.\d+){2}(?!\.\d))
    | (?P<variable>\d+[buasmhdnywBUASMHDNYW](?![0-9A-Za-z_]))
    | (?P<ip>\d+(?:\.\d+){3})
    | (?P<float>\d+(?:\.\d*(?:[eE][+-]?\d+)?|[eE][+-]?\d+)|\.\d+(?:[eE][+-]?\d+)?)
    | (?P<integer>\d+)
    | (?P<word>[A-Za-z_\x80-\U0010ffff][0-9A-Za-z_\x80-\U0010ffff]*)
    | (?P<op>->|==|<=|<>|<<|>=|>>|!=|\|\||%%|[-()+*/%=<>|,&~?;:.])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


def scan(text: str, pos: int) -> Token:
    """The token that begins at `pos`, blanks and comments included; ILLEGAL has no length."""
    found = _SCAN.match(text, pos)
    if found is None:
        return Token(END if pos >= len(text) else ILLEGAL, "", pos, pos)
    group, word, end = str(found.lastgroup), found.group(), found.end()
    if group == "word":
        return Token(_word_kind(word), word, pos, end)
    if group == "op":
        return Token({"==": "=", "<>": "!="}.get(word, word), word, pos, end)
    if group == "quoted":
        return Token(ID, word, pos, end)
    if group == "bad":
        return Token(ILLEGAL, "", pos, pos)
    return Token(group, word, pos, end)


def _word_kind(word: str) -> str:
    if not word.isascii():
        return ALIAS
    upper = word.upper()
    if upper in {"TRUE", "FALSE"}:
        return BOOL
    return upper if upper in KEYWORDS else ID


_BLANK = " \n\r\t\f"


def insert_token(text: str, pos: int, *, signed: bool = False) -> tuple[Token, bool]:
    """INSERT's next token, and whether a comma was passed over: commas are blanks to it, one at a time.

    A second comma in a row, and a semicolon, read as the end of the statement. `signed` joins a sign to the
    number behind it. `db.tb` is one token.
    """
    commas = 0
    while pos < len(text) and (text[pos] in _BLANK or text[pos] == ","):
        if text[pos] == ",":
            commas += 1
            if commas > 1:
                return Token(END, "", pos, pos), True
        pos += 1
    token = scan(text, pos)
    if token.kind == ";":
        return Token(END, "", pos, pos), commas > 0
    if text.startswith(".", token.end) and token.kind != END:
        rest = scan(text, token.end + 1)
        if token.kind not in (STRING, ID) or rest.kind not in (STRING, ID):
            return Token(ILLEGAL, "", pos, pos), commas > 0
        return Token(token.kind, text[pos : rest.end], pos, rest.end), commas > 0
    if signed and token.kind in "-+" and token.kind:
        number = scan(text, token.end)
        if number.kind in (INTEGER, FLOAT, BIN, HEX):
            return Token(number.kind, text[pos : number.end], pos, number.end), commas > 0
    return token, commas > 0


def valid_token(text: str, pos: int) -> Token:
    """The next token that is not blank, commas included."""
    token = scan(text, pos)
    while token.kind == SPACE:
        token = scan(text, token.end)
    return token


def unquote(name: str) -> str:
    """An identifier's name: quotes taken off with their doubling, unquoted names in lower case."""
    quote = name[:1]
    if quote in ("'", '"', "`"):
        return name[1:-1].replace(quote * 2, quote)
    return name.lower()


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "%": "\\%", "_": "\\_", "x": "\\x"}
_ESCAPE = re.compile(r"\\(.)|(['\"])\2", re.DOTALL)


def string_value(literal: str) -> str:
    """What a quoted literal means."""
    body, quote = literal[1:-1], literal[0]
    if "\\" not in body and quote not in body:
        return body

    def replace(found: re.Match[str]) -> str:
        escaped = found.group(1)
        if escaped is None:
            return quote if found.group(2) == quote else found.group()
        return _ESCAPES.get(escaped, escaped)

    return _ESCAPE.sub(replace, body)
