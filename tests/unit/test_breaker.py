import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosbatch.breaker import Breaker, BreakerRule, Verdict

GOOD, REFUSED, UNREADABLE = Verdict.GOOD, Verdict.REFUSED, Verdict.UNREADABLE


def judge(breaker: Breaker, verdict: Verdict, rows: int, now: float = 0.0) -> bool:
    return breaker.judge([(verdict, rows)], now)


def opened() -> Breaker:
    breaker = Breaker(BreakerRule())
    assert judge(breaker, REFUSED, 50)
    return breaker


def test_a_few_bad_rows_never_open_it() -> None:
    """Below fifty bad rows even a share of 100 % is no reason."""
    breaker = Breaker(BreakerRule())
    assert not judge(breaker, REFUSED, 49)
    assert judge(breaker, REFUSED, 1)
    assert breaker.is_open


def test_it_opens_at_the_share_of_the_last_thousand() -> None:
    """Old rows fall out of the window, good or bad."""
    breaker = Breaker(BreakerRule())
    judge(breaker, GOOD, 100_000)
    assert not judge(breaker, REFUSED, 199)
    assert judge(breaker, REFUSED, 1)


@pytest.mark.parametrize(
    ("verdict", "share", "opens"),
    [
        (REFUSED, 0.05, False),
        (REFUSED, 0.19, False),
        (REFUSED, 0.21, True),
        (UNREADABLE, 0.5, False),
        (UNREADABLE, 0.89, False),
        (UNREADABLE, 0.91, True),
    ],
)
@pytest.mark.parametrize("rows", [1000, 3000, 10_000])
def test_the_share_is_the_same_whatever_the_size_of_a_batch(
    verdict: Verdict, share: float, opens: bool, rows: int
) -> None:
    """Bad rows spread evenly over one batch are judged as they would be over ten."""
    breaker = Breaker(BreakerRule())
    bad: list[int] = []
    ended = False
    for row in range(rows):
        if int((row + 1) * share) > int(row * share):
            ended = ended or not breaker.allows(verdict, bad, row, rows)
            bad.append(row)
    assert ended is opens
    runs = [run for row in range(rows) for run in [(verdict if row in set(bad[-1000:]) else GOOD, 1)]][-1000:]
    assert breaker.judge(runs, 0.0) is opens


def test_rows_that_are_not_judged_yet_count_as_good() -> None:
    """Asked in the middle of a statement, it lets the search go on while the share may still be small."""
    breaker = Breaker(BreakerRule())
    assert breaker.allows(REFUSED, range(60), 60, 10_000)
    assert breaker.allows(REFUSED, range(199), 199, 10_000)
    assert not breaker.allows(REFUSED, range(200), 200, 10_000)
    assert not breaker.allows(REFUSED, range(60), 60, 100)


def test_older_rows_fill_the_window_in_front_of_a_batch() -> None:
    """A lane with a bad past needs fewer bad rows; one with a good past more."""
    bad_past, good_past = Breaker(BreakerRule()), Breaker(BreakerRule())
    judge(bad_past, REFUSED, 40)
    judge(good_past, GOOD, 1000)
    assert not bad_past.allows(REFUSED, range(10), 10, 50)
    assert good_past.allows(REFUSED, range(10), 10, 50)
    assert good_past.allows(REFUSED, range(199), 199, 300)
    assert not good_past.allows(REFUSED, range(200), 200, 300)


def test_unreadable_records_have_a_share_of_their_own() -> None:
    """A topic that is half garbage goes on; one that is all garbage stops."""
    breaker = Breaker(BreakerRule())
    judge(breaker, GOOD, 500)
    assert not judge(breaker, UNREADABLE, 500)
    assert judge(breaker, UNREADABLE, 400)


def test_a_search_that_was_ended_opens_it() -> None:
    """What waits behind the search must not be tried again at once."""
    breaker = Breaker(BreakerRule())
    assert breaker.judge([(GOOD, 10)], 5.0, ended=True)
    assert breaker.next_probe == 65.0


def test_it_closes_after_ten_good_probes_in_a_row_and_forgets() -> None:
    """A bad probe begins the count anew; each probe puts the next one a minute off."""
    breaker = opened()
    assert breaker.next_probe == 60.0
    for probe in range(9):
        assert not judge(breaker, GOOD, 1, 60.0 * (probe + 1))
    assert not judge(breaker, REFUSED, 1, 600.0)
    assert breaker.next_probe == 660.0
    for probe in range(9):
        assert not judge(breaker, GOOD, 1, 700.0 + probe)
    assert judge(breaker, GOOD, 1, 800.0)
    assert not breaker.is_open
    assert breaker.judged == 0


def test_a_probe_may_always_be_refused() -> None:
    """Open, the search ends with the probe itself, which becomes a dead letter."""
    assert opened().allows(REFUSED, [], 0, 1)


def test_an_operator_closes_it() -> None:
    """Everything is forgotten."""
    breaker = opened()
    breaker.close()
    assert not breaker.is_open
    assert "closed" in repr(breaker)


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.integers(0, 1500))))
def test_the_window_holds_the_last_rows_exactly(steps: list[tuple[Verdict, int]]) -> None:
    """Whatever the sizes of the statements, the counts are those of the last `window` rows."""
    breaker = Breaker(BreakerRule(max_refused=2.0, max_unreadable=2.0, window=100))
    rows: list[Verdict] = []
    for verdict, count in steps:
        judge(breaker, verdict, count)
        rows += [verdict] * count
    last = rows[-100:]
    assert breaker.judged == len(last)
    assert breaker._counts == {verdict: last.count(verdict) for verdict in Verdict}
    for n in (1, 7, 60, 100):
        assert breaker._last(n, REFUSED) == last[-n:].count(REFUSED)


def test_rows_that_wait_count_as_good_until_they_are_over() -> None:
    """Without a database the few bad rows of a large batch are found first; they stop nothing then, nor later."""
    breaker = Breaker(BreakerRule())
    assert not breaker.judge([(REFUSED, 60)], 0.0, waiting=9_940)
    for _ in range(3):
        assert not breaker.judge([(REFUSED, 1)], 0.0, waiting=9_940)
    assert not breaker.judge([(GOOD, 9_940)], 0.0)
    assert not judge(breaker, REFUSED, 199)
    assert judge(breaker, REFUSED, 1)


def test_rows_that_wait_do_not_hide_a_lane_that_is_mostly_bad() -> None:
    """A third of what was looked at: it opens although nothing was stored."""
    assert Breaker(BreakerRule()).judge([(REFUSED, 60)], 0.0, waiting=120)


def test_rows_that_waited_and_were_refused_are_good_no_more() -> None:
    """Each row counts once: as waiting until it is over, then as what it came to."""
    breaker = Breaker(BreakerRule())
    assert not breaker.judge([(REFUSED, 40)], 0.0, waiting=300)
    assert not breaker.allows(REFUSED, list(range(60)), 60, 100)
    assert breaker.judge([(REFUSED, 60), (GOOD, 240)], 0.0)
