"""What one INSERT writes, table by table."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .catalogue import NewTable, Stable, Table
from .literals import Value
from .types import Column

Row = tuple[Value, ...]
Runs = list[tuple[tuple[str, ...], list[Row]]]


@dataclass(slots=True)
class Block:
    """What one statement writes into one table: runs of rows, each with the columns that it names.

    A row begins with its timestamp; `runs` pairs the slots of the other columns with rows.
    """

    table: Table | NewTable
    shape: Stable
    bound: tuple[Column, ...]
    runs: Runs = field(default_factory=list)

    def add(self, bound: Sequence[Column], rows: list[Row]) -> None:
        """`rows` follow the order of `bound`."""
        slots = tuple(c.slot for c in bound)
        at = slots.index("ts")
        if at:
            rows = [(r[at], *r[:at], *r[at + 1 :]) for r in rows]
            slots = (slots[at], *slots[:at], *slots[at + 1 :])
        if self.runs and self.runs[-1][0] == slots[1:]:
            self.runs[-1][1].extend(rows)
        else:
            self.runs.append((slots[1:], rows))

    def merged(self) -> Runs:
        """The runs with equal timestamps made one row: per column, the last value that is not NULL."""
        total = sum(len(rows) for _, rows in self.runs)
        if len({row[0] for _, rows in self.runs for row in rows}) == total:
            return self.runs
        by_stamp: dict[Value, dict[str, Value]] = {}
        for slots, rows in self.runs:
            for row in rows:
                fields = by_stamp.setdefault(row[0], {})
                for slot, value in zip(slots, row[1:], strict=True):
                    if value is not None or slot not in fields:
                        fields[slot] = value
        runs: dict[tuple[str, ...], list[Row]] = {}
        for stamp, fields in by_stamp.items():
            runs.setdefault(tuple(fields), []).append((stamp, *fields.values()))
        return list(runs.items())
