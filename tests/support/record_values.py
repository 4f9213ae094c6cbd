"""Record values for tests: mild ones, hostile ones, and the bytes of both codecs by hand."""

import json
import struct
from collections.abc import Sequence

import msgpack  # type: ignore[import-untyped]  # it ships no type information
from hypothesis import strategies as st

START_S = 1_700_000_000


class Stamp:
    """A timestamp extension with any content and any head."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw


def stamp32(seconds: int) -> Stamp:
    return Stamp(b"\xd6\xff" + struct.pack(">I", seconds))


def stamp64(seconds: int, nanos: int = 0) -> Stamp:
    return Stamp(b"\xd7\xff" + struct.pack(">Q", nanos << 34 | seconds))


def stamp96(seconds: int, nanos: int = 0) -> Stamp:
    return Stamp(b"\xc7\x0c\xff" + struct.pack(">Iq", nanos, seconds))


def pack(item: object) -> bytes:
    """MessagePack, with `Stamp` written as it is, also inside a short list."""
    if isinstance(item, Stamp):
        return item.raw
    if isinstance(item, list) and any(isinstance(part, Stamp) for part in item):
        return bytes([0x90 | len(item)]) + b"".join(map(pack, item))
    return bytes(msgpack.packb(item, strict_types=True))


def packed_map(pairs: Sequence[tuple[object, object]]) -> bytes:
    """A MessagePack map with exactly these pairs, repeated keys and all."""
    head = bytes([0x80 | len(pairs)])
    return head + b"".join(pack(key) + pack(item) for key, item in pairs)


def packed(device: object, stamp: object, cols: object) -> bytes:
    """A record in MessagePack."""
    return packed_map([("DeviceID", device), ("Timestamp", stamp), ("Cols", cols)])


def written(device: object, stamp: object, cols: object) -> bytes:
    """A record in JSON."""
    return json.dumps({"DeviceID": device, "Timestamp": stamp, "Cols": cols}, separators=(",", ":")).encode()


NASTY = "'\"\\`;.,()[]{}:%_\n\r\t\x7f\x01 eé漢🚀-3nulTx"
texts = st.text(st.one_of(st.sampled_from(NASTY), st.characters(exclude_categories=["Cs"])), max_size=12)
floats = st.one_of(
    st.floats(),
    st.floats(-1e3, 1e3),
    st.sampled_from([5e-324, 2.2250738585072014e-308, 2e-308, 1e-30, 1e-5, 1.25e-5, 1e16, 1e17, -0.0, 1e-7]),
)
integers = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-9, 9),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), 2**64 - 1]),
)
cells = st.one_of(st.none(), st.booleans(), integers, floats, texts)
odd_cells = st.one_of(cells, st.binary(max_size=3), st.lists(integers, max_size=2), st.just({"a": 1}))
devices = st.one_of(
    st.sampled_from(["tb0", "tb1", "TB1", "tb2"]),
    texts,
    st.sampled_from(
        ["", "a.b", "a`b", "x" * 190, "x" * 191, "x" * 192, "x" * 193, "é" * 96, "a\0b", "'); drop"]
    ),
)
odd_devices = st.one_of(devices, st.none(), st.integers(0, 9), st.just(b"tb0"))
seconds = st.one_of(st.integers(START_S, START_S + 2), st.integers(0, 2**32 - 1))
nanos = st.sampled_from([0, 1, 999_999, 1_000_000, 1_000_001, 999_999_999])
stamps = st.one_of(
    st.builds(stamp32, seconds),
    st.builds(stamp64, st.one_of(seconds, st.integers(0, 2**34 - 1)), nanos),
    st.builds(stamp96, st.one_of(seconds, st.integers(-(2**40), 2**40)), nanos),
)
odd_stamps = st.one_of(
    stamps,
    st.builds(stamp64, seconds, st.just(1_000_000_000)),
    st.builds(stamp96, st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1)),
    st.builds(lambda raw: Stamp(b"\xc7" + bytes([len(raw)]) + b"\xff" + raw), st.binary(max_size=16)),
    st.just(Stamp(b"\xd6\x05abcd")),
    st.just(Stamp(b"\xd7\x05abcdefgh")),
    st.sampled_from([None, 1_700_000_000, "2023-11-14T22:13:20Z", "123456789", 1.5]),
)
# Few characters, so that each that means something to a parser stands alone as often as beside the others.
quoting = st.one_of(
    st.text("'\"\\\n\t;,()", min_size=1, max_size=3),
    st.sampled_from(["it's", "';", '"', "a'b\\", "\\'", "''", "%_x", "null", "e-3", "-", "1e-310", "漢🚀'"]),
    st.text("abc-3e", max_size=8),
)
good_cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    quoting,
    quoting,
)
good_cols = st.lists(good_cells, min_size=1, max_size=3)
good_devices = st.sampled_from(["tb0", "tb0", "tb1", "TB1", "it's", '"', "a\\", "漢🚀"])
mild_packed = st.builds(
    packed, good_devices, st.builds(stamp64, st.integers(START_S, START_S + 1), nanos), good_cols
)
mild_json = st.builds(
    written,
    good_devices,
    st.sampled_from(["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000001+00:00"]),
    good_cols,
)
odd_pairs = st.one_of(
    st.tuples(st.just("DeviceID"), odd_devices),
    st.tuples(st.just("Timestamp"), odd_stamps),
    st.tuples(st.just("Cols"), st.one_of(st.lists(odd_cells, max_size=3), odd_cells)),
    st.tuples(st.one_of(texts, st.integers(0, 3), st.just(b"Cols")), odd_cells),
)
odd_packed = st.one_of(
    st.builds(packed, odd_devices, odd_stamps, st.lists(odd_cells, max_size=4)),
    st.builds(packed_map, st.lists(odd_pairs, max_size=5)),
)
zones = st.sampled_from(["Z", "+08:00", "-00:30", "z", "+24:00", "", "+0800"])
json_times = st.one_of(
    st.builds(
        lambda t, f, z: f"{t:%Y-%m-%dT%H:%M:%S}{f}{z}",
        st.datetimes(),
        st.sampled_from(["", ".1", ".123456789", ".1234567899", ".000000001", ".", ","]),
        zones,
    ),
    texts,
)
json_cells = st.one_of(cells, st.integers(-(2**80), 2**80), st.just({"a": [1]}), st.just([1, ":"]))
odd_json = st.one_of(
    st.builds(
        written, odd_devices.filter(lambda d: d != b"tb0"), json_times, st.lists(json_cells, max_size=3)
    ),
    st.builds(
        lambda pairs: b"{" + b",".join(json.dumps(k).encode() + b":" + v for k, v in pairs) + b"}",
        st.lists(
            st.tuples(
                st.sampled_from(["DeviceID", "Timestamp", "Cols", "x"]),
                st.sampled_from(
                    [
                        b'"tb0"',
                        b'"2023-11-14T22:13:20Z"',
                        b"[1]",
                        b"[1e400]",
                        b'["\\ud800"]',
                        b"[NaN]",
                        b"[-0]",
                    ]
                ),
            ),
            max_size=4,
        ),
    ),
)
raw_values = st.one_of(
    st.binary(max_size=20),
    st.builds(lambda v, cut: v[:cut], st.one_of(mild_packed, odd_packed, odd_json), st.integers(0, 40)),
    st.builds(lambda v, tail: v + tail, mild_packed, st.binary(min_size=1, max_size=3)),
    st.builds(
        lambda v, at, byte: v[: at % len(v)] + bytes([byte]) + v[at % len(v) + 1 :],
        mild_packed,
        st.integers(0, 80),
        st.integers(0, 255),
    ),
)
mild_values = st.one_of(mild_packed, mild_packed, mild_json)
hostile_values = st.one_of(odd_packed, odd_json, raw_values)
# By way of flatmap: one_of would flatten its parts, and nearly every value would be a hostile one.
any_values = st.sampled_from([mild_values, mild_values, hostile_values]).flatmap(lambda values: values)
