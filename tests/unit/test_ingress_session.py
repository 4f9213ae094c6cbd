"""A session: bytes in, answers out, and what time does to it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from support.ingress_parts import HandPublishing, Rig

from taosdevice.framing import Framing, encode_frame
from taosdevice.protocol import Code
from taosink.ingress.limits import Limits
from taosink.ingress.ports import Command, WorkerAnswer
from taosink.ingress.session import Session
from taosink.ingress.session_ports import Pause, State

READING = {"Timestamp": "2026-01-31T08:00:00.5Z", "Cols": [1.5, "on"]}


class Wire:
    """A `session.Link` that keeps what is written, and whether it is read and open."""

    def __init__(self) -> None:
        self.raw = b""
        self.reading = self.is_open = True
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.raw += data

    def certificate(self) -> Mapping[str, Any] | None:
        return None

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.is_open = False

    def abort(self) -> None:
        self.is_open, self.aborted = False, True

    def heard(self) -> list[dict[str, Any]]:
        """The messages since the last look, of JSON lines."""
        raw, self.raw = self.raw, b""
        return [json.loads(line) for line in raw.splitlines()]


class Device:
    """One device of a rig, which speaks JSON lines."""

    def __init__(self, rig: Rig, name: str = "pump-1", address: str = "192.0.2.1") -> None:
        self.rig, self.name = rig, name
        self.wire = Wire()
        self.session: Session = rig.gateway.open(self.wire, address)

    def say(self, action: str, **more: Any) -> None:
        self.feed(encode_frame(Framing.JSON_LINES, {"action": action, **more}))

    def feed(self, data: bytes) -> None:
        self.session.received(data, self.rig.now)

    def connect(self, **more: Any) -> dict[str, Any]:
        """Sends connect, lets the authenticator answer, and gives back the answer."""
        with asyncio.Runner() as runner:
            runner.run(self._connect(more))
        return self.wire.heard()[0]

    async def _connect(self, more: dict[str, Any]) -> None:
        self.say("connect", deviceUid=self.name, uid="c", **more)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def rig() -> Rig:
    return Rig(Limits(rate=0), events=False)


@pytest.fixture
def device(rig: Rig) -> Device:
    device = Device(rig)
    device.connect()
    return device


def test_connect_binds_the_device_and_tells_the_limits(rig: Rig) -> None:
    """The answer names client, server and limits; the claim and the waiting commands follow."""
    device = Device(rig)

    answer = device.connect()

    assert answer["status"] == "ok"
    assert answer["data"]["serverId"] == "gw-1"
    assert answer["data"]["clientId"] == device.session.client_id
    assert answer["data"]["limits"]["maxFrame"] == 65_536
    assert rig.gateway.sessions.by_device("pump-1") is device.session
    assert rig.claims.said == [("claim", "pump-1", device.session.client_id)]
    assert rig.orders.said == [("connected", "pump-1", device.session.client_id)]
    assert device.wire.reading


def test_a_wrong_token_is_answered_and_closes(rig: Rig) -> None:
    """The device hears why, and holds nothing afterwards."""
    device = Device(rig)

    answer = device.connect(token="wrong")

    assert (answer["status"], answer["errorCode"]) == ("error", "unauthorized")
    assert not device.wire.is_open
    assert rig.seen("closed", "unauthorized") == 1
    assert rig.claims.said == []


def test_before_connect_only_ping_and_connect_are_taken(rig: Rig) -> None:
    """Anything else is refused, and the connection goes on."""
    device = Device(rig)

    device.say("ping", uid=1)
    device.say("data", uid=2, data=READING)

    assert [m.get("errorCode") for m in device.wire.heard()] == [None, "not_connected"]
    assert device.wire.is_open
    assert rig.publishing.records == []


def test_messages_behind_a_connect_wait_for_its_answer(rig: Rig) -> None:
    """A device may send its first reading with its connect."""
    device = Device(rig)

    async def both() -> None:
        device.say("connect", deviceUid="pump-1", uid="c")
        device.say("data", uid=1, data=READING)
        assert not device.wire.reading
        assert rig.publishing.records == []
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(both())

    assert [r[0] for r in rig.publishing.records] == ["pump-1"]
    assert device.wire.reading


def test_data_is_answered_when_the_broker_has_acknowledged(rig: Rig, device: Device) -> None:
    """Not before; the answer carries the uid as it came."""
    device.say("data", uid=7, data=READING)
    assert device.wire.heard() == []
    assert device.session.in_flight == 1

    rig.publishing.acknowledge()

    assert device.wire.heard() == [{"action": "data.response", "uid": 7, "status": "ok"}]
    assert device.session.in_flight == 0


def test_data_that_the_broker_did_not_take_is_unknown(rig: Rig, device: Device) -> None:
    """It may have been written: never ok, never rejected."""
    device.say("data", uid=7, data=READING)

    rig.publishing.acknowledge({0: "_MSG_TIMED_OUT"})

    (answer,) = device.wire.heard()
    assert (answer["status"], answer["errorCode"]) == ("unknown", "unknown_outcome")


@pytest.mark.parametrize("ack", ["kafka", "stored"])
def test_data_that_kafka_never_takes_is_rejected(rig: Rig, device: Device, ack: str) -> None:
    """Sending it again would be refused again: the device is not sent round in circles."""
    device.say("data", uid=7, data=READING, ack=ack)

    rig.publishing.acknowledge({0: "MSG_SIZE_TOO_LARGE"})

    (answer,) = device.wire.heard()
    assert (answer["status"], answer["errorCode"]) == ("rejected", "record_rejected")
    assert device.session.in_flight == 0


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("MSG_SIZE_TOO_LARGE", ("partial", "record_rejected")),
        ("_MSG_TIMED_OUT", ("unknown", "unknown_outcome")),
    ],
)
@pytest.mark.parametrize("ack", ["kafka", "stored"])
def test_a_batch_tells_apart_what_kafka_never_takes_and_what_nobody_knows(
    rig: Rig, device: Device, ack: str, why: str, told: tuple[str, str]
) -> None:
    """Both name the record by its place; the others' answers count."""
    device.say("batch", uid="b", data=[5, READING, READING], ack=ack)

    rig.publishing.acknowledge({0: why})
    if ack == "stored":
        rig.downlink.stored([WorkerAnswer(device.session.client_id, "b", "ok", index=1)])

    (answer,) = device.wire.heard()
    assert answer["data"]["accepted"] == 1
    (own, kafkas) = answer["data"]["rejected"]
    assert (own["index"], own["errorCode"], kafkas["index"]) == (0, "record_rejected", 1)
    assert (answer["status"], kafkas["errorCode"]) == told


