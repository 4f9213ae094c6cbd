from structlog.testing import capture_logs

from taosink.observe.waits import MOST_OUTAGES, SAY_AGAIN, Waits


def make(now: list[float]) -> Waits:
    return Waits(needs_operator=lambda cause: isinstance(cause, PermissionError), clock=lambda: now[0])


def test_a_cause_is_said_once_and_then_once_in_a_while() -> None:
    """A thousand retries of one outage are a few lines, which say how many were kept quiet."""
    now = [0.0]
    waits = make(now)
    with capture_logs() as logs:
        for _ in range(3):
            waits.waiting(OSError("down"), 10, 0.2)
        now[0] = SAY_AGAIN
        waits.waiting(OSError("down"), 10, 0.2)
    assert [(line["log_level"], line["unsaid"]) for line in logs] == [("warning", 0), ("warning", 2)]


def test_what_needs_an_operator_is_an_error() -> None:
    """An outage warns; a refused password is an error, since it never ends by itself."""
    with capture_logs() as logs:
        make([0.0]).waiting(PermissionError("password"), 1, 30.0)
    assert logs[0]["log_level"] == "error"


def test_going_on_is_said_once_with_how_long_it_took() -> None:
    """The end of an outage is told, and only once."""
    now = [5.0]
    waits = make(now)
    waits.waiting(OSError("down"), 1, 1.0)
    now[0] = 65.0
    with capture_logs() as logs:
        waits.wrote()
        waits.wrote()
    assert [(line["event"], line["after_seconds"]) for line in logs] == [("write.resumed", 60.0)]
    assert waits.cause is None


def test_an_outage_soon_after_another_is_told_too() -> None:
    """Who read that writing goes on is told again when it does not, however short the pause was."""
    now = [0.0]
    waits = make(now)
    with capture_logs() as logs:
        for at in (0.0, 5.0, 6.0, 10.0):
            now[0] = at
            if at in (5.0,):
                waits.wrote()
            else:
                waits.waiting(OSError("down"), 1, 1.0)
    assert [line["event"] for line in logs] == ["write.waiting", "write.resumed", "write.waiting"]
    assert waits.outage is not None
    assert waits.outage[1] == 6.0


def test_flapping_does_not_fill_the_log_and_ends_with_what_is_true() -> None:
    """A thousand short outages are a few pairs of lines; one that lasts is told in the end."""
    now = [0.0]
    waits = make(now)
    with capture_logs() as logs:
        for _ in range(1000):
            now[0] += 0.01
            waits.waiting(OSError("down"), 1, 1.0)
            waits.wrote()
        told = [line["event"] for line in logs]
        assert told == ["write.waiting", "write.resumed"] * MOST_OUTAGES
        for _ in range(40):
            now[0] += 1.0
            waits.waiting(OSError("down"), 1, 1.0)
    assert [line["event"] for line in logs[len(told) :]][:1] == ["write.waiting"]


def test_another_cause_is_told_at_once() -> None:
    """An outage that turns into a refused password is an error line of its own."""
    now = [0.0]
    waits = make(now)
    with capture_logs() as logs:
        waits.waiting(OSError("down"), 1, 1.0)
        waits.waiting(PermissionError("password"), 1, 1.0)
    assert [line["log_level"] for line in logs] == ["warning", "error"]
