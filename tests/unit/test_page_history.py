"""What a page that is opened late is filled with, and how a gateway's rates and times are made."""

from itertools import pairwise

import pytest

from taosink.ingress.http.live_figures import Moments, Seen, quantile
from taosink.observe.page.ring import Ring

BOUNDS = (0.01, 0.1, 1.0)


def test_the_last_looks_are_kept_column_by_column() -> None:
    """Oldest first; no more than there is room for; what was not known stays so."""
    ring = Ring(("stored", "lag"), most=3)
    assert ring.document() == {"at": [], "stored": [], "lag": []}
    for n in range(5):
        ring.add(1000.0 + n, n * 1.26, None if n == 3 else n)
    assert ring.document() == {
        "at": [1_002_000, 1_003_000, 1_004_000],
        "stored": [2.5, 3.8, 5.0],
        "lag": [2, None, 4],
    }


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ((0, 0, 0, 0), 0.5, None),
        ((10, 0, 0, 0), 0.5, 0.005),
        ((0, 10, 0, 0), 0.5, 0.055),
        ((5, 5, 0, 0), 0.5, 0.01),
        ((0, 0, 0, 7), 0.5, 1.0),
        ((98, 0, 2, 0), 0.99, 0.55),
    ],
)
def test_a_time_lies_in_its_bucket(counts: tuple[int, ...], share: float, expected: float | None) -> None:
    """In a straight line through it; past the last bound nothing more is known than that."""
    found = quantile(BOUNDS, counts, share)
    assert found == (None if expected is None else pytest.approx(expected))


def test_rates_are_of_the_last_seconds() -> None:
    """Not of the whole run: what ended five seconds ago does not count."""
    moments = Moments(BOUNDS)
    for second in range(20):
        moving = moments.look(Seen(float(second), frames_in=100 * min(second, 10), readings=7 * second))
    assert moving.frames_in == 0.0
    assert moving.readings == pytest.approx(7.0)


def test_times_are_of_the_last_minute() -> None:
    """A slow start is forgotten; kinds that never came have none."""
    moments = Moments(BOUNDS)
    moments.look(Seen(0.0, acks={"kafka": (0, 0, 0, 0), "stored": (0, 0, 0, 0)}))
    slow = moments.look(Seen(1.0, acks={"kafka": (0, 0, 0, 9), "stored": (0, 0, 0, 0)}))
    assert slow.times == {"kafka": (1.0, 1.0), "stored": (None, None)}
    assert slow.acks["kafka"] == pytest.approx(9.0)
    for second in range(2, 80):
        moving = moments.look(Seen(float(second), acks={"kafka": (second, 0, 0, 9), "stored": (0, 0, 0, 0)}))
    p50, p99 = moving.times["kafka"]
    assert p50 is not None
    assert p99 is not None
    assert p99 <= BOUNDS[0]
    assert all(a <= b for a, b in pairwise((p50, p99)))
