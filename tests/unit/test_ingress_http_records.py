"""POST /records over a real socket: outcomes, tokens, bounds."""

import asyncio
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import msgspec
import pytest
from starlette.types import ASGIApp
from support.http_rig import Listener, Shelf, Tokens, Well, line, metrics, read_all, serving

from taosink.ingress.http.body import BodyLimits
from taosink.ingress.http.public import Public, PublicDeps, make_public
from taosink.ingress.http.publish import Waits
from taosink.ingress.http.records import RecordLimits
from taosink.ingress.http.records_body import Converter, Rejected
from taosink.ingress.owed import OwedAnswers
from taosink.ingress.ports import WorkerAnswer
from taosink.observe.ingress_metrics import IngressMetrics
from taosink.records.record import decode

NDJSON, MSGPACK = "application/x-ndjson", "application/msgpack"
D1 = {"authorization": "Bearer t-d1"}
SMALL = BodyLimits(bytes=100_000, idle_seconds=0.3, seconds=1.0, all_bytes=250_000)


class Rig:
    """The public listener over a Shelf."""

    def __init__(
        self, *, anybody: bool = False, limits: RecordLimits | None = None, owed: bool = False
    ) -> None:
        self.shelf, self.metrics = Shelf(), metrics()
        self.owed = OwedAnswers(30.0, 3) if owed else None
        self.public: Public | None = None
        self.deps = PublicDeps(
            publishing=self.shelf,
            authenticator=Tokens(anybody=anybody),
            metrics=self.metrics,
            health=Well(),
            limits=limits or RecordLimits(),
            owed=self.owed,
        )

    def make(self) -> ASGIApp:
        self.public = make_public(self.deps)
        return self.public.app

    def stored(self) -> list[tuple[str, list[object]]]:
        """Device and values of what was published, as the consumer decodes it."""
        found = [(device, decode(value)) for device, value in self.shelf.taken]
        assert all(device == record.device for device, record in found)
        return [(record.device, list(record.cols)) for _, record in found]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Rig, Listener]]:
    rig = Rig()
    with serving(rig.make) as listener:
        yield rig, listener


@pytest.fixture
def closed(shared: tuple[Rig, Listener]) -> tuple[Rig, Listener]:
    """A listener that asks for tokens, nothing published yet."""
    shared[0].shelf.taken.clear()
    shared[0].shelf.failing.clear()
    return shared


def packed(**more: object) -> bytes:
    record = {
        "DeviceID": "d1",
        "Timestamp": msgspec.msgpack.Ext(-1, b"\0\0\0\1"),
        "Cols": [1, 2.5, "x"],
        **more,
    }
    return msgspec.msgpack.encode({k: v for k, v in record.items() if v is not None})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", line()),
        ("application/json; charset=utf-8", b" \n[" + line() + b" , " + line(DeviceID="d1") + b"]\n"),
        (NDJSON, b"\n".join([line(), b"", b"  ", line()]) + b"\r\n"),
        ("application/jsonl", line()),
        (MSGPACK, packed()),
        (MSGPACK, b"\x92" + packed() + packed(DeviceID=None)),
        ("application/x-msgpack", b"\xdc\x00\x01" + packed()),
    ],
)
def test_every_form_of_a_body_is_taken(closed: tuple[Rig, Listener], kind: str, body: bytes) -> None:
    """One record, lines, arrays, JSON and MessagePack: 202 once Kafka has all of them."""
    rig, listener = closed
    status, told, headers = listener.post("/records", body, kind, **D1)
    assert (status, told["rejected"]) == (202, [])
    assert told["accepted"] == len(rig.shelf.taken) > 0
    assert set(map(str, rig.stored())) == {"('d1', [1, 2.5, 'x'])"}
    assert headers["cache-control"] == "no-store"


def test_the_device_of_the_token_stands_in_for_a_missing_one(closed: tuple[Rig, Listener]) -> None:
    """Without DeviceID a record is the bearer's; the time keeps its nanoseconds."""
    rig, listener = closed
    body = b'{"Timestamp":"2026-01-31T12:00:00.123456789Z","Cols":[null,true]}'
    assert listener.post("/records", body, **D1)[0] == 202
    record = decode(rig.shelf.taken[0][1])
    assert (record.device, record.timestamp_ns % 10**9, record.cols) == ("d1", 123_456_789, [None, True])


