import pytest

from taosink.budget import ENCODED_PER_VALUE_BYTE, divide


@pytest.mark.parametrize("workers", [1, 4, 64])
@pytest.mark.parametrize("budget", [32 << 20, 256 << 20, 4 << 30])
def test_shares_never_add_up_to_more_than_the_budget(budget: int, workers: int) -> None:
    """All shares at their bound at once still fit."""
    shares = divide(budget, workers)
    held = shares.prefetch + shares.refill + shares.queue + workers * shares.batch * ENCODED_PER_VALUE_BYTE
    assert 0.9 * budget < held <= budget
