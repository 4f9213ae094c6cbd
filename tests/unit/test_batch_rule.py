from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosbatch.batch_rule import BatchRule

RULE = BatchRule(min_records=100, max_records=1000, max_bytes=50_000, linger=0.2)


def test_linger_starts_with_the_first_record_and_always_releases() -> None:
    """A single record goes once linger has passed since it came, however large the minimum is."""
    assert RULE.wait(1, 10, first_at=5.0, now=5.0) == pytest.approx(0.2)
    assert RULE.wait(1, 10, first_at=5.0, now=5.15) == pytest.approx(0.05)
    assert RULE.wait(1, 10, first_at=5.0, now=5.2) == 0.0


@pytest.mark.parametrize(("records", "nbytes"), [(100, 10), (3, 50_000)])
def test_the_minimum_or_the_bytes_release_at_once(records: int, nbytes: int) -> None:
    """Enough records, or a whole statement's worth of bytes, wait for nothing."""
    assert RULE.wait(records, nbytes, first_at=5.0, now=5.0) == 0.0


def test_closing_releases_at_once() -> None:
    """A stop does not sit out the linger."""
    assert RULE.wait(1, 10, first_at=5.0, now=5.0, closing=True) == 0.0


def test_chunks_join_whole_until_one_does_not_fit() -> None:
    """A chunk that would pass a maximum stays for the next batch."""
    assert RULE.takes(400, 100, records=600) == 400
    assert RULE.takes(401, 100, records=600) == 0
    assert RULE.takes(2, 101, records=1, nbytes=49_900) == 0


def test_a_chunk_larger_than_the_maximum_is_cut() -> None:
    """Cut by records or in proportion to its bytes, and at least one record goes."""
    assert RULE.takes(5000, 5000) == 1000
    assert RULE.takes(500, 100_000) == 250
    assert RULE.takes(3, 10_000_000) == 1


@given(st.integers(1, 5000), st.integers(0, 10**6), st.integers(0, 5000), st.integers(0, 10**6))
def test_no_batch_exceeds_the_maxima(n: int, b: int, records: int, nbytes: int) -> None:
    """Whatever joins, the batch stays within both maxima unless it is a single record."""
    nbytes = nbytes if records else 0
    taken = RULE.takes(n, b, records, nbytes)
    assert 0 <= taken <= n
    if taken and records + taken > 1:
        assert records + taken <= RULE.max_records
        assert nbytes + b * taken / n <= RULE.max_bytes
    if not records:
        assert taken >= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_records": 0},
        {"min_records": 11, "max_records": 10},
        {"max_bytes": 0},
        {"linger": -1},
        {"linger": float("nan")},
    ],
)
def test_refuses_sizes_that_no_batch_could_satisfy(wrong: dict[str, Any]) -> None:
    """A minimum above the maximum would wait for the linger each time; it is refused instead."""
    with pytest.raises(ValueError, match="m"):
        BatchRule(**wrong)
