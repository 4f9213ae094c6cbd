import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosbatch.backoff import Backoff


def test_grows_by_its_factor_up_to_the_maximum() -> None:
    """Without jitter the waits are first, first*factor, ... and then the maximum for ever."""
    backoff = Backoff(first=0.2, factor=2, max=1.0, jitter=0)
    assert [backoff.delay(n, lambda: 0.9) for n in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_jitter_shortens_by_at_most_its_share() -> None:
    """A random number of 0 gives the whole wait, one near 1 takes the jitter's share off."""
    backoff = Backoff(first=1, factor=2, max=15, jitter=0.5)
    assert backoff.delay(0, lambda: 0.0) == 1
    assert backoff.delay(0, lambda: 1.0) == 0.5


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_has_no_end(attempt: int, rand: float) -> None:
    """Any attempt number, of an outage of years too, gives a positive wait of at most the maximum."""
    assert 0 < Backoff().delay(attempt, lambda: rand) <= 15


@pytest.mark.parametrize("wrong", [{"first": 0}, {"first": 20}, {"factor": 0.5}, {"jitter": 1.5}])
def test_refuses_settings_that_would_not_back_off(wrong: dict[str, float]) -> None:
    """Nonsense is a ValueError where it is made, not a busy loop later."""
    with pytest.raises(ValueError, match="needs 0 < first"):
        Backoff(**wrong)
