"""What a statement gives back, before it becomes JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from .literals import Value
from .types import DataType


@dataclass(frozen=True, slots=True)
class Rows:
    """A result set: titles and types, rows of stored values, and the precision of its timestamps."""

    columns: Sequence[tuple[str, DataType]]
    rows: Sequence[Sequence[Value]]
    precision: str = "ms"


@dataclass(frozen=True, slots=True)
class Affected:
    """What a statement without rows answers."""

    rows: int = 0


Answer = Rows | Affected
