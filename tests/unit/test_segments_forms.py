"""The JSON forms of messages and segments."""

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosbatch.segments import Segment, cut, join
from taosink.segments.forms import (
    FormError,
    TooLongError,
    read_message,
    read_segment,
    receipt_json,
    segment_json,
)

ANY_TEXT = st.text()
GOOD_TEXT = st.text(st.characters(codec="utf-8"))


@given(GOOD_TEXT.filter(bool).filter(lambda t: len(t.encode()) <= 256), ANY_TEXT, st.integers(1, 9))
def test_a_segment_comes_back_as_it_was_written(sender: str, payload: str, total: int) -> None:
    """Payloads with half characters too."""
    segment = Segment(1, total, sender, '"2025-01-31T08:00:00Z"', payload)
    assert read_segment(segment_json(segment)) == segment


@pytest.mark.parametrize("written", ["1", "1.0", "1e3", "-7", "17000000000000000001", '"1"', '"é"'])
def test_a_send_time_goes_through_as_it_was_written(written: str) -> None:
    """A number keeps its digits: 1 and 1.0 name two messages; and neither is the text "1"."""
    body = f'{{"username":"a","data":"x","send_time":{written}}}'.encode()
    [segment] = read_message(body).segments()
    assert read_segment(segment_json(segment)).sent_at == written
    assert f'"send_time":{written},' in receipt_json("a", "x", segment.sent_at, lost=False).decode()


def test_a_text_is_cut_into_numbered_segments() -> None:
    """Of at most 100 bytes; an empty one is a segment too."""
    text = "é" * 120
    found = read_message(json.dumps({"id": 7, "username": "a", "data": text, "send_time": 1}).encode())
    assert (found.id, found.sender) == ("7", "a")
    assert [(s.number, s.total, s.payload) for s in found.segments()] == [
        (n, 3, p) for n, p in enumerate(cut(text), 1)
    ]
    empty = read_message(b'{"username":"a","data":"","send_time":1}')
    assert [(s.number, s.total, s.payload) for s in empty.segments()] == [(1, 1, "")]


@pytest.mark.parametrize("at", range(1, 12))
def test_a_character_cut_in_two_is_whole_again(at: int) -> None:
    """By a sender that writes bytes as they are, and by one that writes base64."""
    text = "aé😀漢b"
    data = text.encode()
    if at >= len(data):
        at = len(data) - 1
    halves = data[:at], data[at:]
    head = b'{"segment_number":%d,"total_segments":2,"username":"a","send_time":1,'
    raw = [head % n + b'"payload":"' + half + b'"}' for n, half in enumerate(halves, 1)]
    coded = [head % n + b'"payload_base64":"' + b64encode(half) + b'"}' for n, half in enumerate(halves, 1)]
    for bodies in (raw, coded):
        # Twice: the forms on the link and in the topic.
        segments = [read_segment(segment_json(read_segment(body))) for body in bodies]
        assert join(s.payload for s in segments) == text


BASE = {"segment_number": 1, "total_segments": 2, "username": "a", "send_time": 1, "payload": "x"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"segment_number": 0},
        {"segment_number": 3},
        {"segment_number": 1.0},
        {"segment_number": "1"},
        {"segment_number": True},
        {"segment_number": None},
        {"segment_number": -1},
        {"total_segments": 10_001},
        {"total_segments": 10**30},
        {"username": ""},
        {"username": "é" * 129},
        {"username": "\ud800"},
        {"username": 7},
        {"send_time": None},
        {"send_time": [1]},
        {"send_time": True},
        {"send_time": "x" * 127},
        {"payload": None},
        {"payload": 5},
        {"payload_base64": "eA=="},
    ],
)
def test_a_wrong_segment_says_what_is_wrong(wrong: dict[str, object]) -> None:
    """One field at a time; the name stands in the text."""
    with pytest.raises(FormError, match=next(iter(wrong)).removesuffix("_base64")):
        read_segment(json.dumps({**BASE, **wrong}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"7",
        b"[" * 100_000,
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b"\xff\xfe{}",
        b'{"payload_base64":"%"}',
    ],
)
def test_a_body_that_is_no_such_object_is_refused(body: bytes) -> None:
    """For both calls, and never by another exception."""
    for read in (read_message, read_segment):
        with pytest.raises(FormError):
            read(body)


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing else comes out."""
    for read in (read_message, read_segment):
        try:
            read(body)
        except FormError:
            continue


@pytest.mark.parametrize(
    "wrong", [{"data": 5}, {"data": None}, {"data": "\ud800"}, {"id": [1]}, {"id": None}, {"id": "\ud800"}]
)
def test_a_wrong_message_says_what_is_wrong(wrong: dict[str, object]) -> None:
    """The same; data has to be text that can be cut."""
    good = {"id": "m1", "username": "a", "data": "x", "send_time": 1}
    with pytest.raises(FormError, match=next(iter(wrong))):
        read_message(json.dumps({**good, **wrong}).encode())


def test_a_text_of_too_many_segments_is_too_long() -> None:
    """It would fill the memory of whoever collects it."""
    body = json.dumps({"username": "a", "send_time": 1, "data": "x" * 1_000_001}).encode()
    with pytest.raises(TooLongError, match="10001 segments"):
        read_message(body).segments()
