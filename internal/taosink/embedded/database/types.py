"""Column types: their names, lengths and what DESCRIBE says of them."""

from dataclasses import dataclass

INTEGERS = {
    "TINYINT": (1, -(2**7), 2**7 - 1),
    "SMALLINT": (2, -(2**15), 2**15 - 1),
    "INT": (4, -(2**31), 2**31 - 1),
    "BIGINT": (8, -(2**63), 2**63 - 1),
    "TINYINT UNSIGNED": (1, 0, 2**8 - 1),
    "SMALLINT UNSIGNED": (2, 0, 2**16 - 1),
    "INT UNSIGNED": (4, 0, 2**32 - 1),
    "BIGINT UNSIGNED": (8, 0, 2**64 - 1),
}
"""Name -> bytes, least, greatest."""

_FIXED = {"TIMESTAMP": 8, "BOOL": 1, "FLOAT": 4, "DOUBLE": 8} | {n: v[0] for n, v in INTEGERS.items()}
TEXT = frozenset({"VARCHAR", "NCHAR"})
BYTES = frozenset({"VARBINARY", "GEOMETRY"})
VARIABLE_LENGTH = TEXT | BYTES
NUMERIC = frozenset(INTEGERS) | {"FLOAT", "DOUBLE"}
PRECISIONS = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""Ticks per second."""

UBIGINT_BIAS = 2**63
"""SQLite's integers are signed: BIGINT UNSIGNED is kept less this, which keeps its order."""

_ENCODINGS = {
    "TIMESTAMP": "delta-i",
    "BOOL": "bit-packing",
    "FLOAT": "delta-d",
    "DOUBLE": "delta-d",
    "VARCHAR": "disabled",
    "NCHAR": "disabled",
    "VARBINARY": "disabled",
    "GEOMETRY": "disabled",
}


@dataclass(frozen=True, slots=True)
class DataType:
    """`length` is what a REST answer shows: characters of NCHAR, bytes of everything else."""

    name: str
    length: int

    @property
    def ddl(self) -> str:
        """As SHOW CREATE TABLE writes it."""
        return f"{self.name}({self.length})" if self.name in VARIABLE_LENGTH else self.name

    @property
    def stored_bytes(self) -> int:
        """What it counts for in the row limit, with its header."""
        if self.name == "NCHAR":
            return self.length * 4 + 2
        if self.name in VARIABLE_LENGTH:
            return self.length + 2
        return self.length

    @property
    def encoding(self) -> str:
        return _ENCODINGS.get(self.name, "simple8b")


def fixed(name: str) -> DataType:
    return DataType(name, _FIXED[name])


TIMESTAMP = fixed("TIMESTAMP")
BIGINT = fixed("BIGINT")
DOUBLE = fixed("DOUBLE")
INT = fixed("INT")
BOOL = fixed("BOOL")


def varchar(length: int) -> DataType:
    return DataType("VARCHAR", length)


@dataclass(frozen=True, slots=True)
class Column:
    """One column or tag; `slot` names its SQLite column, so that names may hold anything."""

    name: str
    type: DataType
    slot: str
