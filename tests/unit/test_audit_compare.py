import pytest

from taosink.audit.compare import Cell, compare, end_state, same
from taosink.audit.stored_rows import timestamp_units


def test_everything_stored_agrees() -> None:
    """The same rows, numbers as DOUBLE, are the same."""
    verdict = compare(
        "d", [(1_000_000, [1, "a"]), (2_000_000, [2.5, "b"])], iter([(1, [1.0, "a"]), (2, [2.5, "b"])]), "ms"
    )
    assert verdict.agrees
    assert (verdict.expected, verdict.stored) == (2, 2)


def test_missing_different_and_unexpected_rows_are_told_apart() -> None:
    """Each kind of disagreement is counted and shown by an example."""
    verdict = compare("d", [(1_000_000, [1]), (2_000_000, [2])], iter([(2, [3.0]), (9, [1.0])]), "ms")
    assert (verdict.missing, verdict.different, verdict.unexpected) == (1, 1, 1)
    assert not verdict.agrees
    assert len(verdict.examples) == 3


def test_readings_that_share_a_floored_timestamp_merge() -> None:
    """Two readings in one millisecond are one row, the last one wins, and none is lost."""
    verdict = compare("d", [(1_000_001, [1]), (1_999_999, [2])], iter([(1, [2.0])]), "ms")
    assert verdict.agrees
    assert verdict.merged == 1


def test_null_overwrites_and_a_missing_column_is_kept() -> None:
    """Per column the last in partition order wins."""
    rows, merged = end_state([(5, [1, 2, 3]), (5, [None, 4])], "ns")
    assert rows == {5: [None, 4, 3]}
    assert merged == 1


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (True, True, True),
        ("1", 1.0, False),
        (None, 0, False),
        (None, None, True),
        (0.1 + 0.2, 0.30000000000000004, True),
    ],
)
def test_values_are_the_same_only_in_kind_and_worth(expected: Cell, actual: Cell, equal: bool) -> None:
    """A number is no text and no bool, and NULL is only NULL."""
    assert same(expected, actual) is equal


@pytest.mark.parametrize(
    ("text", "precision", "units"),
    [
        ("2023-11-14T22:13:20.001Z", "ms", 1_700_000_000_001),
        ("1969-12-31T23:59:59.999Z", "ms", -1),
        ("2023-11-14T22:13:20.123456789Z", "ns", 1_700_000_000_123_456_789),
    ],
)
def test_timestamps_are_read_exactly(text: str, precision: str, units: int) -> None:
    """Every digit counts, also before 1970."""
    assert timestamp_units(text, precision) == units  # type: ignore[arg-type] # the table's texts are the literals
