"""An outage of the brokers is said once, and as what it is."""

from typing import Any

from structlog.testing import capture_logs

from taosink.ingress.broker.outage import FRESH, Outage
from taosink.kafka.errors import SourceFault

LOGIN = SourceFault("authentication", -169, "SASL authentication error")
ONE, OTHER = object(), object()


def lines(events: list[Any]) -> list[str]:
    return [f"{event['log_level']} {event['event']}" for event in events]


def test_brokers_that_are_down_come_back_by_themselves() -> None:
    """However many clients hear of it."""
    outage = Outage()
    with capture_logs() as events:
        outage.down(ONE, "down")
        outage.down(OTHER, "down")
        assert (outage.reason, outage.needs_operator) == ("down", False)
        outage.up(ONE)
        outage.up(OTHER)
    assert lines(events) == ["warning ingress.brokers_down", "info ingress.brokers_back"]
    assert outage.reason == ""


def test_a_refused_login_needs_somebody() -> None:
    """It is told before that all brokers are down, or behind it; what says less does not take its place."""
    for refused_first in (True, False):
        outage = Outage()
        with capture_logs() as events:
            acts = [lambda o=outage: o.refused(LOGIN), lambda o=outage: o.down(ONE, "down")]
            for act in acts if refused_first else reversed(acts):
                act()
            outage.down(OTHER, "down")
            outage.refused(LOGIN)
        expected = [] if refused_first else ["warning ingress.brokers_down"]
        assert lines(events) == [*expected, "error ingress.brokers_refuse"]
        assert "SASL" in outage.reason
        assert outage.needs_operator
        outage.up(ONE)
        outage.up(OTHER)
        assert (outage.reason, outage.needs_operator) == ("", False)


def test_an_old_refusal_explains_no_new_outage() -> None:
    """Of one broker among others, or of a moment: it was got over."""
    now = [100.0]
    outage = Outage(clock=lambda: now[0])
    outage.refused(LOGIN)
    now[0] += FRESH
    with capture_logs() as events:
        outage.down(ONE, "down")
    assert lines(events) == ["warning ingress.brokers_down"]
    assert not outage.needs_operator
