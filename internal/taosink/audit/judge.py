"""What the readings of one row should have left in the database, and whether it did. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any

from taosbatch.literals import Value
from taosink.audit.spill import Held

Same = Callable[[str, Value, Any], bool]
"""Whether a column's stored value is the one that was sent."""

ORIGINS = 20
MOST_MAYBE = 64


@dataclass(slots=True)
class Row:
    """All readings of one (device, timestamp in the database's unit), in the order of their partitions.

    `lanes` has what each partition alone would leave: per column the last, NULL too, and a column that was
    not given is kept. A device's readings are all in one partition, unless somebody produced them otherwise;
    then their order is not known, and any lane's last value will do. `maybe` holds the values of dead
    letters, which may have been replayed. `stamps` are the parts of a timestamp that flooring dropped.
    """

    table: str
    at: int
    shape: int
    required: int = 0
    pending: int = 0
    lanes: dict[int, dict[str, Value]] = field(default_factory=dict)
    maybe: dict[str, list[Value]] = field(default_factory=dict)
    stamps: set[int] = field(default_factory=set)
    origins: list[tuple[int, int]] = field(default_factory=list)
    by_partition: dict[int, int] = field(default_factory=dict)

    def add(self, held: Held, columns: Sequence[str]) -> None:
        cells = dict(zip(columns, held.cells, strict=False))
        if held.dead:
            for name, value in cells.items():
                values = self.maybe.setdefault(name, [])
                if len(values) < MOST_MAYBE:
                    values.append(value)
            return
        self.required += 1
        self.lanes.setdefault(held.partition, {}).update(cells)
        self.stamps.add(held.rest)
        self.by_partition[held.partition] = self.by_partition.get(held.partition, 0) + 1
        if len(self.origins) < ORIGINS:
            self.origins.append((held.partition, held.offset))

    @property
    def merged(self) -> int:
        """Readings of other timestamps that the database's precision makes one with this."""
        return len(self.stamps) - 1

    @property
    def repeated(self) -> int:
        """Readings that were produced again, with the very same timestamp."""
        return self.required - len(self.stamps)

    def differing(self, stored: Mapping[str, Any], same: Same, *, open_start: bool) -> list[str]:
        """Columns that hold what no reading explains. `open_start`: earlier readings are not known, so that a
        column which none of these gave may hold anything."""
        wrong = [
            name for name, actual in stored.items() if not self._explains(name, actual, same, open_start)
        ]
        for lane in self.lanes.values():
            if not lane.keys() <= stored.keys():
                lacking = (name for name, value in lane.items() if value is not None and name not in stored)
                wrong += [name for name in lacking if name not in wrong]
        return wrong

    def _explains(self, name: str, actual: Any, same: Same, open_start: bool) -> bool:
        given = False
        for lane in self.lanes.values():
            if name in lane:
                if same(name, lane[name], actual):
                    return True
                given = True
        if not given and (actual is None or open_start):
            return True
        return any(same(name, value, actual) for value in self.maybe.get(name, ()))


def rows_of(
    readings: Iterable[Held],
    columns_of: Callable[[int], Sequence[str]],
    is_pending: Callable[[int, int], bool] = lambda _partition, _offset: False,
) -> Iterator[Row]:
    """Readings sorted by device and time, as rows. `is_pending(partition, offset)`: it may be on its way."""
    for (table, at), group in groupby(readings, key=lambda held: (held.table, held.at)):
        first = next(group)
        row = Row(table, at, first.shape)
        for held in chain((first,), group):
            row.add(held, columns_of(held.shape))
            row.pending += not held.dead and is_pending(held.partition, held.offset)
        yield row


@dataclass(frozen=True, slots=True)
class Match:
    """One row that should be there, with what is (None: it is not). Between the row before it and this one
    the database holds `unexpected` rows that no reading explains, and `replayed` ones that a dead letter
    does."""

    row: Row
    stored: Sequence[Any] | None
    unexpected: int = 0
    replayed: int = 0


def match(
    rows: Iterable[Row], fetch: Callable[[int], Iterator[tuple[int, Sequence[Any]]]]
) -> Iterator[Match]:
    """One device's rows (ascending) against what the database holds from the first required one to the last.

    `fetch(at)` gives stored rows from a time on, oldest first; it is called at most once, and read no further
    than the last required row: dead letters of 1970 or of the year 5138 do not make the database read ages.
    """
    stored: Iterator[tuple[int, Sequence[Any]]] | None = None
    head: tuple[int, Sequence[Any]] | None = None
    dead: set[int] = set()
    for row in rows:
        if not row.required:
            dead.add(row.at)
            continue
        if stored is None:
            stored = fetch(row.at)
            head = next(stored, None)
        unexpected = replayed = 0
        while head is not None and head[0] < row.at:
            replayed += head[0] in dead
            unexpected += head[0] not in dead
            head = next(stored, None)
        dead.clear()
        if head is not None and head[0] == row.at:
            yield Match(row, head[1], unexpected, replayed)
            head = next(stored, None)
        else:
            yield Match(row, None, unexpected, replayed)
