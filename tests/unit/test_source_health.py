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


UNKNOWN = KafkaError(
    KafkaError._RESOLVE,
    "k.invalid:9092/1: Failed to resolve 'k.invalid:9092': Name or service not known (after 0ms)",
)


COORDINATOR = KafkaError(
    KafkaError._RESOLVE,
    "GroupCoordinator: k.invalid:9092: Failed to resolve 'k.invalid:9092': no (after 0ms)",
)


@pytest.mark.parametrize("order", [(UNKNOWN, DOWN), (DOWN, UNKNOWN)])
def test_a_name_that_nobody_knows_is_told_and_stays(order: tuple[KafkaError, ...]) -> None:
    """The broker goes on answering under the name of the settings, which mends nothing, and is no news."""
    scene = Scene()
    scene.brokers.up = True
    scene.hear(*order, COORDINATOR)
    fault = scene.health.fault
    assert fault is not None
    assert "k.invalid:9092" in str(fault)
    assert "advertised.listeners" in fault.hint
    for _ in range(2):
        assert said(scene.probe) == []
        assert said(lambda: scene.hear(*order)) == []
    assert scene.state() == ("brokers_down", True)
    assert scene.health.answered
    assert said(scene.probe) == []
    assert said(scene.probe) == ["info kafka.recovered"]


def test_one_unknown_name_among_brokers_that_answer_is_no_fault() -> None:
    """As of a broker of a cluster that is stopped, and whose name went with it; records end the fault at once."""
    scene = Scene()
    scene.brokers.up = True
    assert said(lambda: scene.hear(UNKNOWN)) == []
    assert scene.state() == ("", False)
    scene.hear(DOWN)
    scene.health.well()
    assert scene.state() == ("", False)
    assert said(lambda: scene.hear(DOWN)) == ["warning kafka.brokers_down"]
    assert "kafka.brokers and the network" in str(scene.health.fault)


def test_the_name_of_the_settings_is_told_as_such() -> None:
    """It is not the brokers that are to be mended then."""
    scene = Scene()
    scene.hear(
        KafkaError(KafkaError._RESOLVE, "k.invalid:1/bootstrap: Failed to resolve 'k.invalid:1': no"), DOWN
    )
    assert "check kafka.brokers and DNS" in str(scene.health.fault)


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (KafkaError._AUTHENTICATION, "error kafka.authentication_failed"),
        (KafkaError._SSL, "error kafka.tls_failed"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "error kafka.not_authorized"),
        (KafkaError._ALL_BROKERS_DOWN, "warning kafka.brokers_down"),
    ],
)
def test_what_no_waiting_ends_is_an_error(number: int, line: str) -> None:
    """Somebody has to mend a login, a right or a certificate; brokers come back by themselves."""
    scene = Scene()
    scene.health.well()
    assert said(lambda: scene.hear(KafkaError(number, "why"))) == [line]
    assert scene.health.fault is not None
    assert scene.health.fault.operator == line.startswith("error")


@pytest.mark.parametrize("number", [KafkaError._AUTHENTICATION, KafkaError._SSL])
def test_what_ends_the_start_is_left_to_its_last_line(number: int) -> None:
    """Which is an error already: one is enough."""
    assert [line.split()[0] for line in said(lambda: Scene().hear(KafkaError(number, "why")))] == ["warning"]