def test_gzip_is_taken_in_any_cut_and_in_several_members(closed: tuple[Rig, Listener]) -> None:
    """Compressed bodies, chunked one byte at a time, and two members one behind the other."""
    rig, listener = closed
    lines = b"\n".join(line(Cols=[i]) for i in range(50)) + b"\n"
    whole = gzip.compress(lines[:1000]) + gzip.compress(lines[1000:])
    pieces = (whole[i : i + 1] for i in range(len(whole)))
    status, told, _ = listener.post("/records", pieces, NDJSON, content_encoding="gzip", **D1)
    assert (status, told["accepted"]) == (202, 50)
    assert [cols for _, cols in rig.stored()] == [[i] for i in range(50)]


def test_one_bad_record_costs_one_record(closed: tuple[Rig, Listener]) -> None:
    """207 names each rejected record by its place, its own status and a reason; the others are in Kafka."""
    rig, listener = closed
    bad: dict[int, tuple[bytes, int]] = {
        1: (b"{nonsense", 400),
        2: (line(DeviceID="d2"), 403),
        3: (b'{"Timestamp":"2026-01-31T12:00:00Z","Timestamp":"2026-01-31T12:00:00Z","Cols":[1]}', 400),
        4: (b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":[NaN]}', 400),
        5: (b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":[Infinity]}', 400),
        6: (b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":[1e999]}', 400),
        7: (b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":[18446744073709551616]}', 400),
        8: (b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":["\xff"]}', 400),
        9: (b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
        10: (line(Timestamp="yesterday"), 400),
        11: (line(Cols=[]), 400),
        12: (b"[]", 400),
        13: (b'"text"', 400),
        14: (line(extra=1), 400),
    }
    records = [bad.get(i, (line(Cols=[i]), 0))[0] for i in range(16)]
    status, told, _ = listener.post("/records", b"\n".join(records), NDJSON, **D1)
    assert (status, told["accepted"]) == (207, 2)
    assert [(one["index"], one["status"]) for one in told["rejected"]] == [
        (i, s) for i, (_, s) in bad.items()
    ]
    assert all(one["errorCode"] and one["errorMessage"] for one in told["rejected"])
    assert rig.stored() == [("d1", [0]), ("d1", [15])]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b""),
        ("application/json", b"[" + line()),
        ("application/json", b"[" * 100_000),
        ("application/json", b"[" + line() + b", NaN]"),
        ("application/json", line() + line()),
        ("application/json", b"[]"),
        (NDJSON, b"\n\n \n"),
        (MSGPACK, b"\x92" + packed()),
        (MSGPACK, b"\xdd\x00\x00\x00\x05"),
        (MSGPACK, b"\x91" * 5000),
        (MSGPACK, b"\x81\xa4Cols\xdd\xff\xff\xff\xff"),
        (MSGPACK, b"\xc1"),
    ],
)
def test_a_body_that_does_not_parse_is_refused_whole(
    closed: tuple[Rig, Listener], kind: str, body: bytes
) -> None:
    """400 with a code and a text, and nothing is published."""
    rig, listener = closed
    status, told, _ = listener.post("/records", body, kind, **D1)
    assert status == 400
    assert told["errorCode"] in ("bad_body", "record_rejected")
    assert told["errorMessage"]
    assert rig.shelf.taken == []


@pytest.mark.parametrize(
    ("headers", "status", "code", "error"),
    [
        ({}, 401, "unauthorized", None),
        ({"authorization": "Basic dDpk"}, 401, "unauthorized", "invalid_request"),
        ({"authorization": "Bearer nonsense"}, 401, "unauthorized", "invalid_token"),
        ({"authorization": "Bearer expired"}, 401, "token_expired", "invalid_token"),
        ({"authorization": "Bearer \xff\xfe"}, 401, "unauthorized", "invalid_token"),
        ({"authorization": "Bearer t-d2"}, 403, "wrong_device", None),
    ],
)
def test_a_token_that_is_not_this_devices_writes_nothing(
    closed: tuple[Rig, Listener], headers: dict[str, str], status: int, code: str, error: str | None
) -> None:
    """Missing, malformed, wrong, expired, another device's: 401 with a challenge, or 403."""
    rig, listener = closed
    found, told, answered = listener.post("/records", line(), **headers)
    assert (found, told["errorCode"]) == (status, code)
    if status == 401:
        assert answered["www-authenticate"].startswith("Bearer")
        assert (f'error="{error}"' in answered["www-authenticate"]) == (error is not None)
    assert rig.shelf.taken == []


def test_a_named_device_must_be_the_tokens(closed: tuple[Rig, Listener]) -> None:
    """`?device=` is asked of the authenticator together with the token."""
    _, listener = closed
    status, told, headers = listener.post("/records?device=d2", line(), **D1)
    assert (status, told["errorCode"]) == (403, "wrong_device")
    assert "insufficient_scope" in headers["www-authenticate"]


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
)
def test_other_content_types_are_refused(closed: tuple[Rig, Listener], kind: str) -> None:
    """415, which says what is taken."""
    status, _, headers = closed[1].post("/records", line(), kind, **D1)
    assert status == 415
    assert "application/x-ndjson" in headers["accept"]


def test_other_encodings_are_refused(closed: tuple[Rig, Listener]) -> None:
    """415 for a compression that is not gzip; 400 for gzip that is none, or was cut."""
    _, listener = closed
    assert listener.post("/records", b"x", content_encoding="br", **D1)[0] == 415
    assert listener.post("/records", line(), content_encoding="gzip", **D1)[0] == 400
    cut = gzip.compress(line())[:-4]
    assert listener.post("/records", cut, content_encoding="gzip", **D1)[1]["errorCode"] == "bad_body"


def test_paths_and_methods_that_there_are_not(closed: tuple[Rig, Listener]) -> None:
    """404 and 405 with Allow, in JSON."""
    _, listener = closed
    assert listener.get("/records/")[0] == 404
    status, body, headers = listener.get("/records")
    assert (status, headers["allow"], json.loads(body)["errorCode"]) == (405, "POST", "method_not_allowed")
    assert listener.post("/", b"{}")[0] == 405


def test_the_alive_page_asks_for_nothing_else(closed: tuple[Rig, Listener]) -> None:
    """HTML without outside assets, under a policy that allows none."""
    status, body, headers = closed[1].get("/")
    assert status == 200
    assert b"alive" in body
    assert b"http" not in body.replace(b"<!doctype html>", b"").lower().replace(b"https", b"")
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_a_bomb_is_refused_while_it_inflates() -> None:
    """A gigabyte in a megabyte ends at the limit: 413, and the memory that bodies take is given back."""
    rig = Rig(limits=RecordLimits(body=SMALL))
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(bytes(50_000_000)) + packer.flush()
    assert len(bomb) < SMALL.bytes
    with serving(rig.make) as listener:
        status, told, _ = listener.post("/records", bomb, content_encoding="gzip", **D1)
        assert (status, told["errorCode"]) == (413, "body_too_large")
        assert rig.public is not None
        assert rig.public.figures()["http_body_bytes"] == 0


def test_a_body_is_measured_while_it_is_read() -> None:
    """413 for one that says so, for one that is chunked without an end, and for too many records."""
    rig = Rig(limits=RecordLimits(body=SMALL, records=10))
    with serving(rig.make) as listener:
        assert listener.post("/records", bytes(SMALL.bytes + 1), **D1)[0] == 413
        head = b"POST /records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t-d1\r\ncontent-type: application/json\r\n"
        chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
        endless = listener.raw(head + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 2000)
        # A client that goes on sending may be cut before it reads why.
        assert endless.startswith(b"HTTP/1.1 413") or endless == b""
        assert count(rig.metrics, "reject", "body_too_large") == 2
        huge = listener.raw(head + b"content-length: 99999999999999999999\r\n\r\n")
        assert huge.startswith((b"HTTP/1.1 413", b"HTTP/1.1 400"))
        for kind, body in (
            (NDJSON, b"0\n" * 11),
            ("application/json", b"[" + b"0," * 10 + b"0]"),
            (MSGPACK, b"\x9b" + bytes(11)),
        ):
            assert listener.post("/records", body, kind, **D1)[1]["errorCode"] == "too_many_records"


def test_a_body_that_waits_to_be_asked_for_is_refused_unread(closed: tuple[Rig, Listener]) -> None:
    """`Expect: 100-continue` with a wrong token: 401 at once, and no 100."""
    head = b"POST /records HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n"
    answer = closed[1].raw(head + b"expect: 100-continue\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer


@pytest.mark.parametrize("pieces", [[b'{"a'], []])
def test_a_body_that_dribbles_is_ended(pieces: list[bytes]) -> None:
    """408 when nothing comes for a while, and when the whole takes too long."""
    rig = Rig(limits=RecordLimits(body=SMALL))
    head = b"POST /records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t-d1\r\ncontent-type: application/json\r\n"
    with serving(rig.make) as listener:
        began = time.monotonic()
        assert listener.raw(head + b"content-length: 1000\r\n\r\n", *pieces).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < 3
        with listener.connect() as sock:
            sock.sendall(head + b"content-length: 1000\r\n\r\n")
            stop = threading.Event()

            def dribble() -> None:
                while not stop.wait(0.1):
                    try:
                        sock.sendall(b" ")
                    except OSError:
                        return

            with ThreadPoolExecutor(1) as pool:
                pool.submit(dribble)
                answer = read_all(sock)
                stop.set()
        assert answer.startswith(b"HTTP/1.1 408")


def test_bodies_share_one_bound_of_memory() -> None:
    """Bodies under way that together are too much are refused with 429 and Retry-After; later ones go."""
    body = replace(SMALL, idle_seconds=20.0, seconds=20.0)
    rig = Rig(limits=RecordLimits(body=body))
    head = b"POST /records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t-d1\r\ncontent-type: application/json\r\n"
    with serving(rig.make) as listener:
        assert rig.public is not None
        waiting: list[socket.socket] = []
        for _ in range(2):
            sock = listener.connect()
            sock.sendall(head + b"content-length: 100000\r\n\r\n" + bytes(99_999))
            waiting.append(sock)
        wait_until(lambda: figure(rig, "http_body_bytes") == 199_998)
        status, told, headers = listener.post("/records", bytes(90_000), **D1)
        assert (status, told["errorCode"]) == (429, "too_many_in_flight")
        assert int(headers["retry-after"]) >= 1
        for sock in waiting:
            sock.close()
        wait_until(lambda: figure(rig, "http_body_bytes") == 0)
        assert listener.post("/records", line(), **D1)[0] == 202


def test_requests_of_one_device_are_limited() -> None:
    """Over its rate a device gets 429 with Retry-After; another device goes on."""
    rig = Rig(limits=RecordLimits(rate=0.01, burst=2))
    with serving(rig.make) as listener:
        statuses = [listener.post("/records", line(), **D1)[0] for _ in range(3)]
        assert statuses == [202, 202, 429]
        status, told, headers = listener.post("/records", line(), **D1)
        assert (status, told["errorCode"], headers["retry-after"]) == (429, "rate_limited", "100")
        assert listener.post("/records", line(DeviceID="d9"), authorization="Bearer t-d9")[0] == 202


def test_requests_under_way_are_limited() -> None:
    """One more than are allowed is refused with 429 at once."""
    rig = Rig(limits=RecordLimits(in_flight=1, waits=Waits(room=20, kafka=20)))
    rig.shelf.open = False
    with serving(rig.make) as listener, ThreadPoolExecutor(1) as pool:
        first = pool.submit(listener.post, "/records", line(), **D1)
        wait_until(lambda: rig.shelf.refusals > 0)
        status, _, headers = listener.post("/records", line(), **D1)
        assert (status, "retry-after" in headers) == (429, True)
        listener.soon(rig.shelf.reopen)
        assert first.result(10)[0] == 202


def test_a_request_waits_for_room_and_no_longer_than_it_may() -> None:
    """Where Kafka takes nothing the answer is 503 with Retry-After; room in time makes it 202."""
    rig = Rig(limits=RecordLimits(waits=Waits(room=0.2)))
    rig.shelf.open = False
    with serving(rig.make) as listener:
        status, told, headers = listener.post("/records", line(), **D1)
        assert (status, told["errorCode"], told["accepted"]) == (503, "busy", 0)
        assert int(headers["retry-after"]) >= 1
        assert rig.shelf.taken == []


def test_nothing_goes_behind_what_was_not_taken() -> None:
    """A device's later readings are never stored where earlier ones of the request were busy."""
    rig = Rig(limits=RecordLimits(waits=Waits(room=0.1)))
    rig.shelf.refuse = b"STOP"
    body = b"\n".join(line(Cols=[i, "STOP" if i == 600 else "go"]) for i in range(1200))
    with serving(rig.make) as listener:
        status, told, _ = listener.post("/records", body, NDJSON, **D1)
    assert (status, told["accepted"]) == (207, 500)
    assert [one["index"] for one in told["rejected"]] == list(range(500, 1200))
    assert {one["errorCode"] for one in told["rejected"]} == {"busy"}
    assert [cols[0] for _, cols in rig.stored()] == list(range(500))


def test_silence_of_the_broker_is_no_acknowledgement() -> None:
    """503 unknown_outcome: the records may be in Kafka."""
    rig = Rig(limits=RecordLimits(waits=Waits(kafka=0.2)))
    rig.shelf.silent = True
    with serving(rig.make) as listener:
        status, told, _ = listener.post("/records", line(), **D1)
        assert (status, told["accepted"], told["errorCode"]) == (503, 0, "unknown_outcome")


def test_what_the_broker_refuses_is_told_record_by_record(closed: tuple[Rig, Listener]) -> None:
    """A failed delivery is 503 for that record, one too large for the topic 400; neither hides."""
    rig, listener = closed
    rig.shelf.failing = {1: "_MSG_TIMED_OUT", 2: "MSG_SIZE_TOO_LARGE"}
    status, told, _ = listener.post("/records", b"\n".join([line(), line(), line()]), NDJSON, **D1)
    assert (status, told["accepted"]) == (207, 1)
    assert [(r["index"], r["status"], r["errorCode"]) for r in told["rejected"]] == [
        (1, 503, "unknown_outcome"),
        (2, 400, "record_rejected"),
    ]


def test_any_device_may_be_written_where_nobody_asks() -> None:
    """Open mode: each record names its device, which must be one; order within a device is kept."""
    rig = Rig(anybody=True)
    names = ["a", "b", "päth/ö", "x" * 300, "", None, 5]
    records = [line(DeviceID=name, Cols=[i]) for i, name in enumerate(names)]
    records += [line(DeviceID="a", Cols=[9]), b'{"Timestamp":"2026-01-31T12:00:00Z","Cols":[1]}', b"{bad"]
    with serving(rig.make) as listener:
        status, told, _ = listener.post("/records", b"\n".join(records), NDJSON)
        assert (status, told["accepted"]) == (207, 4)
        assert [one["index"] for one in told["rejected"]] == [3, 4, 5, 6, 8, 9]
        assert rig.stored() == [("a", [0]), ("a", [9]), ("b", [1]), ("päth/ö", [2])]
        body = msgpack.packb(
            [{"DeviceID": "m", "Timestamp": msgpack.Timestamp(1, 5), "Cols": [1]}, {"Cols": [1]}]
        )
        assert listener.post("/records", body, MSGPACK)[1]["accepted"] == 1
        assert listener.post("/records?device=q", line(DeviceID="q"))[0] == 202
        assert listener.post("/records?device=q", line(DeviceID="z"))[0] == 403


def test_ack_stored_waits_for_the_workers() -> None:
    """202 only when the worker has said ok of each; a dead-lettered record is told with its reason."""
    rig = Rig(owed=True)
    assert rig.owed is not None
    owed = rig.owed
    with serving(rig.make) as listener, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(listener.post, "/records?ack=stored", b"\n".join([line(), line()]), NDJSON, **D1)
        wait_until(lambda: len(rig.shelf.replies) == 1)
        reply = rig.shelf.replies[0]
        assert reply.indexed
        # A number alone would take an answer to an earlier process's records for its own.
        assert reply.client != Rig().deps.client
        assert not asked.done()
        answers = [
            WorkerAnswer(reply.client, reply.uid, "ok", 0),
            WorkerAnswer(reply.client, reply.uid, "rejected", 1, "record_rejected", "too long"),
        ]
        listener.soon(lambda: owed.tell(answers))
        status, told, _ = asked.result(10)
        assert (status, told["accepted"], told["ack"]) == (207, 1, "stored")
        assert told["rejected"] == [
            {"index": 1, "status": 400, "errorCode": "record_rejected", "errorMessage": "too long"}
        ]


def test_a_worker_that_says_nothing_leaves_the_outcome_unknown() -> None:
    """At the end of the wait 503 unknown_outcome; what the broker refused is owed by nobody."""
    rig = Rig(owed=True)
    assert rig.owed is not None
    owed = rig.owed
    with serving(rig.make) as listener, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(listener.post, "/records?ack=stored", line(), **D1)
        wait_until(lambda: len(rig.shelf.replies) == 1)
        listener.soon(lambda: owed.expire(time.monotonic() + 60))
        assert asked.result(10)[1]["errorCode"] == "unknown_outcome"
        rig.shelf.failing = {0: "_MSG_TIMED_OUT"}
        assert listener.post("/records?ack=stored", line(), **D1)[0] == 503
        assert len(owed) == 0


def test_ack_is_one_of_two_words(closed: tuple[Rig, Listener]) -> None:
    """400 for another, and for `stored` where no worker is heard."""
    assert closed[1].post("/records?ack=maybe", line(), **D1)[0] == 400
    assert closed[1].post("/records?ack=stored", line(), **D1)[0] == 400


def test_what_is_counted(closed: tuple[Rig, Listener]) -> None:
    """Requests by route and status, records by outcome, decisions on tokens."""
    rig, listener = closed
    before = count(rig.metrics, "records", "accepted")
    listener.post("/records", line(), **D1)
    listener.post("/no/such/path", b"", **D1)
    assert count(rig.metrics, "records", "accepted") == before + 1
    assert count(rig.metrics, "auth", "ok") > 0
    families = {family.name: family for family in rig.metrics.collect()}
    found = {
        (s.labels["route"], s.labels["status"]) for s in families["taosink_ingress_http_requests"].samples
    }
    assert {("/records", "202"), ("unknown", "404")} <= found


def test_a_client_that_leaves_costs_nothing(closed: tuple[Rig, Listener]) -> None:
    """Cut in the middle of its body: nothing is published, and the next request is served."""
    rig, listener = closed
    before = count(rig.metrics, "event", "http_body_cut")
    with listener.connect() as sock:
        sock.sendall(
            b"POST /records HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t-d1\r\ncontent-type: application/json\r\n"
            b"content-length: 1000\r\n\r\n{"
        )
    wait_until(lambda: count(rig.metrics, "event", "http_body_cut") == before + 1)
    assert rig.shelf.taken == []
    assert listener.post("/records", line(), **D1)[0] == 202


def test_a_defect_is_answered_and_told(monkeypatch: pytest.MonkeyPatch, closed: tuple[Rig, Listener]) -> None:
    """500 in JSON that says a resend is safe; the listener goes on."""
    rig, listener = closed

    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(rig.shelf, "readings", broken)
    status, told, _ = listener.post("/records", line(), **D1)
    assert (status, told["errorCode"]) == (500, "error")
    monkeypatch.undo()
    assert listener.post("/records", line(), **D1)[0] == 202


def count(found: IngressMetrics, kind: str, reason: str) -> int:
    return found.counted(kind, reason)


def figure(rig: Rig, name: str) -> float:
    assert rig.public is not None
    return rig.public.figures()[name]


def wait_until(true: object, seconds: float = 10.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def test_the_loop_is_never_held_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop turns many times while ten thousand records of one request are read."""
    rig, turns, seen = Rig(), [0], [0]
    convert = Converter.convert

    def noted(self: Converter, index: int, raw: bytes) -> tuple[str, bytes] | Rejected:
        seen.append(turns[0])
        return convert(self, index, raw)

    async def turning() -> None:
        while len(seen) <= 10_000:
            turns[0] += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(Converter, "convert", noted)
    body = b"\n".join([line()] * 10_000)
    with serving(rig.make) as listener, ThreadPoolExecutor(1) as pool:
        watching = pool.submit(lambda: listener.do(turning()))
        assert listener.post("/records", body, NDJSON, **D1)[1]["accepted"] == 10_000
        watching.result(10)
    assert seen[-1] - seen[1] > 30
