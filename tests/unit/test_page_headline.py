"""What an operator reads first."""

import pytest

from taosink.ingress.http.live_document import Standing
from taosink.ingress.http.live_document import headline as gateway_headline
from taosink.observe.health import Reason
from taosink.observe.page.headline import Headline, Outage, Pace, headline

QUIET = Pace(0.0, 0.0, 0, 4)


def running(pace: Pace) -> Headline:
    return headline((), None, (), pace)


@pytest.mark.parametrize(
    ("pace", "text"),
    [
        (QUIET, "Every record that was read is stored."),
        (Pace(100.0, 100.0, 500, 4), "It keeps up: 500 records are on their way."),
        (Pace(100.0, 100.0, 500, 4, oldest=9.0), "It keeps up: 500 records are on their way."),
        (Pace(100.0, 100.0, 500, 4, oldest=76.0), "500 records behind, the oldest for 76 s."),
        (Pace(1000.0, 0.0, 60_000, 4), "60,000 records behind, caught up in about 60 s."),
        (Pace(1000.0, 500.0, 600_000, 4), "600,000 records behind, caught up in about 20 min."),
        (Pace(1000.0, 950.0, 600_000, 4), "600,000 records behind."),
        (Pace(1000.0, 2000.0, 60_000, 4), "60,000 records behind, and more arrive than it stores."),
        (Pace(1000.0, None, 60_000, 4), "60,000 records behind."),
        (Pace(0.0, 0.0, 9, 4), "9 records behind."),
        (Pace(0.0, None, None, 4), "The brokers are asked how far to go."),
    ],
)
def test_how_it_goes(pace: Pace, text: str) -> None:
    """A time is promised only where storing is clearly faster than arriving."""
    found = running(pace)
    assert (found.level, found.title, found.detail) == ("good", "Running", text)


def test_a_member_without_partitions_is_well() -> None:
    """It is there for when another goes."""
    found = running(Pace(0.0, None, 0, 0))
    assert (found.level, found.code) == ("good", "idle")


@pytest.mark.parametrize(
    ("operator", "level", "word"), [(False, "wait", "by itself"), (True, "bad", "Put right")]
)
def test_an_outage_says_how_long_and_who_ends_it(operator: bool, level: str, word: str) -> None:
    """The title stays the same while the seconds go on: it is read aloud once."""
    first, later = (
        headline([Reason("database", f"rows have waited for {s} s")], Outage("gone", s, operator), (), QUIET)
        for s in (5.0, 35.0)
    )
    assert (first.level, first.title, first.detail) == (level, "Waiting for the database", "gone")
    assert word in first.action
    assert (first.code, first.title, first.detail) == (later.code, later.title, later.detail)
    assert (first.since, later.since) == (5.0, 35.0)


def test_a_stopped_partition_is_named() -> None:
    """And how many more there are."""
    reason = [Reason("breaker", "t/3 is stopped")]
    assert headline(reason, None, ["t/3"], QUIET).title == "Partition t/3 is stopped"
    assert headline(reason, None, ["t/3", "t/4"], QUIET).title == "Partition t/3 is stopped, and 1 more"


@pytest.mark.parametrize(
    "code",
    [
        "wedged_worker",
        "wedged_poll",
        "stopping",
        "ended",
        "kafka",
        "not_assigned",
        "database",
        "dead_letters",
        "lease",
        "all_partitions_stopped",
        "partition_blocked",
        "no_progress",
        "partition_still",
        "a_reason_of_tomorrow",
    ],
)
def test_every_reason_has_a_title_and_keeps_its_message(code: str) -> None:
    """None of them is called running."""
    found = headline([Reason(code, "because"), Reason("breaker", "x")], None, (), QUIET)
    assert found.level != "good"
    assert found.title
    assert found.detail == "because"
    assert found.action or code in {"a_reason_of_tomorrow", "database"}


@pytest.mark.parametrize(
    ("standing", "level", "title"),
    [
        (Standing(fault="fenced", stopping=True), "bad", "The gateway cannot go on"),
        (Standing(stopping=True, ready=False), "stop", "Stopping"),
        (Standing(ready=False, was_ready=False, reasons=("topics",)), "wait", "Starting"),
        (Standing(ready=False, was_ready=False), "wait", "Starting"),
        (Standing(reasons=("Kafka: all brokers are down",)), "wait", "Waiting for Kafka"),
        (Standing(reasons=("Kafka: refused",), needs_operator=True), "bad", "Waiting for Kafka"),
        (
            Standing(ready=False, was_ready=False, reasons=("r",), needs_operator=True),
            "bad",
            "Waiting for Kafka",
        ),
        (Standing(paused=3, devices=9), "good", "Running, and holding back"),
        (Standing(devices=1), "good", "Running"),
    ],
)
def test_what_a_gateway_says_first(standing: Standing, level: str, title: str) -> None:
    """What cannot mend itself comes before what does."""
    found = gateway_headline(standing)
    assert (found.level, found.title) == (level, title)


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "No device is connected."), (1, "1 device is connected."), (1200, "1,200 devices are connected.")],
)
def test_devices_are_counted_in_words(n: int, text: str) -> None:
    """As a person says it."""
    assert gateway_headline(Standing(devices=n)).detail == text


@pytest.mark.parametrize(("operator", "level"), [(False, "wait"), (True, "bad")])
def test_an_outage_of_kafka_says_how_long_and_who_ends_it(operator: bool, level: str) -> None:
    """A login that is refused does not go on by itself, and the page does not say that it does."""
    found = headline([Reason("kafka", "refused")], Outage("refused", 7.0, operator), (), QUIET)
    assert (found.level, found.title, found.since) == (level, "Waiting for Kafka", 7.0)
    assert ("goes on by itself when" in found.action) is not operator