@pytest.mark.parametrize(
    ("why", "status", "code"),
    [("MSG_SIZE_TOO_LARGE", "error", "bad_message"), ("_MSG_TIMED_OUT", "unknown", "unknown_outcome")],
)
def test_an_application_request_that_kafka_did_not_take_is_answered_by_the_gateway(
    rig: Rig, device: Device, why: str, status: str, code: str
) -> None:
    """No worker will."""
    device.say("open.valve", uid=9)
    ((_, _, done),) = rig.publishing.requests

    done({0: why})

    (answer,) = device.wire.heard()
    assert (answer["action"], answer["status"], answer["errorCode"]) == ("open.valve.response", status, code)


def test_a_batch_tells_which_records_were_rejected(rig: Rig, device: Device) -> None:
    """Its good records are published all the same, and counted as accepted."""
    device.say("batch", uid="b", data=[READING, {"Timestamp": "yesterday", "Cols": [1]}, READING])
    assert [len(values) for _, values, _, _ in rig.publishing.records] == [2]

    rig.publishing.acknowledge({1: "_MSG_TIMED_OUT"})

    (answer,) = device.wire.heard()
    assert answer["status"] == "unknown"
    assert answer["data"]["accepted"] == 1
    assert [(r["index"], r["errorCode"]) for r in answer["data"]["rejected"]] == [
        (1, "record_rejected"),
        (2, "unknown_outcome"),
    ]


