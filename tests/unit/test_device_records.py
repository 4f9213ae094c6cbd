"""Records: what a gateway writes is what the consumer reads, and nothing is written that it would refuse."""

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosdevice.framing import Framing
from taosdevice.messages import to_json, to_msgpack
from taosdevice.protocol import ProtocolError
from taosdevice.readings import reading
from taosdevice.records import record_of, records_of
from taosdevice.times import format_rfc3339, pack_extension, pack_time, parse_rfc3339
from taosink.records.fast import reader
from taosink.records.record import RecordError, decode

JSON, PACKED = Framing.JSON_LINES, Framing.MSGPACK
ENCODE = {JSON: to_json, PACKED: to_msgpack}
TIMES = st.integers(-62_135_596_800, 253_402_300_799).flatmap(
    lambda s: st.integers(0, 999_999_999).map(lambda n: s * 10**9 + n)
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=1),
)
GOOD = {"Timestamp": "2026-01-02T03:04:05Z", "Cols": [1]}
TIME = msgspec.msgpack.Ext(-1, bytes(4))


@given(
    st.sampled_from(Framing),
    TIMES,
    st.lists(CELLS, min_size=1, max_size=4),
    st.sampled_from(["d", "é:\\", "a:b"]),
)
def test_the_consumer_reads_what_is_written_and_would_refuse_what_is_not(
    framing: Framing, at: int, cols: list[Any], device: str
) -> None:
    """Both agree on every record, on its nanoseconds, and on its values."""
    stamp = format_rfc3339(at) if framing is JSON else msgspec.msgpack.Ext(-1, pack_extension(at))
    try:
        raw = ENCODE[framing]({"Timestamp": stamp, "Cols": cols})
        whole = ENCODE[framing]({"Timestamp": stamp, "Cols": cols, "DeviceID": device})
    except ValueError:  # NaN in JSON
        return
    if framing is JSON:
        cols = [
            json.loads(json.dumps(cell)) if not isinstance(cell, bytes) else to_json(cell)[1:-1].decode()
            for cell in cols
        ]
    for data in (raw, whole):
        (found,) = records_of(framing, device, data)
        try:
            expected = decode(whole, unsigned=True)
        except RecordError:
            assert isinstance(found, ProtocolError)
            assert found.code == "record_rejected"
        else:
            assert isinstance(found, bytes), found
            record = decode(found, "msgpack", unsigned=True)
            assert (
                (record.device, record.timestamp_ns, list(record.cols))
                == (device, at, cols)
                == (
                    expected.device,
                    expected.timestamp_ns,
                    cols,
                )
            )


def test_ordinary_records_are_of_the_form_that_the_consumers_quick_reader_takes() -> None:
    """Else each would cost the consumer twenty times as much."""
    read = reader("msgpack", "ns")
    for framing in Framing:
        raw = ENCODE[framing](reading(framing, 1_700_000_000_123_456_789, [1.5, 2, "x", None, True]))
        assert read(record_of(framing, "dev", raw)) == (
            "dev",
            1_700_000_000_123_456_789,
            [1.5, 2, "x", None, True],
        )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"Cols": [1]}, "Timestamp is missing"),
        ({"Timestamp": TIME}, "Cols is missing"),
        ({"Timestamp": TIME, "Cols": []}, "empty"),
        ({"Timestamp": TIME, "Cols": 1}, "no list"),
        ({"Timestamp": TIME, "Cols": [1, {"a": 1}]}, "Cols[1] is of type dict"),
        ({"Timestamp": TIME, "Cols": ["a\0"]}, "NUL"),
        ({"Timestamp": TIME, "Cols": [5e-324]}, "subnormal"),
        ({"Timestamp": TIME, "Cols": [1], "ts": 1}, "'ts' is no part"),
        ({"Timestamp": "yesterday", "Cols": [1]}, "Timestamp"),
        ({"Timestamp": 1_700_000_000, "Cols": [1]}, "Timestamp is no time"),
        ({"Timestamp": None, "Cols": [1]}, "Timestamp is no time"),
    ],
)
def test_a_reading_that_is_none_says_why(fields: dict[str, Any], said: str) -> None:
    """In both framings, and it costs its neighbours nothing."""
    for framing in Framing:
        good = dict(GOOD, Timestamp=TIME if framing is PACKED else GOOD["Timestamp"])
        bad = dict(fields)
        if framing is JSON and bad.get("Timestamp") is TIME:
            bad["Timestamp"] = GOOD["Timestamp"]
        before, found, after = records_of(framing, "d", ENCODE[framing]([good, bad, good]))
        assert isinstance(found, ProtocolError)
        assert (found.code, said in found.text) == ("record_rejected", True), found.text
        assert before == after
        assert isinstance(before, bytes)


