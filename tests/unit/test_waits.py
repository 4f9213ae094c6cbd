from structlog.testing import capture_logs

from taosink.observe.waits import SAY_AGAIN, Waits


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
