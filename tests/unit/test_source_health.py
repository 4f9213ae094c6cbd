"""What is wrong between a consumer and its brokers is said once, and so is its end."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from taosink.kafka.health import Health
from taosink.kafka.observer import SourceObserver

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
LOGIN = KafkaError(KafkaError._AUTHENTICATION, "SASL authentication error")


class Brokers:
    """Stands for `asking.Broker`: answers, or does not."""

    def __init__(self) -> None:
        self.up = False
        self.topics = {"t": 1}

    def reach(self, _timeout: float) -> None:
        if not self.up:
            raise KafkaException(DOWN)

    def partitions(self, topic: str, timeout: float) -> int | None:
        self.reach(timeout)
        return self.topics.get(topic)


class Scene:
    def __init__(self, *topics: str) -> None:
        self.brokers = Brokers()
        self.now = 0.0
        self.health = Health(self.brokers, topics, SourceObserver(), lambda: self.now)  # type: ignore[arg-type] # what it asks of it

    def probe(self) -> None:
        self.now += 10
        self.health.probe(self.now)

    def hear(self, *errors: KafkaError) -> None:
        for error in errors:
            self.health.heard(error)

    def state(self) -> tuple[str, bool]:
        """The kind of its fault, empty where nothing is wrong, and whether a commit would block."""
        fault = self.health.fault
        return fault.kind if fault else "", self.health.brokers_down


def said(act: Callable[[], object]) -> list[str]:
    with capture_logs() as events:
        act()
    return [f"{event['log_level']} {event['event']}" for event in events]


def test_brokers_that_are_down_are_said_once_and_cleared_once() -> None:
    """However often the client repeats it; and the next outage is said again."""
    scene = Scene()
    for _ in range(2):
        scene.brokers.up = False
        assert said(lambda: scene.hear(DOWN)) == ["warning kafka.brokers_down"]
        assert said(lambda: scene.hear(*[DOWN] * 20)) == []
        assert said(scene.probe) == []
        assert scene.state() == ("brokers_down", True)
        scene.brokers.up = True
        assert said(scene.probe) == ["info kafka.recovered"]
        assert said(scene.probe) == []
        assert scene.state() == ("", False)
        assert scene.health.answered


@pytest.mark.parametrize("first", [LOGIN, DOWN])
def test_a_refused_login_is_what_is_told(first: KafkaError) -> None:
    """The client says behind it that all brokers are down, which tells less."""
    scene = Scene()
    scene.hear(first, LOGIN, DOWN, DOWN)
    assert scene.state() == ("authentication", True)


def test_a_missing_topic_is_said_once_and_found_once() -> None:
    """Asked for until it is there; that the brokers answer does not clear it."""
    scene = Scene("missing")
    scene.brokers.up = True
    assert said(scene.probe) == ["warning kafka.topic_missing"]
    assert said(scene.probe) == []
    assert scene.state() == ("topic_missing", False)
    scene.brokers.topics["missing"] = 1
    assert said(scene.probe) == ["info kafka.topic_found"]
    assert scene.state() == ("", False)
    assert said(scene.probe) == []