@pytest.mark.parametrize(
    ("data", "status"), [([READING] * 3, "ok"), ([READING, 5], "partial"), ([5], "rejected"), ([], "ok")]
)
def test_a_batch_status_says_how_much_was_taken(rig: Rig, device: Device, data: Any, status: str) -> None:
    """ok, partial or rejected."""
    device.say("batch", uid="b", data=data)
    rig.publishing.acknowledge()

    assert [m["status"] for m in device.wire.heard()] == [status]
    assert device.session.in_flight == 0


def test_a_reading_of_another_device_is_refused(rig: Rig, device: Device) -> None:
    """In the message's deviceUid as well as in the reading itself."""
    device.say("data", uid=1, data=READING, deviceUid="pump-2")
    device.say("data", uid=2, data=READING | {"DeviceID": "pump-2"})

    assert [m["errorCode"] for m in device.wire.heard()] == ["wrong_device", "wrong_device"]
    assert rig.publishing.records == []


@pytest.mark.parametrize("data", [5, "x", [READING], [[READING]]])
def test_data_that_is_no_reading_is_refused(rig: Rig, device: Device, data: Any) -> None:
    """The connection goes on."""
    device.say("data", uid=1, data=data)
    device.say("ping", uid=2)

    first, second = device.wire.heard()
    assert first["status"] in ("error", "rejected")
    assert second == {"action": "pong", "uid": 2}
    assert rig.publishing.records == []


def test_stored_is_answered_by_the_worker_alone(rig: Rig, device: Device) -> None:
    """The broker's acknowledgement is not enough."""
    device.say("data", uid="s", data=READING, ack="stored")
    (_, _, _, reply) = rig.publishing.records[0]
    assert reply is not None
    assert (reply.client, reply.uid, reply.indexed) == (device.session.client_id, "s", False)
    rig.publishing.acknowledge()
    assert device.wire.heard() == []

    rig.downlink.stored([WorkerAnswer(reply.client, "s", "ok")])

    assert device.wire.heard() == [{"action": "data.response", "uid": "s", "status": "ok"}]


def test_a_late_answer_to_a_uid_is_none_to_the_next_request_of_that_uid(rig: Rig, device: Device) -> None:
    """A consumer that stores a record a second time, or late, says nothing of another record."""
    device.say("data", uid="s", data=READING, ack="stored")
    first = rig.publishing.records[0][3]
    rig.now += 31.0
    rig.gateway.tick()
    device.say("data", uid="s", data=READING, ack="stored")
    second = rig.publishing.records[1][3]
    assert first is not None
    assert second is not None

    rig.downlink.stored([WorkerAnswer(first.client, "s", "ok", ticket=first.ticket)])

    assert [m["status"] for m in device.wire.heard()] == ["unknown"]
    assert rig.seen("event", "stored_for_nobody") == 1
    rig.downlink.stored([WorkerAnswer(second.client, "s", "ok", ticket=second.ticket)])
    assert [m["status"] for m in device.wire.heard()] == ["ok"]


def test_a_dead_lettered_record_is_rejected_with_its_reason(rig: Rig, device: Device) -> None:
    """The worker's code and text reach the device."""
    device.say("data", uid="s", data=READING, ack="stored")
    client = device.session.client_id

    rig.downlink.stored([WorkerAnswer(client, "s", "rejected", code="record_rejected", text="too long")])

    (answer,) = device.wire.heard()
    assert (answer["status"], answer["errorMessage"]) == ("rejected", "too long")


