"""Column lists and types as CREATE and ALTER write them."""

from collections.abc import Iterable

from . import errors
from .catalogue import MAX_NAME
from .reader import Reader
from .types import INTEGERS, VARIABLE_LENGTH, DataType, fixed

Columns = list[tuple[str, DataType]]
MAX_ROW_BYTES, MAX_TAG_BYTES = 65_531, 16_384
_LONGEST = {"VARCHAR": 65_517, "NCHAR": 16_379, "VARBINARY": 65_517, "GEOMETRY": 65_517}


def column_list(reader: Reader) -> Columns:
    """`(name type, ...)`; encoding options are read and not kept."""
    reader.take("(")
    columns = [_column(reader)]
    while reader.accept(","):
        columns.append(_column(reader))
    reader.take(")")
    return columns


def checked_name(name: str, limit: int) -> str:
    """The name, if it is one: not empty, no dot, at most `limit` bytes."""
    if not name or len(name.encode()) > limit:
        raise errors.TaosError(errors.INVALID_IDENTIFIER, f"Invalid identifier name: {name}")
    return name


def check_lengths(columns: Iterable[DataType], tags: Iterable[DataType]) -> None:
    """Whether a row and a subtable's tags have room for these."""
    if sum(kind.stored_bytes for kind in columns) > MAX_ROW_BYTES:
        raise errors.TaosError(errors.INVALID_ROW_LENGTH, "Row length exceeds max length")
    if sum(kind.stored_bytes for kind in tags) > MAX_TAG_BYTES:
        raise errors.TaosError(errors.INVALID_TAGS_LENGTH, "Tags length exceeds max length")


def _column(reader: Reader) -> tuple[str, DataType]:
    name = checked_name(reader.name(), MAX_NAME)
    kind = data_type(reader)
    while reader.word("ENCODE", "COMPRESS", "LEVEL", "COMMENT"):
        reader.string()
    return name, kind


def data_type(reader: Reader) -> DataType:
    token = reader.take()
    name = {"BINARY": "VARCHAR", "INTEGER": "INT"}.get(token.kind, token.kind)
    if name in VARIABLE_LENGTH:
        reader.take("(")
        length = reader.integer()
        reader.take(")")
        if not 1 <= length <= _LONGEST[name]:
            raise errors.TaosError(
                errors.INVALID_VAR_LENGTH, "Invalid varbinary/binary/nchar/geometry length"
            )
        return DataType(name, length)
    if name in INTEGERS and reader.accept("UNSIGNED"):
        name += " UNSIGNED"
    if name in INTEGERS or name in ("TIMESTAMP", "BOOL", "FLOAT", "DOUBLE"):
        return fixed(name)
    reader.at -= 1
    raise reader.fail()
