"""The gateway's document, the stream of it, and what a look costs while nobody watches."""

import json
from collections.abc import Iterator, Mapping

import pytest
from starlette.types import ASGIApp
from structlog.testing import capture_logs
from support.http_rig import Listener, serving

from taosink.ingress.http.live import UNWATCHED, Live, LiveDeps
from taosink.ingress.http.live_document import Facts
from taosink.ingress.http.routing import application
from taosink.observe.ingress_metrics import IngressMetrics
from taosink.observe.page.watchers import Watchers


class Gateway:
    """`ports.Health`, that counts how often it is asked for its figures."""

    def __init__(self) -> None:
        self.ready = True
        self.asked = 0
        self.reasons: list[str] = []

    def figures(self) -> Mapping[str, float]:
        self.asked += 1
        return {"connections": 3.0, "sessions": 2.0, "in_flight": 1.0, "paused": 0.0}


class Rig:
    def __init__(self) -> None:
        self.now = 100.0
        self.gateway = Gateway()
        self.metrics = IngressMetrics()
        self.metrics.gauges(self.gateway.figures)
        self.metrics.limits({"connections": 10})
        self.live: Live | None = None

    def make(self) -> ASGIApp:
        self.live = Live(
            LiveDeps(
                facts=Facts("s0", "1.2.3", "readings", {"topic": "readings"}),
                health=self.gateway,
                metrics=self.metrics,
                reasons=lambda: self.gateway.reasons,
                fault=lambda: "",
                clock=lambda: self.now,
                wall=lambda: 1_700_000_000.0 + self.now,
            )
        )
        return application("admin", self.live.routes(), self.metrics)

    async def tick(self, seconds: float = 1.0) -> None:
        """To be done on the listener's loop."""
        self.now += seconds
        assert self.live is not None
        self.live.tick()


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def listener(rig: Rig) -> Iterator[Listener]:
    with serving(rig.make) as found:
        yield found


def test_the_document_tells_what_moves(rig: Rig, listener: Listener) -> None:
    """Rates, answers with their times, totals by reason, bounds, settings; the minutes behind it apart."""
    listener.do(rig.tick())
    rig.metrics.count("frames", "in", 50)
    rig.metrics.count("published", "readings", 40)
    rig.metrics.count("reject", "bad_message", 2)
    for _ in range(10):
        rig.metrics.took("kafka", 0.02)
    listener.do(rig.tick())
    _, body, _ = listener.get("/status.json")
    found = json.loads(body)
    assert (found["server"], found["version"], found["topic"]) == ("s0", "1.2.3", "readings")
    assert found["headline"]["title"] == "Running"
    assert found["rates"]["readings"] == 40.0
    assert found["rates"]["frames_in"] == 50.0
    (kafka,) = [one for one in found["acks"] if one["kind"] == "kafka"]
    assert (kafka["total"], kafka["rate"]) == (10, 10.0)
    assert 0.01 < kafka["p50_seconds"] <= kafka["p99_seconds"] <= 0.025
    assert found["totals"]["reject"] == {"bad_message": 2}
    assert (found["figures"]["sessions"], found["limits"]) == (2.0, {"connections": 10.0})
    assert found["settings"] == {"topic": "readings"}
    history = json.loads(listener.get("/history.json")[1])
    assert history["readings"] == [0.0, 40.0]
    assert history["connections"] == [3.0, 3.0]


def test_an_outage_has_its_time(rig: Rig, listener: Listener) -> None:
    """Since when Kafka is away; nothing of that once it is back."""
    listener.do(rig.tick())
    rig.gateway.reasons = ["Kafka: all brokers are down"]
    for _ in range(4):
        listener.do(rig.tick())
    head = json.loads(listener.get("/status.json")[1])["headline"]
    assert (head["level"], head["title"], head["since"]) == ("wait", "Waiting for Kafka", 3.0)
    rig.gateway.reasons = []
    listener.do(rig.tick())
    head = json.loads(listener.get("/status.json")[1])["headline"]
    assert (head["level"], head["since"]) == ("good", None)


def test_who_watches_gets_a_look_a_second_and_the_end(rig: Rig, listener: Listener) -> None:
    """A stream never holds up a stop."""
    stream = listener.http.request("GET", "/events", preload_content=False)
    lines = iter(stream)

    def next_look() -> dict[str, object]:
        for line in lines:
            if line.startswith(b"data: "):
                found: dict[str, object] = json.loads(line[6:])
                return found
        raise EOFError

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    assert next_look()["uptime_seconds"] == 0.0
    listener.do(rig.tick())
    assert next_look()["uptime_seconds"] == 1.0
    listener.soon(lambda: rig.live.stop() if rig.live else None)
    assert next_look()["headline"]["code"] == "stopping"  # type: ignore[index]  # it is a dict
    with pytest.raises(EOFError):
        next_look()


def test_watchers_are_bounded(rig: Rig, listener: Listener) -> None:
    """One too many is told what to do; the others go on."""
    assert rig.live is not None
    rig.live._watchers = Watchers(most=0)
    status, body, headers = listener.get("/events")
    assert status == 503
    assert "/status.json" in str(body)
    assert headers["retry-after"] == "5"


def test_nobody_watching_costs_next_to_nothing(rig: Rig, listener: Listener) -> None:
    """Connections are counted now and then, no document is made, a tick too early does nothing."""
    listener.do(rig.tick())
    before = rig.gateway.asked
    for _ in range(2 * UNWATCHED):
        listener.do(rig.tick())
        listener.do(rig.tick(0.0))
    assert rig.gateway.asked - before == 2
    assert "watchers=0" in repr(rig.live)


def test_a_look_that_fails_holds_nothing_up(rig: Rig, listener: Listener) -> None:
    """Devices' deadlines are kept by the same tick: it is logged once, the end is told all the same."""
    listener.do(rig.tick())

    def broken() -> Mapping[str, float]:
        raise RuntimeError("defect")

    rig.gateway.figures = broken  # type: ignore[method-assign]  # it is what goes wrong
    with capture_logs() as logs:
        for _ in range(2 * UNWATCHED):
            listener.do(rig.tick())
        assert rig.live is not None
        rig.live.stop()
    assert [entry["event"] for entry in logs] == ["status.look_failed"]