def test_a_worker_that_says_nothing_leaves_the_outcome_unknown(rig: Rig, device: Device) -> None:
    """After the timeout; a later answer finds nobody."""
    device.say("batch", uid="s", data=[READING] * 3, ack="stored")
    client = device.session.client_id
    rig.publishing.acknowledge()
    rig.downlink.stored([WorkerAnswer(client, "s", "ok", index=1)])
    assert device.wire.heard() == []

    rig.now += 31.0
    rig.gateway.tick()
    rig.downlink.stored([WorkerAnswer(client, "s", "ok", index=0)])

    (answer,) = device.wire.heard()
    assert answer["status"] == "unknown"
    assert answer["data"]["accepted"] == 1
    assert [r["index"] for r in answer["data"]["rejected"]] == [0, 2]
    assert rig.seen("event", "stored_for_nobody") == 1


def test_stored_records_that_the_broker_refused_are_not_waited_for(rig: Rig, device: Device) -> None:
    """They are unknown; the others' answers still count."""
    device.say("batch", uid="s", data=[READING] * 2, ack="stored")
    rig.publishing.acknowledge({0: "_MSG_TIMED_OUT"})

    rig.downlink.stored([WorkerAnswer(device.session.client_id, "s", "ok", index=1)])

    (answer,) = device.wire.heard()
    assert (answer["status"], answer["data"]["accepted"]) == ("unknown", 1)


def test_a_device_that_comes_and_goes_leaves_no_debts(rig: Rig) -> None:
    """Other devices find room for theirs."""
    for n in range(5):
        device = Device(rig)
        device.connect()
        device.say("data", uid=n, data=READING, ack="stored")
        assert len(rig.gateway.owed) == 1
        rig.gateway.lost(device.session)
    assert len(rig.gateway.owed) == 0


def test_a_uid_that_is_owed_still_is_busy_until_it_is_answered(rig: Rig, device: Device) -> None:
    """Their answers could not be told apart; a client that sends it once more is served."""
    for _ in range(2):
        device.say("data", uid="s", data=READING, ack="stored")

    assert [(m["status"], m["errorCode"]) for m in device.wire.heard()] == [("busy", "busy")]
    assert len(rig.publishing.records) == 1
    rig.downlink.stored([WorkerAnswer(device.session.client_id, "s", "ok")])
    device.say("data", uid="s", data=READING, ack="stored")
    assert [m["status"] for m in device.wire.heard()] == ["ok"]
    assert len(rig.publishing.records) == 2


def test_a_full_backlog_stops_reading_and_goes_on_when_there_is_room(rig: Rig, device: Device) -> None:
    """What came is kept in order, and nothing is answered meanwhile."""
    rig.publishing.room = 1
    for uid in range(4):
        device.say("data", uid=uid, data=READING)
    assert not device.wire.reading
    assert len(rig.publishing.records) == 1

    rig.publishing.make_room()

    assert device.wire.reading
    rig.publishing.acknowledge()
    assert [m["uid"] for m in device.wire.heard()] == [0, 1, 2, 3]


def test_what_waits_too_long_for_room_is_answered_busy(rig: Rig, device: Device) -> None:
    """Within busy_after nothing is said; then reading goes on."""
    rig.publishing.room = 0
    device.say("data", uid=1, data=READING)
    rig.now += 4.9
    rig.gateway.tick()
    assert device.wire.heard() == []

    rig.now += 0.2
    rig.gateway.tick()

    (answer,) = device.wire.heard()
    assert (answer["uid"], answer["status"], answer["errorCode"]) == (1, "busy", "busy")
    assert device.wire.reading


def test_stored_without_room_leaves_nothing_owed(rig: Rig, device: Device) -> None:
    """The same uid can be sent again after busy."""
    rig.publishing.room = 0
    device.say("data", uid=1, data=READING, ack="stored")

    assert len(rig.owed) == 0


