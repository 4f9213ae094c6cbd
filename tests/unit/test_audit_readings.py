"""Values as rows: by the product's own readers, for the default mapping and for a user's."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.record_values import texts

from taosbatch.encoding import Layout, Reason
from taosbatch.rows import Row, RowError
from taosink.audit.readings import Readings, Shape
from taosink.records.encoder import RecordEncoder
from taosink.records.record import Record, encode_json, encode_msgpack
from taosink.simulator.poison import NAMES, broken

LAYOUT = Layout("db", "stb")
MIXED: Sequence[object] = [1.5, 2, True, "abcdefgh"]


@pytest.mark.parametrize("encode", [encode_msgpack, encode_json])
def test_a_record_becomes_a_reading(encode: object) -> None:
    """Table with its database in backticks, the time floored, what flooring dropped, and the cells."""
    readings = Readings(LAYOUT)
    found = readings.decode(encode(Record("d'1", 1_700_000_000_123_456_789, [1, None, "ü"])))  # type: ignore[operator]
    assert found == ("`db`.`d'1`", 1_700_000_000_123, 456_789, 0, [1, None, "ü"])
    assert readings.shapes == [Shape("db", "stb", "ts", ("col0", "col1", "col2"))]


def test_times_before_1970_and_beyond_nanoseconds() -> None:
    """Floored towards the past; times that only coarser precisions hold are read too."""
    readings = Readings(LAYOUT)
    assert readings.decode(encode_msgpack(Record("d", -1, [1])))[1:3] == (-1, 999_999)
    far = readings.decode(encode_msgpack(Record("d", 32_000_000_000 * 10**9 + 5, [1])))
    assert far[1:3] == (32_000_000_000_000, 5)


def test_names_fold_as_the_consumers_fold_them() -> None:
    """Two devices that fold to one table are one table."""
    readings = Readings(Layout("db", "STB", names_case="lower"))
    assert {readings.decode(encode_msgpack(Record(d, 0, [1]))).table for d in ("A", "a")} == {"`db`.`a`"}
    assert readings.shapes[0].supertable == "stb"


def _verdicts(values: Sequence[bytes], layout: Layout) -> list[Reason | None]:
    refused = {r.index: r.reason for r in RecordEncoder().encode(values, layout, ()).rejects}
    return [refused.get(n) for n in range(len(values))]


def _reason(readings: Readings, value: bytes) -> Reason | None:
    try:
        readings.decode(value)
    except RowError as error:
        return error.reason
    return None


def test_broken_records_are_refused_as_the_consumer_refuses_them() -> None:
    """Every kind of broken record has the same verdict here and there."""
    values = [broken(kind, "d1", 1_700_000_000 * 10**9, MIXED) for kind in range(len(NAMES))]  # type: ignore[arg-type]
    readings = Readings(LAYOUT)
    assert [_reason(readings, value) for value in values] == _verdicts(values, LAYOUT)


@given(
    st.binary(max_size=60)
    | st.builds(lambda d, t: encode_msgpack(Record(d, t, [1])), texts, st.integers(-(2**62), 2**62))
)
def test_any_value_has_the_same_verdict(value: bytes) -> None:
    """What the consumer stores has a reading, what it dead-letters has none."""
    assert _reason(Readings(LAYOUT), value) == _verdicts([value], LAYOUT)[0]


@pytest.mark.parametrize("encode", [encode_msgpack, encode_json])
def test_integers_beyond_bigint_may_have_been_stored(encode: object) -> None:
    """A BIGINT UNSIGNED takes them, and no column those beyond."""
    value = encode(Record("d1", 0, [2**64 - 1]))  # type: ignore[operator]
    assert Readings(LAYOUT).decode(value).cells == [2**64 - 1]
    with pytest.raises(RowError):
        Readings(LAYOUT).decode(encode_json(Record("d1", 0, [2**64])))


def test_a_route_is_used_as_the_consumers_use_it() -> None:
    """Its tables, columns and databases; what it raises costs one record."""

    def route(value: bytes) -> Row:
        if value == b"bad":
            raise KeyError("no such field")
        return Row(
            table=f"T{value.decode()}",
            timestamp_ns=5_000_001,
            columns=["a"],
            values=[1],
            database="other",
            supertable="meters",
            time_column="at",
        )

    readings = Readings(LAYOUT, route)
    assert readings.decode(b"1") == ("`other`.`T1`", 5, 1, 0, [1])
    assert readings.shapes == [Shape("other", "meters", "at", ("a",))]
    with pytest.raises(RowError, match="the route failed: KeyError"):
        readings.decode(b"bad")
    with pytest.raises(RowError, match="must not contain"):
        readings.decode(b".")
