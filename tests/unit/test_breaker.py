from hypothesis import given
from hypothesis import strategies as st

from taosbatch.breaker import Breaker, BreakerRule, Verdict

GOOD, REFUSED, UNREADABLE = Verdict.GOOD, Verdict.REFUSED, Verdict.UNREADABLE


def test_a_few_bad_rows_never_open_it() -> None:
    """Below fifty bad rows even a share of 100 % is no reason."""
    breaker = Breaker(BreakerRule())
    assert not breaker.judge(REFUSED, 49, 0.0)
    assert breaker.judge(REFUSED, 1, 0.0)
    assert breaker.is_open


def test_it_opens_at_the_share_of_the_last_thousand() -> None:
    """Old rows fall out of the window, good or bad."""
    breaker = Breaker(BreakerRule())
    breaker.judge(GOOD, 100_000, 0.0)
    assert not breaker.judge(REFUSED, 199, 0.0)
    assert breaker.judge(REFUSED, 1, 0.0)


def test_rows_that_are_not_judged_yet_count_as_good() -> None:
    """Asked in the middle of a statement, it lets the search go on while the share may still be small."""
    breaker = Breaker(BreakerRule())
    assert breaker.allows(REFUSED, 60, 10_000)
    assert breaker.allows(REFUSED, 199, 10_000)
    assert not breaker.allows(REFUSED, 200, 10_000)
    assert not breaker.allows(REFUSED, 60, 100)


def test_unreadable_records_have_a_share_of_their_own() -> None:
    """A topic that is half garbage goes on; one that is all garbage stops."""
    breaker = Breaker(BreakerRule())
    breaker.judge(GOOD, 500, 0.0)
    assert not breaker.judge(UNREADABLE, 500, 0.0)
    assert breaker.judge(UNREADABLE, 400, 0.0)


def test_it_closes_after_ten_good_probes_in_a_row_and_forgets() -> None:
    """A bad probe begins the count anew; each probe puts the next one a minute off."""
    breaker = Breaker(BreakerRule())
    breaker.judge(REFUSED, 50, 0.0)
    assert breaker.next_probe == 60.0
    for probe in range(9):
        assert not breaker.judge(GOOD, 1, 60.0 * (probe + 1))
    assert not breaker.judge(REFUSED, 1, 600.0)
    assert breaker.next_probe == 660.0
    for probe in range(9):
        assert not breaker.judge(GOOD, 1, 700.0 + probe)
    assert breaker.judge(GOOD, 1, 800.0)
    assert not breaker.is_open
    assert breaker.judged == 0


def test_a_probe_may_always_be_refused() -> None:
    """Open, the search ends with the probe itself, which becomes a dead letter."""
    breaker = Breaker(BreakerRule())
    breaker.judge(REFUSED, 50, 0.0)
    assert breaker.allows(REFUSED, 0, 1)


def test_an_operator_closes_it() -> None:
    """Everything is forgotten."""
    breaker = Breaker(BreakerRule())
    breaker.judge(REFUSED, 50, 0.0)
    breaker.close()
    assert not breaker.is_open
    assert "closed" in repr(breaker)


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.integers(0, 1500))))
def test_the_window_holds_the_last_rows_exactly(steps: list[tuple[Verdict, int]]) -> None:
    """Whatever the sizes of the statements, the counts are those of the last `window` rows."""
    breaker = Breaker(BreakerRule(max_refused=2.0, max_unreadable=2.0, window=100))
    rows: list[Verdict] = []
    for verdict, count in steps:
        breaker.judge(verdict, count, 0.0)
        rows += [verdict] * count
    last = rows[-100:]
    assert breaker.judged == len(last)
    assert breaker._counts == {verdict: last.count(verdict) for verdict in Verdict}
