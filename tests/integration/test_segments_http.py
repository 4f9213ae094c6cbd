"""The segment calls over real HTTP: from `POST /send` over the link and Kafka to the application."""

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator

import pytest
from support.http_rig import Tokens, Well, metrics, serving
from support.kafka_data import read_all, unique
from support.mock_cluster import MockKafka
from support.segments_receiver import Receiver, receiving
from support.source_rig import wait_for

from taosbatch.segments import cut
from taosink.config import load
from taosink.ingress.broker.options import BrokerOptions
from taosink.ingress.broker.publishing import LoopPublishing
from taosink.ingress.http.public import PublicDeps, make_public
from taosink.ingress.http.segments import SegmentDeps, routes
from taosink.segments.forms import read_segment
from taosink.segments.link import SegmentLink
from taosink.settings.segments import LinkSettings, SegmentsSettings

pytestmark = pytest.mark.kafka
TEXT = "Grüße 😀 " * 40


@pytest.fixture(scope="module")
def mock() -> Iterator[MockKafka]:
    found = MockKafka()
    yield found
    found.close()


@pytest.fixture
def link() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


class Rig:
    """The public listener on its loop, with a producer on the mock cluster."""

    def __init__(self, mock: MockKafka, url: str, **more: object) -> None:
        self.topic, self.counts = unique("segments"), metrics()
        mock.create_topic(self.topic)
        fields = {"segments.link-url": url, "segments.link-attempts": "2", **more.pop("link", {})}  # type: ignore[dict-item] # the tests' own names
        self._options = BrokerOptions(
            {"bootstrap.servers": mock.bootstrap, "log_level": 0}, "gw", "readings", delivery_timeout=2.0
        )
        names = {
            "segments.link-url": "url",
            "segments.link-attempts": "attempts",
            "segments.link-queue": "queue",
        }
        self.link = SegmentLink(LinkSettings(**{names[k]: v for k, v in fields.items()}))
        self.link.start()
        self._more = more
        self.publishing: LoopPublishing

    def make(self) -> object:
        self.publishing = LoopPublishing(self._options, asyncio.get_running_loop())
        tokens = Tokens(anybody=bool(self._more.pop("anybody", True)))
        deps = SegmentDeps(
            authenticator=tokens,
            metrics=self.counts,
            put=self.publishing.record,
            link=self.link,
            topic=self.topic,
            **self._more,  # type: ignore[arg-type] # the same
        )
        public = PublicDeps(
            publishing=self.publishing,
            authenticator=tokens,
            metrics=self.counts,
            health=Well(),
            extra=routes(deps),
        )
        return make_public(public).app

    def close(self) -> None:
        self.link.stop(0.0)
        self.publishing.close(0.0)


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.close()


def body(text: str = TEXT, **more: object) -> bytes:
    return json.dumps({"id": "m1", "username": "ana", "data": text, "send_time": 5, **more}).encode()


def test_a_text_goes_to_the_link_in_segments(mock: MockKafka, link: Receiver, rigs: list[Rig]) -> None:
    """200 at once, then each segment in order, with the fields and the path that the link knows."""
    rigs.append(Rig(mock, f"{link.url}/link"))
    with serving(rigs[0].make) as listener:  # type: ignore[arg-type] # an ASGI application
        status, told, _ = listener.post("/send", body())
        assert (status, told) == (200, {"id": "m1", "segments": len(cut(TEXT))})
        wait_for(lambda: len(link.bodies) == told["segments"])
    assert [b["payload"] for b in link.bodies] == cut(TEXT)
    assert link.bodies[0] == {
        "path": "/link",
        "segment_number": 1,
        "total_segments": len(cut(TEXT)),
        "username": "ana",
        "send_time": 5,
        "payload": cut(TEXT)[0],
    }


def test_a_link_that_is_down_for_a_moment_gets_everything(
    mock: MockKafka, link: Receiver, rigs: list[Rig]
) -> None:
    """And one that stays down costs the message, not the others; a full queue is told by 503."""
    link.status = 500
    rigs.append(Rig(mock, link.url, link={"segments.link-queue": "3000", "segments.link-attempts": "3"}))
    with serving(rigs[0].make) as listener:  # type: ignore[arg-type] # an ASGI application
        assert listener.post("/send", body())[0] == 200
        status, told, headers = listener.post("/send", body())
        assert (status, told["errorCode"], headers["retry-after"]) == (503, "busy", "5")
        wait_for(lambda: link.refused)
        link.status = 200
        wait_for(lambda: len(link.bodies) == len(cut(TEXT)))
        wait_for(lambda: not rigs[0].link.waiting)
        refused, link.status = len(link.refused), 500
        assert listener.post("/send", body())[0] == 200
        wait_for(lambda: not rigs[0].link.waiting, what="giving up")
        assert len(link.refused) == refused + 3


def test_a_segment_is_in_kafka_when_it_is_answered(mock: MockKafka, link: Receiver, rigs: list[Rig]) -> None:
    """Its key is the sender."""
    rigs.append(Rig(mock, link.url))
    segment = {"segment_number": 2, "total_segments": 3, "username": "aña", "send_time": "t", "payload": "x"}
    with serving(rigs[0].make) as listener:  # type: ignore[arg-type] # an ASGI application
        status, told, _ = listener.post("/transfer", json.dumps(segment).encode())
        assert (status, told) == (200, {"segment_number": 2, "total_segments": 3})
        [found] = read_all(mock.bootstrap, rigs[0].topic)
    assert found.key() == "aña".encode()
    assert read_segment(found.value() or b"").payload == "x"


