"""One device's readings against its rows: pure, so that tests and tools judge by the same rule."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from taosbatch.encoding import Precision

Cell = bool | int | float | str | None
Rows = dict[int, list[Cell]]
"""Timestamp in the database's precision -> values by column position."""

UNIT_NS: Mapping[Precision, int] = {"ms": 1_000_000, "us": 1_000, "ns": 1}
MAX_EXAMPLES = 5


@dataclass(slots=True)
class DeviceVerdict:
    """What the comparison of one device found. `merged` readings share a (floored) timestamp with another
    one: they are shown apart and are no loss."""

    device: str
    expected: int = 0
    stored: int = 0
    merged: int = 0
    missing: int = 0
    different: int = 0
    unexpected: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return not (self.missing or self.different or self.unexpected)

    def note(self, text: str) -> None:
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(text)


def end_state(readings: Iterable[tuple[int, Sequence[Cell]]], precision: Precision) -> tuple[Rows, int]:
    """The rows that the readings (timestamp in ns, values), in partition order, end as; and how many merged.

    Per column the last one wins; NULL overwrites, a column that was not given is kept.
    """
    unit = UNIT_NS[precision]
    rows: Rows = {}
    merged = 0
    for timestamp_ns, cols in readings:
        at = timestamp_ns // unit
        row = rows.get(at)
        if row is None:
            rows[at] = list(cols)
            continue
        merged += 1
        row[: len(cols)] = cols
    return rows, merged


def same(expected: Cell, actual: Cell) -> bool:
    """Whether a stored value is the one that was sent; inferred columns hold every number as DOUBLE."""
    if expected is None or actual is None:
        return expected is actual
    if isinstance(expected, bool) or isinstance(actual, bool):
        return isinstance(actual, bool) and expected == actual
    if isinstance(expected, str) or isinstance(actual, str):
        return expected == actual
    return float(expected) == float(actual)


def _same_row(expected: Sequence[Cell], actual: Sequence[Cell]) -> bool:
    padded = [*expected, *([None] * (len(actual) - len(expected)))]
    return len(padded) == len(actual) and all(map(same, padded, actual))


def compare(
    device: str,
    readings: Iterable[tuple[int, Sequence[Cell]]],
    stored: Iterator[tuple[int, Sequence[Cell]]],
    precision: Precision,
) -> DeviceVerdict:
    """`stored`: (timestamp in the database's precision, values) as the database holds them."""
    expected, merged = end_state(readings, precision)
    verdict = DeviceVerdict(device, expected=len(expected) + merged, merged=merged)
    for at, values in stored:
        verdict.stored += 1
        wanted = expected.pop(at, None)
        if wanted is None:
            verdict.unexpected += 1
            verdict.note(f"{device} at {at}: in the database, never produced")
        elif not _same_row(wanted, values):
            verdict.different += 1
            verdict.note(f"{device} at {at}: produced {wanted}, stored {list(values)}")
    verdict.missing = len(expected)
    for at in expected:
        verdict.note(f"{device} at {at}: produced, not in the database")
        if len(verdict.examples) == MAX_EXAMPLES:
            break
    return verdict
