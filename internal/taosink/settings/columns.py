"""The types of a supertable's columns, as a person writes them in a setting."""

import re

from taosink.settings.kinds import parse_list

MOST_COLUMNS = 4094
"""TDengine takes 4096 columns and tags together; the timestamp and the device's tag are two of them."""

_FIXED = {
    "BOOL",
    "FLOAT",
    "DOUBLE",
    "TIMESTAMP",
    *(f"{kind}{sign}" for kind in ("TINYINT", "SMALLINT", "INT", "BIGINT") for sign in ("", " UNSIGNED")),
}
_LONGEST = {"VARCHAR": 65_517, "BINARY": 65_517, "NCHAR": 16_379, "VARBINARY": 65_517}
_TYPE = re.compile(r"([A-Z]+(?: UNSIGNED)?) ?(?:\( ?(\d{1,5}) ?\))? ?(?:\* ?(\d{1,4}))?", re.ASCII)


def parse_columns(value: object) -> tuple[str, ...]:
    """`DOUBLE, NCHAR(64)*3` as four types, in capitals. Raises ValueError for what TDengine has no column of."""
    found = [name for text in parse_list(value) for name in _types(text)]
    if len(found) > MOST_COLUMNS:
        raise ValueError(f"holds {len(found)} columns, and TDengine takes {MOST_COLUMNS}")
    return tuple(found)


def _types(text: str) -> list[str]:
    match = _TYPE.fullmatch(" ".join(text.upper().split()))
    name = match[1] if match else ""
    if match is None or (name not in _FIXED and name not in _LONGEST):
        raise ValueError(
            f"{text[:40]!r} is no column's type; write for example DOUBLE, BIGINT or NCHAR(64)*10"
        )
    if name in _LONGEST:
        length = int(match[2] or 0)
        if not 1 <= length <= _LONGEST[name]:
            raise ValueError(f"{text[:40]!r} needs a length of 1 to {_LONGEST[name]}, such as {name}(64)")
        name = f"{name}({length})"
    elif match[2]:
        raise ValueError(f"{text[:40]!r} takes no length; write {name}")
    return [name] * int(match[3] or 1)
