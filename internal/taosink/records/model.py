"""The record, and why one cannot be read."""

from collections.abc import Sequence
from dataclasses import dataclass

from taosbatch.literals import Value
from taosbatch.rows import RowError

RecordError = RowError
"""Raised for one record that cannot be read: `reason`, `detail`, and `device` where it was legible."""

TIME_COLUMN = "ts"
TAG = "device"


@dataclass(frozen=True, slots=True)
class Record:
    """One reading: a device, nanoseconds since 1970 (negative before), and its values in column order."""

    device: str
    timestamp_ns: int
    cols: Sequence[Value]


def column(position: int) -> str:
    """The name of the column that holds the value at this position, from 0."""
    return f"col{position}"
