"""The producer's rules, without a broker: pacing, backlog, the statements of a reset."""

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from taosink.simulator.backlog import Backlog
from taosink.simulator.fleet import Fleet, FleetSettings
from taosink.simulator.pacing import due_in
from taosink.simulator.progress import shown
from taosink.simulator.reset import reset_statements


def test_records_are_due_at_the_rate() -> None:
    """The first at once, the others evenly; one that is late is due at once."""
    assert due_in(10, 0, 0.0) == 0
    assert due_in(10, 5, 0.2) == pytest.approx(0.3)
    assert due_in(10, 5, 3.0) == 0
    assert due_in(None, 10**9, 0.0) == 0


def test_the_backlog_fills_up_to_its_bound_and_empties_by_commits() -> None:
    """Bytes count from the sending on, and stop counting when the group has committed beyond them."""
    backlog = Backlog(1000)
    for offset in range(10):
        assert backlog.has_room(3, 100)
        backlog.sent(3, 100)
        backlog.delivered(3, offset, 100)
    assert not backlog.has_room(3, 1)
    assert backlog.has_room(4, 100)
    backlog.committed({3: 0, 4: 7})
    assert not backlog.has_room(3, 1)
    backlog.committed({3: 4})
    assert backlog.has_room(3, 400)
    assert not backlog.has_room(3, 401)
    backlog.committed({3: 10})
    assert backlog.has_room(3, 1000)


def test_a_record_larger_than_the_bound_goes_alone() -> None:
    """It must not wait for ever."""
    backlog = Backlog(100)
    assert backlog.has_room(0, 5000)
    backlog.sent(0, 5000)
    assert not backlog.has_room(0, 1)
    backlog.failed(0, 5000)
    assert backlog.has_room(0, 5000)


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3), st.booleans()), max_size=200),
    st.integers(1, 500),
)
def test_the_backlog_never_forgets_a_byte(steps: list[tuple[int, int, bool]], bound: int) -> None:
    """It never says there is room where the true backlog is over the bound, and ends empty."""
    backlog = Backlog(bound)
    sizes: list[int] = []
    committed = 0
    for nbytes, advance, fails in steps:
        true = sum(sizes[committed:])
        if backlog.has_room(0, nbytes):
            assert true == 0 or true + nbytes <= bound
            backlog.sent(0, nbytes)
            if fails:
                backlog.failed(0, nbytes)
            else:
                backlog.delivered(0, len(sizes), nbytes)
                sizes.append(nbytes)
        committed = min(len(sizes), committed + advance)
        backlog.committed({0: committed})
    backlog.committed({0: len(sizes)})
    assert backlog.has_room(0, bound)


def test_a_reset_drops_and_creates_for_the_fleets_columns() -> None:
    """Text columns of the width asked for, or the four of the demo; the tag holds the device."""
    metrics = Fleet(FleetSettings(columns=2, bytes_per_column=12))
    assert reset_statements(metrics, "db", "stb") == (
        "DROP STABLE IF EXISTS `db`.`stb`",
        "CREATE STABLE IF NOT EXISTS `db`.`stb` (`ts` TIMESTAMP, `col0` VARCHAR(12), `col1` VARCHAR(12))"
        " TAGS (`device` VARCHAR(192))",
    )
    demo = reset_statements(Fleet(FleetSettings(shape="demo")), "", "stb")[1]
    assert "`col0` DOUBLE, `col1` BIGINT, `col2` BOOL, `col3` VARCHAR(8)" in demo


def test_a_name_that_could_be_sql_is_refused() -> None:
    """Nothing that is given as a name becomes a statement."""
    with pytest.raises(ValueError, match="name"):
        reset_statements(Fleet(FleetSettings()), "db", "a` (x INT); DROP DATABASE `b")


def test_a_log_line_comes_only_when_something_moved() -> None:
    """The total, what came since the last line, and what is acknowledged."""
    with structlog.testing.capture_logs() as logs, shown("test", 10, is_terminal=lambda: False) as lines:
        for produced, delivered in ((4, 1), (4, 1), (9, 9)):
            lines.update(produced, delivered)
    assert [(e["event"], e["produced"], e["last_second"], e["delivered"]) for e in logs] == [
        ("producer.progress", 4, 4, 1),
        ("producer.progress", 9, 5, 9),
    ]


def test_a_terminal_gets_a_bar_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output stays free for the summary."""
    with shown("test", 10, is_terminal=lambda: True) as bar:
        bar.update(10, 10)
    said = capsys.readouterr()
    assert "10/10" in said.err
    assert said.out == ""
