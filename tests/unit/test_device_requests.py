"""Requests: the quick reader and the careful one agree, and every rule has its answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosdevice.framing import FrameError, FrameSplitter, Framing, decode_frame, encode_frame
from taosdevice.protocol import Code, ProtocolError, Request, parse_request, read_request

JSON, PACKED = Framing.JSON_LINES, Framing.MSGPACK
WORDS = st.sampled_from(["data", "batch", "ping", "connect", "command.result", "x", "a:b", "a\\b", "é", ""])
UIDS = st.one_of(
    st.none(), st.integers(-(2**64), 2**65), WORDS, st.text(st.characters(codec="utf-8"), max_size=140)
)
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "uid": UIDS | st.booleans(),
    "data": st.one_of(
        st.none(), st.lists(st.integers(0, 3)), st.dictionaries(WORDS, WORDS, max_size=2), st.integers()
    ),
    "ack": st.sampled_from(["kafka", "stored", "both", None]),
    "deviceUid": st.one_of(WORDS, st.none(), st.just("a\x01"), st.just("d" * 193)),
    "token": st.one_of(st.none(), WORDS, st.just(7)),
    "version": st.one_of(st.none(), st.just(1), st.booleans()),
    "other": st.just(1),
}
MESSAGES = st.fixed_dictionaries({"action": WORDS | st.integers()}, optional=KEYS)


def payload_of(framing: Framing, message: dict[str, Any]) -> bytes:
    return FrameSplitter(framing=framing).feed(encode_frame(framing, message))[0]


def judged(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except ProtocolError as error:
        return (error.code, error.text, error.uid, error.action)


@given(st.sampled_from(Framing), MESSAGES)
def test_the_quick_reader_says_what_the_careful_one_says(framing: Framing, message: dict[str, Any]) -> None:
    """Whatever the message, both give the same request, or the same error."""
    try:
        payload = payload_of(framing, message)
    except ValueError:  # an integer that MessagePack cannot hold
        return
    assert judged(read_request, framing, payload) == judged(parse_request, framing, message)


@given(st.sampled_from(Framing), st.binary(max_size=100))
def test_no_payload_raises_anything_else(framing: Framing, payload: bytes) -> None:
    """A request, an error to answer, or a bad_frame."""
    told = "bad_frame"
    try:
        assert isinstance(read_request(framing, payload), Request)
    except ProtocolError as error:
        told = error.answer()["errorCode"]
    except FrameError as error:
        told = error.code
    assert told in ("bad_frame", "bad_message")


def test_the_data_of_a_hot_request_is_not_decoded() -> None:
    """The bytes of data are handed on as they came, and the message is not built."""
    request = read_request(
        JSON, b'{"action":"data","uid":"7","data":{"Timestamp": "x", "Cols": []},"ack":"stored"}'
    )
    assert request == Request("data", "7", None, b'{"Timestamp": "x", "Cols": []}', "stored")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"action":"data","data":1,"data":2}',
        b'{"action":"data","\\u0064ata":1,"data":2}',
        b'{"action":"data","uid":"a:b","uid":"a\\u003ab","data":2}',
        b'{"action":"x","action":"data","data":2}',
    ],
)
def test_a_key_that_stands_twice_is_found_on_the_quick_way_too(payload: bytes) -> None:
    """However it is written."""
    with pytest.raises(FrameError) as caught:
        read_request(JSON, payload)
    assert caught.value.code == "bad_frame"


def test_a_key_that_stands_twice_in_messagepack_is_found() -> None:
    """The map's head says how many pairs there are."""
    with pytest.raises(FrameError):
        read_request(PACKED, b"\x83\xa6action\xa4data\xa4data\x01\xa4data\x02")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({}, "action is missing"),
        ({"action": 1}, "action is no text"),
        ({"action": "a" * 129}, "more than 128"),
        ({"action": "data", "data": {}, "uid": "u" * 1_000}, "more than 128"),
        ({"action": "data", "data": {}, "uid": [1]}, "neither text nor integer"),
        ({"action": "data", "data": {}, "uid": 1.5}, "neither text nor integer"),
        ({"action": "data"}, "needs data"),
        ({"action": "data", "data": {}, "ack": "both"}, "ack"),
        ({"action": "data", "data": {}, "ack": "stored"}, "needs a uid"),
        ({"action": "connect"}, "deviceUid"),
        ({"action": "connect", "deviceUid": ""}, "empty"),
        ({"action": "connect", "deviceUid": "\0server/x"}, "control character"),
        ({"action": "connect", "deviceUid": "d", "token": "t" * 4097}, "token"),
        ({"action": "connect", "deviceUid": "d", "version": "1"}, "version"),
        ({"action": "command.result", "data": {}}, "uid"),
    ],
)
def test_every_rule_has_its_answer(message: dict[str, Any], said: str) -> None:
    """A bad_message that says what is wrong, in both framings."""
    for framing in Framing:
        with pytest.raises(ProtocolError) as caught:
            read_request(framing, payload_of(framing, message))
        assert caught.value.code == Code.BAD_MESSAGE
        assert said in caught.value.text


def test_an_application_request_is_handed_on_as_sent() -> None:
    """Unknown keys and all; a device id that looks like SQL is a text like any other."""
    message = {
        "action": "valve",
        "uid": 5,
        "deviceUid": "x'; DROP TABLE t;--",
        "data": {"a": [1, None]},
        "extra": True,
    }
    for framing in Framing:
        request = read_request(framing, payload_of(framing, message))
        assert request.message == message
        assert request.value == {"a": [1, None]}
        assert request.device == "x'; DROP TABLE t;--"


def test_a_token_is_not_in_the_repr() -> None:
    """A request may be logged."""
    request = parse_request(JSON, {"action": "connect", "deviceUid": "d", "token": "secret-token"})
    assert request.token == "secret-token"
    assert "secret-token" not in repr(request)


def test_decoding_keeps_nanoseconds_and_json_shows_them() -> None:
    """An application request in MessagePack goes on as JSON, with its time whole."""
    payload = b"\x81\xa4time\xd7\xff" + (123456789 << 34 | 1_700_000_000).to_bytes(8, "big")
    message = decode_frame(PACKED, payload)
    assert encode_frame(PACKED, message)[4:] == payload
    assert encode_frame(JSON, message) == b'{"time":"2023-11-14T22:13:20.123456789Z"}\n'