def test_more_requests_than_may_be_in_flight_are_refused(rig: Rig) -> None:
    """And taken again when there are answers."""
    rig = Rig(Limits(rate=0, max_in_flight=2), events=False)
    device = Device(rig)
    device.connect()
    for uid in range(3):
        device.say("data", uid=uid, data=READING)
    assert [(m["uid"], m["errorCode"]) for m in device.wire.heard()] == [(2, "too_many_in_flight")]

    rig.publishing.acknowledge()
    device.say("data", uid=3, data=READING)

    assert len(rig.publishing.records) == 1


def test_a_device_beyond_its_rate_is_told_and_not_read_until_the_next_tick() -> None:
    """A flood costs no more than its answers."""
    rig = Rig(Limits(rate=10, burst=2), events=False)
    device = Device(rig)
    device.connect()
    for uid in range(3):
        device.say("ping", uid=uid)

    assert [m.get("errorCode") for m in device.wire.heard()] == [None, None, "rate_limited"]
    assert not device.wire.reading
    rig.now += 1.0
    rig.gateway.tick()
    assert device.wire.reading
    device.say("ping", uid=3)
    assert device.wire.heard() == [{"action": "pong", "uid": 3}]


def test_a_device_that_connects_anew_has_the_rate_that_it_left() -> None:
    """The rate is the device's: another connection gives it no more of it."""
    rig = Rig(Limits(rate=0.001, burst=2), events=False)
    answers: list[str | None] = []
    for _ in range(3):
        device = Device(rig)
        device.connect()
        device.say("ping", uid=1)
        answers += [m.get("errorCode") for m in device.wire.heard()]
    assert answers == [None, None, "rate_limited"]


def test_logins_that_bring_more_than_may_be_held_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind a connect is held before anybody has proven who he is."""
    monkeypatch.setattr("taosink.ingress.gateway.MOST_HELD", 100)
    rig = Rig(Limits(rate=0), events=False)

    async def flood() -> list[Device]:
        devices = [Device(rig, f"pump-{n}") for n in range(3)]
        for device in devices:
            device.say("connect", deviceUid=device.name, uid="c")
            device.say("data", uid=1, data=READING)
        return devices

    devices = asyncio.run(flood())
    assert [d.session.open for d in devices] == [True, False, False]
    assert devices[1].wire.heard()[-1]["errorCode"] == "busy"


def test_an_application_request_goes_to_the_workers_and_its_answer_comes_back(
    rig: Rig, device: Device
) -> None:
    """The envelope is that of the request topic, with the session's device and without the token; the answer
    finds the socket."""
    device.say("open.valve", uid=9, data={"n": 1}, token="secret")
    ((envelope, key, done),) = rig.publishing.requests
    told = json.loads(envelope)
    assert key == b"pump-1"
    assert told == {
        "deviceRequest": {"action": "open.valve", "uid": 9, "data": {"n": 1}, "deviceUid": "pump-1"},
        "serverId": "gw-1",
        "clientId": device.session.client_id,
    }
    done({})

    response = {"action": "open.valve.response", "uid": 9, "status": "ok", "data": [1], "errorCode": None}
    assert rig.downlink.respond(device.session.client_id, None, response)

    assert device.wire.heard() == [{"action": "open.valve.response", "uid": 9, "data": [1], "status": "ok"}]


def test_an_answer_for_a_socket_that_is_gone_is_counted(rig: Rig, device: Device) -> None:
    """And harms nobody."""
    client = device.session.client_id
    rig.gateway.lost(device.session)

    assert not rig.downlink.respond(client, None, {"action": "x.response"})
    assert rig.seen("event", "response_for_nobody") == 1


def test_an_acknowledgement_for_a_socket_that_is_gone_is_harmless(rig: Rig, device: Device) -> None:
    """Nothing is written, and the count of requests in flight ends at zero."""
    device.say("data", uid=1, data=READING)
    rig.gateway.lost(device.session)

    rig.publishing.acknowledge()

    assert device.wire.raw == b""
    assert rig.gateway.in_flight == 0


def test_the_newer_socket_of_a_device_wins(rig: Rig, device: Device) -> None:
    """The older is told and closed, and its end does not take the device from the newer."""
    newer = Device(rig)
    newer.connect()

    (told,) = device.wire.heard()
    assert (told["action"], told["errorCode"]) == ("replaced", "replaced")
    assert not device.wire.is_open
    assert rig.gateway.sessions.by_device("pump-1") is newer.session
    assert ("gone", "pump-1", device.session.client_id) not in rig.claims.said


def test_a_claim_at_another_gateway_closes_the_session(rig: Rig, device: Device) -> None:
    """Told by the broker's side, for this client alone."""
    rig.downlink.replaced("pump-1", "another-client")
    assert device.wire.is_open

    rig.downlink.replaced("pump-1", device.session.client_id)

    assert device.wire.heard()[0]["action"] == "replaced"


