"""What the log says of requests over HTTP: as of those over TCP, and never what was sent."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from starlette.types import ASGIApp
from structlog.testing import capture_logs
from support.http_rig import Listener, Shelf, Tokens, Well, line, metrics, serving

from taosink.ingress.http.public import Public, PublicDeps, make_public
from taosink.ingress.http.segments import SegmentDeps, routes
from taosink.ingress.owed import OwedAnswers
from taosink.ingress.ports import Done, WorkerAnswer
from taosink.observe import logs

D1 = {"authorization": "Bearer t-d1"}
NDJSON = "application/x-ndjson"
BAD = b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":{"SENT":1}}'


class Rig:
    def __init__(self, *, anybody: bool = False) -> None:
        self.shelf, self.metrics = Shelf(), metrics()
        self.owed = OwedAnswers(30.0, 30)
        self.public: Public | None = None
        self.failing = ""
        tokens = Tokens(anybody=anybody)
        segments = SegmentDeps(authenticator=tokens, metrics=self.metrics, put=self.put)
        self.deps = PublicDeps(
            publishing=self.shelf,
            authenticator=tokens,
            metrics=self.metrics,
            health=Well(),
            owed=self.owed,
            extra=routes(segments),
        )

    def put(self, *given: Any) -> bool:
        """As `LoopPublishing.record`."""
        done: Done = given[-1]
        asyncio.get_running_loop().call_soon(done, {0: self.failing} if self.failing else {})
        return True

    def make(self) -> ASGIApp:
        self.public = make_public(self.deps)
        return self.public.app


@contextmanager
def listening(rig: Rig) -> Iterator[tuple[Listener, list[dict[str, Any]]]]:
    with serving(rig.make) as listener, capture_logs() as events:
        yield listener, events  # type: ignore[misc]  # structlog's own name for a dict


def told(events: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(e["log_level"], e["event"], e.get("code") or e.get("status", "")) for e in events]


@pytest.fixture
def debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_debugging", True)


@pytest.mark.parametrize(
    ("path", "body", "headers", "event", "what"),
    [
        ("/records", line(), {}, "refused", "unauthorized"),
        ("/records?ack=maybe", line(), D1, "refused", "bad_request"),
        ("/records", b"SENT", D1, "refused", "record_rejected"),
        ("/records", BAD, D1, "refused", "record_rejected"),
        ("/records", b"\n".join([line(), BAD]), D1, "ended", "partial"),
        ("/transfer", b"SENT", D1, "refused", "bad_message"),
    ],
)
def test_what_was_not_done_is_told(
    path: str, body: bytes, headers: dict[str, str], event: str, what: str
) -> None:
    """With the code or status that the caller heard, who it was and from where; nothing at info of what went well."""
    rig = Rig()
    with listening(rig) as (listener, events):
        listener.post(path, body, NDJSON if path != "/transfer" else "application/json", **headers)
        assert listener.post("/records", line(), **D1)[0] == 202
    assert told(events) == [("info", f"ingress.request_{event}", what)]
    assert events[0]["address"] == "127.0.0.1"
    assert events[0]["action"] == "POST " + path.partition("?")[0]
    assert "SENT" not in repr(events)


def test_who_was_refused_is_named_and_cut() -> None:
    """The name that was given, where nobody has proved one."""
    with listening(Rig()) as (listener, events):
        assert listener.post("/records?device=" + "x" * 500, line())[0] == 401
    assert events[0]["device"] == "x" * 64


def test_full_and_unknown_are_told_apart() -> None:
    """Of the one nothing is in Kafka; of the other nobody knows."""
    rig = Rig()
    with listening(rig) as (listener, events):
        rig.shelf.failing = {0: "_MSG_TIMED_OUT"}
        assert listener.post("/records", line(), **D1)[0] == 503
        rig.shelf.failing = {0: "MSG_SIZE_TOO_LARGE"}
        assert listener.post("/records", line(), **D1)[0] == 400
        rig.failing = "_MSG_TIMED_OUT"
        segment = {
            "segment_number": 1,
            "total_segments": 1,
            "username": "pump",
            "send_time": "2026-01-02T03:04:05Z",
            "payload": "SENT",
        }
        assert listener.post("/transfer", json.dumps(segment).encode(), **D1)[0] == 500
    assert told(events) == [
        ("info", "ingress.request_ended", "unknown"),
        ("info", "ingress.request_refused", "record_rejected"),
        ("info", "ingress.request_ended", "unknown"),
    ]
    assert [e["device"] for e in events] == ["d1", "d1", "pump"]
    assert "SENT" not in repr(events)


@pytest.mark.usefixtures("debugging")
def test_a_record_that_a_worker_refused_is_found_by_its_uid() -> None:
    """Connection and uid are those of the headers that the dead letter's line has; each device has a uid."""
    rig = Rig(anybody=True)
    with listening(rig) as (listener, events), ThreadPoolExecutor(1) as pool:
        body = b"\n".join([line(DeviceID="d1"), line(DeviceID="d2")])
        for status in ("rejected", "ok"):
            rig.shelf.replies.clear()
            asked = pool.submit(listener.post, "/records?ack=stored", body, NDJSON)
            while len(rig.shelf.replies) < 2:
                assert not asked.done()
                time.sleep(0.005)
            found = [
                WorkerAnswer(reply.client, reply.uid, status, 0, "record_rejected", "too long")
                for reply in rig.shelf.replies
            ]
            listener.soon(partial(rig.owed.tell, found))
            asked.result(10)
    assert told(events) == [
        ("info", "ingress.request_ended", "rejected"),
        ("debug", "ingress.request_done", ""),
    ]
    assert [e["connection"] for e in events] == [rig.deps.client] * 2
    assert [e["uid"] for e in events] == [["1", "2"], ["3", "4"]]
    assert events[1]["milliseconds"] > 0
