"""Values as they were sent against values as a column holds them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from taosbatch.literals import Value
from taosink.audit.stored_rows import page_size, timestamp_units
from taosink.audit.values import same_value
from taosink.taos.ddl import column_type

BIG = 2**53


@pytest.mark.parametrize(
    ("sent", "stored", "column"),
    [
        (None, None, "DOUBLE"),
        (1, 1.0, "DOUBLE"),
        (0.1, 0.1, "DOUBLE"),
        (1e20, 10**20, "DOUBLE"),
        (BIG + 1, float(BIG), "DOUBLE"),  # what a DOUBLE makes of it
        (BIG + 1, BIG + 1, "BIGINT"),
        (1.5, 2, "INT"),
        (-2.5, -3, "SMALLINT"),
        (255, 255, "TINYINT UNSIGNED"),
        (21.3, 21.299999237060547, "FLOAT"),
        (21.3, 21.3, "FLOAT"),
        (True, True, "BOOL"),
        (1, True, "BOOL"),
        ("false", False, "BOOL"),
        (True, 1, "INT"),
        ("12", 12, "INT"),
        ("x", "x", "VARCHAR(8)"),
        ("ü😀", "ü😀", "NCHAR(8)"),
        ("b", b"b", "VARCHAR(8)"),
        (5, "5", "VARCHAR(8)"),
        (True, "true", "VARCHAR(8)"),
        (1_735_689_600_000, "2025-01-01T00:00:00.000Z", "TIMESTAMP"),
        ("2025-01-01T08:00:00+08:00", "2025-01-01T00:00:00.000Z", "TIMESTAMP"),
        ("\\x7f", "whatever", "VARBINARY(8)"),
    ],
)
def test_the_same(sent: Value, stored: Any, column: str) -> None:
    """Also what the column's type makes of a value."""
    assert same_value(sent, stored, column_type(column), "ms")


@pytest.mark.parametrize(
    ("sent", "stored", "column"),
    [
        (None, 0, "DOUBLE"),
        (0, None, "DOUBLE"),
        (0.1, 0.10000001, "DOUBLE"),
        (BIG + 1, BIG, "BIGINT"),
        (1.5, 1, "INT"),
        (21.3, 21.4, "FLOAT"),
        (1e300, 5.0, "FLOAT"),
        (True, False, "BOOL"),
        ("x", True, "BOOL"),
        ("x", 1, "INT"),
        ("x", "X", "VARCHAR(8)"),
        ("x", "x ", "VARCHAR(8)"),
        (True, "1", "VARCHAR(8)"),
        (1_735_689_600_001, "2025-01-01T00:00:00.000Z", "TIMESTAMP"),
        ("\\x7f", None, "VARBINARY(8)"),
    ],
)
def test_not_the_same(sent: Value, stored: Any, column: str) -> None:
    """NULL is no zero, near is not equal, and integers are exact where the column holds integers."""
    assert not same_value(sent, stored, column_type(column), "ms")


@pytest.mark.parametrize(
    ("value", "precision", "units"),
    [
        ("2025-01-01T00:00:00.001Z", "ms", 1_735_689_600_001),
        ("2025-01-01T08:00:00.000001+08:00", "us", 1_735_689_600_000_001),
        ("2025-01-01T00:00:00.000000001Z", "ns", 1_735_689_600_000_000_001),
        ("1969-12-31T23:59:59.999Z", "ms", -1),
        (datetime(2025, 1, 1, 0, 0, 0, 1000, UTC), "ms", 1_735_689_600_001),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), "us", -1),
        (17, "ns", 17),
    ],
)
def test_timestamps_as_drivers_give_them(value: Any, precision: Any, units: int) -> None:
    """Text, datetime or integer: exact, before 1970 too."""
    assert timestamp_units(value, precision) == units


def test_pages_shrink_with_the_rows() -> None:
    """An answer stays within some megabytes, and one row at a time is never asked for."""
    assert page_size(100) == 20_000
    assert page_size(64_000) == 65
    assert page_size(10**9) == 50
