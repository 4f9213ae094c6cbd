"""Record in MessagePack and JSON, both ways."""

import json

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.record_values import Stamp, packed, packed_map, stamp32, stamp64, stamp96, texts, written

from taosbatch.encoding import Reason
from taosdevice.times import format_rfc3339, pack_extension, parse_rfc3339
from taosink.records.codecs import MAX_DEPTH
from taosink.records.record import Record, RecordError, decode, encode_json, encode_msgpack

RECORD = Record("tb0", 1_700_000_000_123_456_789, [1.5, 7, True, None, "x"])
TIME = "2023-11-14T22:13:20.123456789Z"
STAMP = stamp64(1_700_000_000, 123_456_789)


def refusal(value: bytes, codec: str = "auto") -> tuple[Reason, str]:
    with pytest.raises(RecordError) as caught:
        decode(value, codec)  # type: ignore[arg-type]  # one of the codecs' names
    assert caught.value.detail
    return caught.value.reason, caught.value.device


values = st.lists(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
        texts.filter(lambda text: "\0" not in text),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=300)
@given(st.builds(Record, texts, st.integers(-(2**63) * 10**9, 2**63 * 10**9 - 1), values))
def test_msgpack_round_trip(record: Record) -> None:
    """What a producer writes is read back whole, to the nanosecond, for any time that the form can carry."""
    assert decode(encode_msgpack(record), "msgpack") == record
    assert decode(encode_msgpack(record), "auto") == record


@settings(max_examples=300)
@given(st.builds(Record, texts, st.integers(-62_135_596_800 * 10**9, 253_402_300_800 * 10**9 - 1), values))
def test_json_round_trip(record: Record) -> None:
    """The same for JSON and the years 1 to 9999."""
    assert decode(encode_json(record), "json") == record
    assert decode(encode_json(record), "auto") == record


def test_the_forms_are_what_other_programs_write() -> None:
    """Keys, their order and the time's form, read by somebody else's reader."""
    assert encode_json(RECORD) == (
        b'{"DeviceID":"tb0","Timestamp":"2023-11-14T22:13:20.123456789Z","Cols":[1.5,7,true,null,"x"]}'
    )
    assert list(msgpack.unpackb(encode_msgpack(RECORD)).items()) == [
        ("DeviceID", "tb0"),
        ("Timestamp", msgpack.Timestamp(1_700_000_000, 123_456_789)),
        ("Cols", [1.5, 7, True, None, "x"]),
    ]


@pytest.mark.parametrize(
    ("seconds", "nanos", "size"),
    [
        (0, 0, 4),
        (2**32 - 1, 0, 4),
        (2**32, 0, 8),
        (0, 1, 8),
        (2**34 - 1, 999_999_999, 8),
        (2**34, 0, 12),
        (-1, 999_999_999, 12),
    ],
)
def test_the_shortest_timestamp_form_is_chosen(seconds: int, nanos: int, size: int) -> None:
    """32, 64 or 96 bits, as the number needs."""
    content = pack_extension(seconds * 10**9 + nanos)
    assert len(content) == size
    assert msgpack.Timestamp.from_bytes(content) == msgpack.Timestamp(seconds, nanos)


@pytest.mark.parametrize("stamp", [stamp32(5), stamp64(5), stamp96(5), Stamp(b"\xc7\x04\xff\0\0\0\5")])
def test_every_timestamp_form_is_read(stamp: Stamp) -> None:
    """Three forms, and a length written longer than it need be."""
    assert decode(packed("tb0", stamp, [1])).timestamp_ns == 5_000_000_000


