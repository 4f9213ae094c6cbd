"""The chaos suite's schedule: the same seed is the same run, and no run is one that proves nothing."""

from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from support.chaos.schedule import (
    BROKER_KINDS,
    CONSUMER_KINDS,
    DATABASE_KINDS,
    Cast,
    Fault,
    actions,
    by_kind,
    schedule,
)

SEEDS = st.integers(0, 2**32)
LENGTHS = st.floats(5, 600)
CASTS = st.builds(Cast, members=st.integers(2, 6), spares=st.integers(0, 3))


@settings(max_examples=40)
@given(SEEDS, LENGTHS, CASTS)
def test_the_seed_reproduces_the_schedule(seed: int, seconds: float, cast: Cast) -> None:
    """Equal arguments, equal faults; another seed, others."""
    faults = schedule(seed, seconds, cast)
    assert faults == schedule(seed, seconds, cast)
    assert faults == sorted(faults)
    assert not faults or faults != schedule(seed + 1, seconds, cast)


@settings(max_examples=40)
@given(SEEDS, LENGTHS, CASTS)
def test_nobody_is_in_two_faults_at_once(seed: int, seconds: float, cast: Cast) -> None:
    """So a killed member is not frozen, and a broker that is down is not stopped."""
    by_target: dict[str, list[Fault]] = defaultdict(list)
    for fault in schedule(seed, seconds, cast):
        by_target[fault.target].append(fault)
    assert set(by_target) <= {*cast.names, "broker", "database"}
    for faults in by_target.values():
        assert faults[-1].at <= seconds
        assert all(a.at + a.seconds <= b.at + 0.01 for a, b in pairwise(faults))


@settings(max_examples=40)
@given(SEEDS, CASTS)
def test_one_member_is_left_alone_at_any_time(seed: int, cast: Cast) -> None:
    """A run in which nobody works would prove nothing."""
    away: set[str] = set()
    for _, ends, fault in actions(schedule(seed, 120, cast)):
        if fault.target.startswith("member") and fault.seconds:
            (away.discard if ends else away.add)(fault.target)
        assert len(away) < cast.members


def test_ten_minutes_hold_every_kind_many_times() -> None:
    """Each kind of fault comes in a long run, at about the pace that was asked for."""
    counted = by_kind(schedule(1, 600, Cast()))
    assert set(counted) == {*CONSUMER_KINDS, *DATABASE_KINDS, *BROKER_KINDS}
    assert min(counted.values()) >= 5
    assert 200 < sum(counted[kind] for kind in CONSUMER_KINDS) <= 450


def test_an_end_comes_before_the_next_begin() -> None:
    """Where one fault ends at the moment at which another begins, the target is healed first."""
    first, second = Fault(1.0, "cut", "database", 2.0), Fault(3.0, "stall", "database", 1.0)
    assert [(a.at, a.ends) for a in actions([first, second])] == [
        (1.0, False),
        (3.0, True),
        (3.0, False),
        (4.0, True),
    ]