def test_commands_reach_the_device_and_their_results_the_broker(rig: Rig, device: Device) -> None:
    """By device, and only by a client that is here."""
    assert rig.downlink.command("pump-1", None, Command("cmd-1", {"name": "reboot"}, answer=True))
    assert device.wire.heard() == [
        {"action": "command", "uid": "cmd-1", "data": {"name": "reboot"}, "answer": True}
    ]
    assert not rig.downlink.command("pump-1", "nobody", Command("cmd-2", {}, answer=False))

    device.say("command.result", uid="cmd-1", data={"done": True})

    assert rig.orders.said[-1] == ("result", "pump-1", "cmd-1", {"done": True}, "ok")
    assert device.wire.heard() == []


def test_connect_and_disconnect_are_events_on_the_request_topic() -> None:
    """With the reason of the end."""
    rig = Rig(Limits())
    device = Device(rig)
    device.connect()
    device.session.close(Code.IDLE)

    events = [json.loads(envelope) for envelope, _, _ in rig.publishing.requests]
    assert [(e["deviceRequest"]["action"], e["event"]) for e in events] == [
        ("connect", True),
        ("disconnect", True),
    ]
    assert events[1]["deviceRequest"]["data"] == {"reason": "idle"}


def test_who_never_connects_is_closed(rig: Rig) -> None:
    """Whatever it sends meanwhile."""
    device = Device(rig)
    device.feed(b'{"action":')
    rig.now += 9.0
    rig.gateway.tick()
    assert device.wire.is_open

    rig.now += 1.5
    rig.gateway.tick()

    assert device.wire.heard()[0]["errorCode"] == "handshake_timeout"
    assert rig.seen("closed", "handshake_timeout") == 1


def test_a_silent_device_is_closed_and_a_pinging_one_is_not(rig: Rig, device: Device) -> None:
    """Every byte counts as a sign of life."""
    for _ in range(3):
        rig.now += 200.0
        device.say("ping")
        rig.gateway.tick()
    assert device.wire.is_open

    rig.now += 301.0
    rig.gateway.tick()

    assert rig.seen("closed", "idle") == 1


def test_a_message_that_never_ends_is_closed(rig: Rig, device: Device) -> None:
    """However steadily its bytes dribble in."""
    device.feed(b'{"action":"data","data":"')
    for _ in range(32):
        rig.now += 1.0
        device.feed(b"x")
        rig.gateway.tick()

    assert rig.seen("closed", "slow_frame") == 1


def test_a_reader_that_stopped_is_closed(rig: Rig, device: Device) -> None:
    """After slow_after, without waiting for its last words."""
    device.session.pause(Pause.OUTPUT, rig.now)
    rig.now += 29.0
    rig.gateway.tick()
    assert not device.wire.aborted

    rig.now += 2.0
    rig.gateway.tick()

    assert device.wire.aborted
    assert rig.seen("closed", "slow_reader") == 1


