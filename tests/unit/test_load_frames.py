"""Frames made beforehand: they are what a device sends, each with readings of its own."""

import pytest

from taosdevice.framing import FrameSplitter, Framing, decode_frame, encode_frame
from taosdevice.protocol import answer, batch_answer, pong, read_request, records_of
from taosink.load.frames import FIRST_UID, MAX_BATCH, UIDS, Frames, connect_frame

FIRST_TIME = 1_700_000_000


def payload(frame: bytes) -> bytes:
    (found,) = FrameSplitter(1 << 20).feed(frame)
    return found


def records(mode: str, number: int, batch: int = 3) -> list[bytes]:
    request = read_request(Framing.MSGPACK, payload(Frames(mode, "kafka", batch, FIRST_TIME).request(number)))
    found = records_of(Framing.MSGPACK, "bench-1", request.data)
    assert all(isinstance(record, bytes) for record in found), found
    return [record for record in found if isinstance(record, bytes)]


@pytest.mark.parametrize("mode", ["single", "batch"])
@pytest.mark.parametrize("ack", ["kafka", "stored"])
@pytest.mark.parametrize("number", [0, 1, 10_000_000])
def test_a_frame_is_a_request_that_the_gateway_takes(mode: str, ack: str, number: int) -> None:
    """With its own uid and the acknowledgement that was asked for."""
    frames = Frames(mode, ack, 3, FIRST_TIME)  # type: ignore[arg-type]  # both are known
    request = read_request(Framing.MSGPACK, payload(frames.request(number)))
    assert request.action == {"single": "data", "batch": "batch"}[mode]
    assert (request.uid, request.ack) == (FIRST_UID + number, ack)


@pytest.mark.parametrize(("mode", "each"), [("single", 1), ("batch", 3), ("batch", MAX_BATCH)])
def test_no_two_requests_have_the_same_readings(mode: str, each: int) -> None:
    """Nor has one of them the same reading twice: the database would store fewer than were sent."""
    found = [record for number in range(5) for record in records(mode, number, each)]
    assert len(found) == len(set(found)) == 5 * each


def test_a_reading_has_the_time_of_its_request() -> None:
    """A second for each request, which stays in the range that a database keeps."""
    (record,) = records("single", 77)
    seconds = (FIRST_TIME + 77).to_bytes(4, "big")
    assert seconds in record


def test_a_ping_is_one() -> None:
    frames = Frames("idle", "kafka", 1, FIRST_TIME)
    assert decode_frame(Framing.MSGPACK, payload(frames.request(4))) == {
        "action": "ping",
        "uid": FIRST_UID + 4,
    }


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("single", answer("data", FIRST_UID + 9, "ok")),
        ("batch", batch_answer(FIRST_UID + 9, 3)),
        ("idle", pong(FIRST_UID + 9)),
    ],
)
def test_an_ok_is_known_by_its_bytes(mode: str, said: dict[str, object]) -> None:
    """Wherever it stands among others, and never where only a part of it has come."""
    frames = Frames(mode, "kafka", 3, FIRST_TIME)
    wire = encode_frame(Framing.MSGPACK, said)
    assert len(wire) == frames.ok_size
    assert frames.number_of(b"xyz" + wire + wire, 3) == 9
    for cut in range(len(wire)):
        assert frames.number_of(wire[:cut], 0) == -1


@pytest.mark.parametrize(
    "said",
    [
        answer("data", FIRST_UID, "busy", code="busy"),
        batch_answer(FIRST_UID, 2, [{"index": 0}]),
        answer("data", 7, "ok"),
    ],
)
def test_anything_else_is_not_taken_for_an_ok(said: dict[str, object]) -> None:
    """Least of all a batch of which a part was refused."""
    wire = encode_frame(Framing.MSGPACK, said)
    assert Frames("single", "kafka", 1, FIRST_TIME).number_of(wire, 0) == -1
    assert Frames("batch", "kafka", 3, FIRST_TIME).number_of(wire, 0) == -1


def test_a_long_run_begins_its_uids_again() -> None:
    """They keep their length, on which the answers' places rest."""
    frames = Frames("single", "kafka", 1, FIRST_TIME)
    assert len(frames.request(UIDS + 5)) == len(frames.request(5))


def test_a_connect_has_a_token_where_there_is_one() -> None:
    with_token = decode_frame(Framing.MSGPACK, payload(connect_frame("d", "t")))
    assert with_token == {"action": "connect", "deviceUid": "d", "uid": 0, "version": 1, "token": "t"}
    assert "token" not in decode_frame(Framing.MSGPACK, payload(connect_frame("d", None)))