def test_what_cannot_be_taken_is_said(mock: MockKafka, link: Receiver, rigs: list[Rig]) -> None:
    """400 for a body that does not parse, 413 for one too large, 405, 500 where Kafka does not take it."""
    rigs.append(Rig(mock, link.url, in_flight=0))
    with serving(rigs[0].make) as listener:  # type: ignore[arg-type] # an ASGI application
        bomb = gzip.compress(b" " * (8 << 20))
        for path in ("/send", "/transfer"):
            assert listener.post(path, b"{")[0] == 400
            assert listener.post(path, b"[" * 200_000)[0] == 400
            assert listener.post(path, bomb, content_encoding="gzip")[0] == 413
            assert listener.get(path)[0] == 405
        assert listener.post("/send", body("x" * 1_000_010))[0] == 413
        good = {"segment_number": 1, "total_segments": 1, "username": "a", "send_time": 1, "payload": "x"}
        status, told, _ = listener.post("/transfer", json.dumps(good).encode())
        assert (status, told["errorCode"]) == (500, "unknown_outcome")
    assert link.bodies == []


def test_kafka_that_is_away_is_a_500(link: Receiver) -> None:
    """After the time that a segment may take; what comes later is no surprise to anybody."""
    mock = MockKafka()
    rig = Rig(mock, link.url)
    try:
        with serving(rig.make) as listener:  # type: ignore[arg-type] # an ASGI application
            good = {"segment_number": 1, "total_segments": 1, "username": "a", "send_time": 1, "payload": "x"}
            assert listener.post("/transfer", json.dumps(good).encode())[0] == 200
            mock.stop()
            status, told, _ = listener.post("/transfer", json.dumps(good).encode())
            assert (status, told["errorCode"]) == (500, "unknown_outcome")
    finally:
        rig.close()
        mock.close()


def test_a_token_is_asked_for_and_names_the_sender(mock: MockKafka, link: Receiver, rigs: list[Rig]) -> None:
    """/send is for the token's own sender; /transfer carries anybody's, for whoever has a token."""
    rigs.append(Rig(mock, link.url, anybody=False))
    good = {"segment_number": 1, "total_segments": 1, "username": "eva", "send_time": 1, "payload": "x"}
    with serving(rigs[0].make) as listener:  # type: ignore[arg-type] # an ASGI application
        for path in ("/send", "/transfer"):
            assert listener.post(path, body())[0] == 401
        assert listener.post("/send", body(), authorization="Bearer t-ben")[0] == 403
        assert listener.post("/send", body(), authorization="Bearer t-ana")[0] == 200
        assert listener.post("/transfer", json.dumps(good).encode(), authorization="Bearer t-ben")[0] == 200


@pytest.mark.parametrize("origin", ["", "*", "https://app.example.com"])
def test_a_browser_is_told_what_it_may(mock: MockKafka, link: Receiver, rigs: list[Rig], origin: str) -> None:
    """OPTIONS needs no token and answers 204; only with an origin set may a page of that origin call."""
    rigs.append(Rig(mock, link.url, origin=origin, anybody=False))
    with serving(rigs[0].make) as listener:  # type: ignore[arg-type] # an ASGI application
        for path in ("/send", "/transfer"):
            answer = listener.http.request("OPTIONS", path)
            assert (answer.status, answer.headers["allow"]) == (204, "OPTIONS, POST")
            assert answer.headers.get("access-control-allow-origin", "") == origin
            assert ("access-control-allow-methods" in answer.headers) is bool(origin)
            _, _, headers = listener.post(path, body())
            assert headers.get("access-control-allow-origin", "") == origin


def test_without_a_link_there_is_no_send() -> None:
    """The call does not exist, so it is not described either."""
    deps = SegmentDeps(authenticator=Tokens(), metrics=metrics(), put=lambda *_: False)
    assert [route.path for route in routes(deps)] == ["/transfer"]


def test_the_whole_way(mock: MockKafka, rigs: list[Rig]) -> None:
    """A text is sent, cut, carried by a link that hands its segments to /transfer, collected and received."""
    from taosink.segments.app import Collector

    with receiving() as application:
        rigs.append(Rig(mock, "http://127.0.0.1:9/"))
        with serving(rigs[0].make) as listener:  # type: ignore[arg-type] # an ASGI application
            carried = SegmentLink(LinkSettings(url=f"http://{listener.host}:{listener.number}/transfer"))
            carried.start()
            rigs[0].link.offer = carried.offer  # type: ignore[method-assign] # its address is known only now
            given = {
                "kafka.brokers": mock.bootstrap,
                "segments.topic": rigs[0].topic,
                "segments.group": unique("group"),
                "segments.receive-url": application.url,
                "segments.receive-token": "secret-token",
            }
            collector = Collector(load(SegmentsSettings, list(given.items()), environ={}).settings)
            collector.start()
            try:
                for sender in ("ana", "ben"):
                    assert listener.post("/send", body(f"{sender} {TEXT}", username=sender))[0] == 200
                wait_for(lambda: len(application.bodies) == 2)
            finally:
                collector.stop(threading.Event())
                carried.stop(0.0)
        assert application.texts() == [f"ana {TEXT}", f"ben {TEXT}"]
        assert {h["authorization"] for h in application.headers} == {"Bearer secret-token"}