def test_impossible_times_are_not_written() -> None:
    """A time that a form cannot carry is refused by the producer's side."""
    with pytest.raises(OverflowError, match="64 bits"):
        encode_msgpack(Record("a", 2**63 * 10**9, [1]))
    with pytest.raises(OverflowError):
        encode_json(Record("a", 2**70, [1]))
    with pytest.raises(ValueError, match="JSON"):
        encode_json(Record("a", 0, [float("nan")]))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.5z", 500_000_000),
        ("1970-01-01T08:00:00+08:00", 0),
        ("1969-12-31T23:30:00.000000001-00:30", 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T00:00:00.0000000019Z", 1),
        ("2024-02-29T00:00:00-00:00", 1_709_164_800 * 10**9),
    ],
)
def test_rfc3339_is_read(text: str, ns: int) -> None:
    """Offsets, leap days, either case, any number of fraction digits."""
    assert parse_rfc3339(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2023-11-14",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20Z",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20,5Z",
        "2023-11-14T22:13:20+0800",
        "2023-11-14T22:13:20+24:00",
        "2023-11-14T22:13:20+08:60",
        "2023-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-11-14T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "２０２３-11-14T22:13:20Z",
        "2023-11-14T22:13:20Z\n",
    ],
)
def test_what_is_no_rfc3339_is_refused(text: str) -> None:
    """Near misses are told from times."""
    with pytest.raises(ValueError, match=r".+"):
        parse_rfc3339(text)
    assert refusal(written("tb0", text, [1])) == (Reason.TIMESTAMP, "tb0")


def test_rfc3339_has_only_the_digits_that_it_needs() -> None:
    """No trailing zeros, and no fraction where there is none."""
    assert format_rfc3339(0) == "1970-01-01T00:00:00Z"
    assert format_rfc3339(-500_000_000) == "1969-12-31T23:59:59.5Z"
    assert format_rfc3339(1) == "1970-01-01T00:00:00.000000001Z"