def test_a_closed_connection_that_is_not_read_is_cut(rig: Rig, device: Device) -> None:
    """Its last words get some seconds, no more."""
    device.session.close(Code.IDLE)
    assert not device.wire.aborted

    rig.now += 6.0
    rig.gateway.tick()

    assert device.wire.aborted


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http"),
        (b"\x16\x03\x01\x00\xa5", "tls_on_plain"),
        (b"\xff\xfe\xfd", "garbage"),
        (b"\x00\x00\x01", None),
        (b"\x00\xff\xff\xff\xff", "frame_too_large"),
        (b"{" + b"x" * 70_000, "frame_too_large"),
        (b'{"action":"ping","action":"ping"}\n', "bad_frame"),
        (b'{"action":"\xff"}\n', "bad_frame"),
    ],
)
def test_bytes_that_are_no_message_close_with_a_counted_reason(
    rig: Rig, first: bytes, reason: str | None
) -> None:
    """And with a text that a person understands where the framing is known."""
    device = Device(rig)

    device.feed(first)

    assert device.wire.is_open is (reason is None)
    if reason is not None:
        assert rig.seen("closed", reason) == 1
    if reason == "http":
        assert device.wire.raw.startswith(b"HTTP/1.1 400 ")


def test_what_came_whole_before_a_broken_frame_counts(rig: Rig, device: Device) -> None:
    """Its answer is the broker's to give."""
    good = encode_frame(Framing.JSON_LINES, {"action": "data", "uid": 1, "data": READING})
    device.feed(good + b"{" + b"x" * 70_000)

    assert len(rig.publishing.records) == 1
    assert device.session.state == State.CLOSING


def test_goodbye_takes_nothing_new_and_answers_what_is_in_flight(rig: Rig, device: Device) -> None:
    """What waited for room is answered busy; the session closes when it has all answers."""
    device.say("data", uid=1, data=READING)
    rig.publishing.room = 0
    device.say("data", uid=2, data=READING)

    rig.gateway.say_goodbye(1.0, 0.0)
    device.say("data", uid=3, data=READING)

    goodbye, refused = device.wire.heard()
    assert (goodbye["action"], goodbye["data"]) == ("goodbye", {"reconnectAfterMs": 1000})
    assert (refused["uid"], refused["errorCode"]) == (2, "shutting_down")
    assert rig.gateway.close_quiet() == 1
    rig.publishing.acknowledge()
    assert [m["uid"] for m in device.wire.heard()] == [1]
    assert rig.gateway.close_quiet() == 0
    assert not device.wire.is_open
    assert ("gone", "pump-1", device.session.client_id) in rig.claims.said


def test_messagepack_is_answered_in_messagepack(rig: Rig) -> None:
    """Length first, as it came."""
    device = Device(rig)
    device.feed(encode_frame(Framing.MSGPACK, {"action": "ping", "uid": 2**40}))

    assert device.wire.raw == encode_frame(Framing.MSGPACK, {"action": "pong", "uid": 2**40})


@pytest.mark.parametrize("framing", list(Framing))
@pytest.mark.parametrize("uid", [None, 7, -1, 2**63, 'a"\\ü'])
def test_the_quick_answer_is_the_careful_one(framing: Framing, uid: int | str | None) -> None:
    """Byte by byte, in both framings."""
    from taosdevice.protocol import answer
    from taosink.ingress.wire import OK_DATA

    assert OK_DATA.frame(framing, uid) == encode_frame(framing, answer("data", uid, "ok"))


def test_messages_beyond_all_that_may_be_held_are_answered_busy_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that memory stays bounded however many sockets wait."""
    monkeypatch.setattr("taosink.ingress.gateway.MOST_HELD", 100)
    rig = Rig(Limits(rate=0), publishing=HandPublishing(), events=False)
    first, second = Device(rig, "pump-1"), Device(rig, "pump-2")
    for device in (first, second):
        device.connect()
    rig.publishing.room = 0
    for uid in range(2):
        first.say("data", uid=uid, data=READING)
    assert first.wire.heard() == []

    second.say("data", uid=1, data=READING)

    assert [m["status"] for m in second.wire.heard()] == ["busy"]