@pytest.mark.parametrize(
    ("framing", "raw"),
    [
        (PACKED, b"\x82\xa9Timestamp\xd7\xff" + (10**9 << 34).to_bytes(8, "big") + b"\xa4Cols\x91\x01"),
        (PACKED, b"\x83\xa9Timestamp\xd6\xff\0\0\0\0\xa4Cols\x91\x01\xa4Cols\x91\x02"),
        (PACKED, b"\x83\xa9Timestamp\xd6\xff\0\0\0\0\xa4Cols\x91\x01\xa8DeviceID\x01"),
        (PACKED, b"\x82\xa9Timestamp\xd6\xff\0\0\0\0\xa4Cols\x91\xcb\x7f\xf8" + bytes(6)),
        (JSON, b'{"Timestamp":"2026-01-02T03:04:05Z","Cols":[1],"Cols":[2]}'),
        (JSON, b'{"Timestamp":"2026-01-02T03:04:05Z","Cols":[1],"\\u0043ols":[2]}'),
        (JSON, b'{"Timestamp":"2026-01-02T03:04:05Z","Cols":[1e999]}'),
        (JSON, b'{"Timestamp":"2026-01-02T03:04:05Z","Cols":["\xff"]}'),
        (JSON, b'{"Timestamp":"2026-13-02T03:04:05Z","Cols":[1]}'),
        (JSON, b'{"Timestamp":"20260102T030405Z","Cols":[1]}'),
    ],
)
def test_broken_forms_are_refused(framing: Framing, raw: bytes) -> None:
    """Keys twice, nanoseconds beyond a second, no numbers, no text, no times."""
    (found,) = records_of(framing, "d", raw)
    assert isinstance(found, ProtocolError)


def test_forms_that_are_right_but_unusual_pass() -> None:
    """A long map head, a time in an odd extension head, an escaped text: the careful way writes them anew."""
    odd = b"\xde\x00\x02\xa9Timestamp\xc7\x04\xff\0\0\0\x07\xa4Cols\x91\xcf" + b"\xff" * 8
    assert decode(record_of(PACKED, "d", odd), unsigned=True).cols == [2**64 - 1]
    assert decode(record_of(PACKED, "d", odd), unsigned=True).timestamp_ns == 7 * 10**9
    text = b'{"Cols":["a:\\u0062"],"Timestamp":"2026-01-02t03:04:05.5+01:00"}'
    assert list(decode(record_of(JSON, "d", text)).cols) == ["a:b"]


def test_another_devices_reading_is_refused() -> None:
    """Its own id may stand in it, another's may not."""
    for framing in Framing:
        raw = ENCODE[framing](reading(framing, 0, [1]) | {"DeviceID": "other"})
        with pytest.raises(ProtocolError) as caught:
            record_of(framing, "mine", raw)
        assert caught.value.code == "wrong_device"
        assert record_of(framing, "other", raw)


def test_a_record_beyond_the_limit_and_a_batch_that_is_none_are_refused() -> None:
    """One costs a record, the other the request."""
    raw = to_json(reading(JSON, 0, ["x" * 100]))
    (found,) = records_of(JSON, "d", raw, max_record=100)
    assert isinstance(found, ProtocolError)
    assert "at most 100" in found.text
    for framing, data in ((JSON, b"7"), (PACKED, b"\x7b"), (JSON, b'"{}"')):
        with pytest.raises(ProtocolError):
            records_of(framing, "d", data)
    with pytest.raises(ProtocolError):
        record_of(JSON, "d", b"[]")


@given(st.sampled_from(Framing), st.binary(min_size=1, max_size=60))
def test_no_bytes_raise_anything_else(framing: Framing, data: bytes) -> None:
    """Whatever stands in data."""
    code = "bad_message"
    try:
        for found in records_of(framing, "d", data):
            assert isinstance(found, (bytes, ProtocolError))
    except ProtocolError as error:
        code = error.code
    assert code == "bad_message"


@given(TIMES)
def test_times_are_written_and_read_as_the_consumer_does(at: int) -> None:
    """Text and extension, to the nanosecond."""
    assert parse_rfc3339(format_rfc3339(at)) == at
    assert msgpack.unpackb(pack_time(at), timestamp=0) == msgpack.Timestamp(*divmod(at, 10**9))
