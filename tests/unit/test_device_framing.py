"""Frames: any bytes, cut anywhere, give the same frames, or the same fault, at a bounded cost."""

import json
import sys
import tracemalloc
from itertools import pairwise
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taosdevice.framing import FrameError, FrameSplitter, Framing, decode_frame, encode_frame

JSON, PACKED = Framing.JSON_LINES, Framing.MSGPACK
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS, lambda part: st.lists(part, max_size=4) | st.dictionaries(TEXTS, part, max_size=4)
)
MESSAGES = st.dictionaries(TEXTS, VALUES, max_size=5)
STARTS = st.sampled_from(
    [b"", b"{", b" ", b"\n", b"\0", b"\0\0", b"\0\0\0\x03", b"\x16\x03\x01", b"GET / HTTP/1.1"]
)


def run(pieces: list[bytes], limit: int) -> tuple[list[bytes], str, int]:
    """All frames, the fault's code, and the most that was buffered between two pieces."""
    splitter, frames, most = FrameSplitter(limit), [], 0
    for piece in pieces:
        try:
            frames += splitter.feed(piece)
        except FrameError as error:
            return frames + error.frames, error.code, most
        most = max(most, splitter.buffered)
    return frames, "", most


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(at)]


@given(STARTS, st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=8), st.integers(1, 64))
def test_any_bytes_cut_anywhere_give_the_same_frames(
    start: bytes, rest: bytes, places: list[int], limit: int
) -> None:
    """Neither frames nor faults depend on how the bytes were cut, and less than a frame is ever held."""
    data = start + rest
    whole, pieces = run([data], limit), run(cut(data, places), limit)
    single = run([data[at : at + 1] for at in range(len(data))], limit)
    assert whole[:2] == pieces[:2] == single[:2]
    assert max(whole[2], pieces[2], single[2]) <= limit + 4


@given(
    st.sampled_from(Framing),
    st.lists(MESSAGES, min_size=1, max_size=4),
    st.lists(st.integers(0, 2000), max_size=5),
)
def test_messages_come_back_as_they_went(
    framing: Framing, messages: list[dict[str, Any]], places: list[int]
) -> None:
    """What is encoded, joined, cut and split decodes to the same messages."""
    data = b"".join(encode_frame(framing, message) for message in messages)
    frames, fault, _ = run(cut(data, places), 1 << 20)
    assert fault == ""
    assert [decode_frame(framing, frame) for frame in frames] == messages


@settings(max_examples=300)
@given(
    st.sampled_from(Framing),
    st.one_of(st.binary(max_size=80), MESSAGES.map(msgpack.packb), TEXTS.map(str.encode)),
)
def test_whatever_is_in_a_frame_nothing_else_is_raised(framing: Framing, payload: bytes) -> None:
    """Any payload is a message or a bad_frame."""
    code = "bad_frame"
    try:
        assert isinstance(decode_frame(framing, payload), dict)
    except FrameError as error:
        code = error.code
    assert code == "bad_frame"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\n", "http"),
        (b"POST", "http"),
        (b"\x16\x03\x01\x02", "tls_on_plain"),
        (b"\xff\xfe", "garbage"),
        (b"\0\xff\xff\xff", "frame_too_large"),
        (b"\0\0\0\0", "bad_frame"),
    ],
)
def test_what_no_device_sends_is_told_by_its_first_bytes(data: bytes, code: str) -> None:
    """Each has a code of its own, and the splitter stays failed with it."""
    splitter = FrameSplitter(1000)
    for more in (data if len(data) > 3 else data + b"1234", b"{}\n"):
        with pytest.raises(FrameError) as caught:
            splitter.feed(more)
        assert caught.value.code == code
    assert splitter.buffered == 0


def test_whole_frames_before_a_fault_are_handed_over() -> None:
    """A frame that came whole is not lost with what follows it."""
    with pytest.raises(FrameError) as caught:
        FrameSplitter(10).feed(b'{"a":1}\n' + b"x" * 11 + b"\n")
    assert caught.value.frames == [b'{"a":1}']


@pytest.mark.parametrize("framing", list(Framing))
def test_a_frame_of_exactly_the_limit_passes_and_one_more_byte_does_not(framing: Framing) -> None:
    """The limit counts the payload, without newline or length."""
    fits, over = b"x" * 10, b"x" * 11

    def wrap(b: bytes) -> bytes:
        return b + b"\n" if framing is JSON else len(b).to_bytes(4, "big") + b

    assert FrameSplitter(10, framing).feed(wrap(fits)) == [fits]
    with pytest.raises(FrameError):
        FrameSplitter(10, framing).feed(wrap(over))