MALFORMED = {
    "empty": b"",
    "garbage": b"\xc1\xc1\xc1",
    "truncated": packed("tb0", STAMP, [1, 2])[:-1],
    "trailing bytes": packed("tb0", STAMP, [1]) + b"\0",
    "invalid UTF-8": packed("tb0", STAMP, ["abc"]).replace(b"abc", b"a\xed\xa0"),
    "a key twice": packed_map([("DeviceID", "a"), ("DeviceID", "a"), ("Timestamp", STAMP), ("Cols", [1])]),
    "an unknown key twice": packed_map(
        [("DeviceID", "a"), ("Timestamp", STAMP), ("Cols", [1]), ("x", 1), ("x", 1)]
    ),
    "an ill-formed unknown key": packed_map(
        [("DeviceID", "a"), ("Timestamp", STAMP), ("Cols", [1]), ("x", "abc")]
    )[:-3]
    + b"\xed\xa0\x80",
    "time of a wrong length": packed("tb0", Stamp(b"\xd5\xff\0\0"), [1]),
    "too many nanoseconds": packed("tb0", stamp64(5, 10**9), [1]),
    "too many nanoseconds in 96 bits": packed("tb0", stamp96(5, 10**9), [1]),
    "too deep": packed("tb0", STAMP, [Stamp(b"\x91" * MAX_DEPTH + b"\1")]),
    "far too deep": packed("tb0", STAMP, [Stamp(b"\x91" * 100_000 + b"\1")]),
    "a list longer than the bytes": b"\xdd\xff\xff\xff\xff\1",
    "JSON cut short": b'{"DeviceID":"tb0"',
    "JSON with more behind": written("tb0", TIME, [1]) + b"x",
    "JSON with a key twice": b'{"DeviceID":"a","DeviceID":"a","Timestamp":"'
    + TIME.encode()
    + b'","Cols":[1]}',
    "JSON with NaN": written("tb0", TIME, [float("nan")]),
    "JSON with a lone surrogate": b'{"DeviceID":"tb0","Timestamp":"'
    + TIME.encode()
    + b'","Cols":["\\ud800"]}',
    "JSON with a raw control character": b'{"DeviceID":"a\x01","Timestamp":"x","Cols":[1]}',
    "JSON that is not UTF-8": b'{"DeviceID":"\xff"}',
    "JSON far too deep": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_values(name: str) -> None:
    """Bytes that are no record of either form."""
    assert refusal(MALFORMED[name]) == (Reason.MALFORMED, "")


SHAPES = {
    "no map": (b"\x07", ""),
    "a JSON text": (b' "x"', ""),
    "nothing in it": (b"{}", ""),
    "no device": (packed_map([("Timestamp", STAMP), ("Cols", [1])]), ""),
    "no time": (packed_map([("DeviceID", "tb0"), ("Cols", [1])]), "tb0"),
    "no values": (packed_map([("DeviceID", "tb0"), ("Timestamp", STAMP)]), "tb0"),
    "a key in bin": (packed_map([("DeviceID", "tb0"), ("Timestamp", STAMP), (b"Cols", [1])]), "tb0"),
    "empty Cols": (packed("tb0", STAMP, []), "tb0"),
    "Cols an empty map": (packed("tb0", STAMP, {}), "tb0"),
    "Cols a map": (packed("tb0", STAMP, {"a": 1}), "tb0"),
    "Cols a text": (written("tb0", TIME, "abc"), "tb0"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_bad_shapes(name: str) -> None:
    """Well-formed, but no record."""
    value, device = SHAPES[name]
    assert refusal(value) == (Reason.SHAPE, device)


def test_codec_is_kept_to() -> None:
    """A codec by name reads its own form only; auto reads both, by the first byte."""
    as_msgpack, as_json = encode_msgpack(RECORD), encode_json(RECORD)
    assert decode(as_msgpack) == decode(as_json) == decode(b" \n" + as_json) == RECORD
    assert refusal(as_json, "msgpack")[0] == refusal(as_msgpack, "json")[0] == Reason.MALFORMED


@pytest.mark.parametrize("device", [None, 7, b"tb0", ["tb0"]])
def test_a_device_is_text(device: object) -> None:
    """Bin is no text either."""
    assert refusal(packed(device, STAMP, [1])) == (Reason.DEVICE, "")


@pytest.mark.parametrize("stamp", [None, 1_700_000_000, TIME, 1.5, Stamp(b"\xd7\x05abcdefgh"), [1]])
def test_a_packed_time_is_the_extension(stamp: object) -> None:
    """Whatever else stands there is a bad timestamp."""
    assert refusal(packed("tb0", stamp, [1])) == (Reason.TIMESTAMP, "tb0")


@pytest.mark.parametrize("stamp", [None, 1_700_000_000, "1700000000"])
def test_a_json_time_is_text(stamp: object) -> None:
    """A number is no RFC 3339 time."""
    assert refusal(written("tb0", stamp, [1])) == (Reason.TIMESTAMP, "tb0")


@pytest.mark.parametrize(
    "cell", [b"x", [1], {"a": 1}, Stamp(b"\xd4\5x"), STAMP, 2**63, float("nan"), float("inf"), 5e-324, "a\0"]
)
def test_cells_that_no_column_takes(cell: object) -> None:
    """Each is refused as a bad value, with its place."""
    with pytest.raises(RecordError, match=r"Cols\[1\]: ") as caught:
        decode(packed("tb0", STAMP, [1, cell, b"later"]))
    assert caught.value.reason == Reason.VALUE


@pytest.mark.parametrize(
    "cell", ["1e400", "-1e400", str(2**63), str(-(2**63) - 1), str(2**70), "9" * 5_000, "{}"]
)
def test_json_numbers_out_of_range(cell: str) -> None:
    """Out of range is a bad value, however many digits it has."""
    value = written("tb0", TIME, ["@"]).replace(b'"@"', cell.encode())
    assert refusal(value) == (Reason.VALUE, "tb0")


def test_unknown_keys_are_passed_over() -> None:
    """Of any kind, as long as they are well-formed."""
    pairs = [
        ("DeviceID", "tb0"),
        (3, [1]),
        (b"x", None),
        ("y", {"z": [b"q"]}),
        ("Timestamp", STAMP),
        ("Cols", [1]),
    ]
    assert decode(packed_map(pairs)).cols == [1]
    extra = {"x": {"y": [None]}, **json.loads(encode_json(RECORD))}
    assert decode(json.dumps(extra).encode()) == RECORD


def test_reasons_have_an_order() -> None:
    """Shape before device before timestamp before values."""
    assert refusal(packed(None, None, []))[0] == Reason.SHAPE
    assert refusal(packed(None, None, [b"x"]))[0] == Reason.DEVICE
    assert refusal(packed("tb0", None, [b"x"]))[0] == Reason.TIMESTAMP
