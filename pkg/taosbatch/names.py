"""Identifiers: what TDengine takes as a name, how it folds them, and how they are quoted."""

from taosbatch.encoding import NamesCase

TABLE_BYTES = 192
"""Longest table or supertable name behind a database (TDengine 3.x)."""

BARE_TABLE_BYTES = 190
"""The same where no database stands before the name: the server counts the two backticks there."""

NAME_BYTES = 64
"""Longest database, column or tag name."""

_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_DOT, _BACKTICK = ord("."), ord("`")


def fold(name: str, case: NamesCase) -> str:
    """The name as it is stored: unchanged, or with A-Z lowered as the server lowers unquoted names."""
    if case == "exact":
        return name
    # str.lower would also change letters beyond ASCII, and even their number of bytes.
    return name.lower() if name.isascii() else name.translate(_ASCII_LOWER)


def table_limit(database: str) -> int:
    """The most bytes of a table name, which depends on whether a database stands before it."""
    return TABLE_BYTES if database else BARE_TABLE_BYTES


def is_table(name: bytes, limit: int) -> bool:
    """Whether the UTF-8 bytes can name a table: the quick form of `table_problem`."""
    # A doubled backtick is not known to be one name in every place of the grammar, so it is never risked.
    return 0 < len(name) <= limit and _DOT not in name and _BACKTICK not in name and 0 not in name


def table_problem(name: str, limit: int) -> str | None:
    """Why this cannot name a table or supertable, or None."""
    return "a table name must not contain '.'" if "." in name else name_problem(name, limit)


def name_problem(name: str, limit: int = NAME_BYTES) -> str | None:
    """Why this cannot stand between backticks as a name of at most `limit` bytes, or None."""
    if not name:
        return "the name is empty"
    for char, word in (("`", "a backtick"), ("\0", "a NUL character")):
        if char in name:
            return f"the name contains {word}, which cannot be quoted"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "the name is not valid Unicode (a lone surrogate)"
    return f"the name has {size} bytes, at most {limit} are possible" if size > limit else None


def quote(*parts: str) -> str:
    """Backticks around each part that is not empty, with dots between: ("db", "t") is `db`.`t`.

    The parts must have passed `table_problem` or `name_problem`.
    """
    return ".".join(f"`{part}`" for part in parts if part)