@pytest.mark.parametrize("start", [b"{", (60_000).to_bytes(4, "big")])
def test_a_frame_that_never_ends_costs_at_most_the_limit(start: bytes) -> None:
    """Byte by byte, the splitter holds what came and no more, and ends with a fault or short of a frame."""
    splitter = FrameSplitter(64_000)
    splitter.feed(start)
    for _ in range(59_999):
        assert splitter.feed(b"x") == []
    assert splitter.buffered <= 64_000
    assert sys.getsizeof(splitter._tail) < 2 * 64_000


NESTED = b"\x81\xa1a" + b"\xdc\xff\xff" * 20_000
BOMBS = {
    "an array of 4 G": (PACKED, b"\x81\xa1a\xdd\xff\xff\xff\xff"),
    "a map of 4 G": (PACKED, b"\xdf\xff\xff\xff\xff\xa1a\x01"),
    "a text of 4 G": (PACKED, b"\x81\xa1a\xdb\xff\xff\xff\xff"),
    "an extension of 4 G": (PACKED, b"\x81\xa1a\xc9\xff\xff\xff\xff\x01"),
    "arrays in arrays, each announced large": (PACKED, NESTED),
    "60,000 lists in MessagePack": (PACKED, b"\x81\xa1a" + b"\x91" * 60_000 + b"\x01"),
    "17 lists in MessagePack": (PACKED, b"\x81\xa1a" + b"\x91" * 16 + b"\x01"),
    "60,000 lists in JSON": (JSON, b'{"a":' + b"[" * 60_000 + b"]" * 60_000 + b"}"),
    "16 lists and a map in JSON": (JSON, b'{"a":' + b"[" * 16 + b"]" * 16 + b"}"),
    "a key twice in JSON": (JSON, b'{"a":1,"a":2}'),
    "a key twice, escaped": (JSON, b'{"a":1,"\\u0061":2}'),
    "a key twice, inside": (PACKED, b"\x81\xa1a\x82\xa1b\x01\xa1b\x02"),
    "a key twice in MessagePack": (PACKED, b"\x82\xa1a\x01\xa1a\x02"),
    "a key that is no text": (PACKED, b"\x81\x01\x01"),
    "a key inside that is no text": (PACKED, b"\x81\xa1a\x81\x01\x01"),
    "a key that is a list": (PACKED, b"\x81\xa1a\x81\x90\x01"),
    "invalid UTF-8 in JSON": (JSON, b'{"a":"\xff"}'),
    "invalid UTF-8 in MessagePack": (PACKED, b"\x81\xa1a\xa1\xff"),
    "a lone surrogate": (JSON, b'{"a":"\\ud800"}'),
    "a surrogate as UTF-8": (PACKED, b"\x81\xa1a\xa3\xed\xa0\x80"),
    "NaN": (JSON, b'{"a":NaN}'),
    "no map": (JSON, b"[1]"),
    "no map in MessagePack": (PACKED, b"\x91\x01"),
    "bytes after the message": (PACKED, b"\x80\x80"),
    "text after the message": (JSON, b"{} {}"),
    "UTF-16": (JSON, json.dumps({"a": 1}).encode("utf-16")),
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_bombs_and_bad_forms_are_a_bad_frame_at_the_cost_of_their_size(name: str) -> None:
    """Each is refused, and what decoding took stays within a small multiple of the frame's own limit."""
    framing, payload = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(FrameError) as caught:
            decode_frame(framing, payload)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "bad_frame"
    assert peak < 8_000_000


def test_sixteen_levels_are_allowed() -> None:
    """The limit is what the protocol says, not one less."""
    deep: object = 1
    for _ in range(15):
        deep = [deep]
    for framing in Framing:
        payload = FrameSplitter().feed(encode_frame(framing, {"a": deep}))[0]
        assert decode_frame(framing, payload) == {"a": deep}


def test_a_message_that_json_cannot_hold_is_refused_and_none_is_changed() -> None:
    """NaN would become null, which is another value."""
    with pytest.raises(ValueError, match="JSON"):
        encode_frame(JSON, {"a": [float("nan")]})
    with pytest.raises(ValueError, match="MessagePack"):
        encode_frame(PACKED, {"a": 2**64})
