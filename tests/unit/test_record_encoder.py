"""The record encoder, case by case: names, times, limits and order."""

from collections.abc import Callable

import pytest
from support.record_values import packed, packed_map, stamp32, stamp64, stamp96, written
from support.sql_parser import parse_insert

from taosbatch.encoding import Encoded, Encoder, Layout, Reason, Stable
from taosink.records.encoder import RecordEncoder
from taosink.records.fast import reader

LAYOUT = Layout("db", "stb")
START = 1_700_000_000
TIME = "2023-11-14T22:13:20.5Z"


def encode(values: list[bytes], layout: Layout = LAYOUT, known: tuple[str, ...] = ()) -> Encoded:
    """By both readers, which must agree."""
    encoder: Encoder = RecordEncoder()
    quick, careful = (
        encoder.encode(values, layout, known),
        RecordEncoder(careful=True).encode(values, layout, known),
    )
    assert [s.sql for s in quick.statements] == [s.sql for s in careful.statements]
    assert quick.rejects == careful.rejects
    return quick


def reasons(*values: bytes, layout: Layout = LAYOUT) -> list[Reason]:
    return [reject.reason for reject in encode(list(values), layout).rejects]


def test_the_text_of_a_statement() -> None:
    """USING for the new table alone, the column list always, names in backticks with the database."""
    values = [
        packed("tb0", stamp64(START, 500_999_999), [1.5, 7, True, 'say "x", it\'s']),
        written("tb1", TIME, [1e-5, None, False, "x"]),
        packed("tb0", stamp32(START + 1), [1e16, -7, False, ""]),
    ]
    (found,) = encode(values, known=("tb1",)).statements
    columns = b"(`ts`,`col0`,`col1`,`col2`,`col3`) VALUES "
    assert found.sql == (
        b"INSERT INTO `db`.`tb0` USING `db`.`stb` (`device`) TAGS ('tb0') "
        + columns
        + b"(1700000000500,1.5,7,true,'say \"x\", it\\'s')(1700000001000,1e16,-7,false,'') `db`.`tb1` "
        + columns
        + b"(1700000000500,0.00001,null,false,'x')"
    )
    assert sorted(found.rows) == [0, 1, 2]


def test_names_are_bare_without_a_database() -> None:
    """The connection's database is meant, and two bytes of the name are lost to the quotes."""
    longest = "x" * 190
    encoded = encode(
        [packed(longest, stamp32(1), [1]), packed(longest + "x", stamp32(1), [1])], Layout("", "stb")
    )
    assert encoded.statements[0].sql.startswith(b"INSERT INTO `xxx")
    assert [(r.index, r.reason) for r in encoded.rejects] == [(1, Reason.DEVICE)]


@pytest.mark.parametrize("device", ["", "a.b", "a`b", "x" * 193, "é" * 97, "a\0b"])
def test_devices_that_name_no_table(device: str) -> None:
    """The record is refused as a bad device; its neighbours are written."""
    encoded = encode(
        [packed("tb0", stamp32(1), [1]), packed(device, stamp32(1), [1]), packed("tb1", stamp32(1), [1])]
    )
    assert [(r.index, r.reason, r.device) for r in encoded.rejects] == [(1, Reason.DEVICE, device)]
    assert encoded.statements[0].tables == ("tb0", "tb1")


@pytest.mark.parametrize("device", ["'); drop table x; --", '"', "a;b", "漢🚀", "a b", "\\", "x" * 192])
def test_devices_that_look_odd_but_name_a_table(device: str) -> None:
    """The name and the tag come out as they went in."""
    (found,) = encode([packed(device, stamp32(1), [1])]).statements
    (clause,) = parse_insert(found.sql)
    assert (clause.table, clause.tags) == (device, (device,))


def test_lower_case_joins_devices_that_differ_in_case() -> None:
    """The server would fold both names to one table; the tag keeps the first one's case."""
    values = [packed(name, stamp32(START), [1, None]) for name in ("TB0", "tb0", "Éa")]
    encoded = encode(values, Layout("Db", "STB", names_case="lower"))
    assert encoded.statements[0].sql.startswith(
        b"INSERT INTO `Db`.`tb0` USING `Db`.`stb` (`device`) TAGS ('TB0')"
    )
    assert [s.tables for s in encoded.statements] == [("tb0", "Éa"), ("tb0",)]


@pytest.mark.parametrize(
    "text", ["'", "it's", '"', "\\", "\n", "\t", "\x01", "\\'", "';", "''", "%_x", "1e-310", "é'"]
)
@pytest.mark.parametrize(
    "make", [lambda cols: packed("a", stamp32(1), cols), lambda cols: written("a", TIME, cols)]
)
def test_no_text_becomes_sql(text: str, make: Callable[[list[object]], bytes]) -> None:
    """Each character that means something to a parser comes out as it went in, alone and beside others."""
    cols = [text, 1, f"a{text}b", text + text]
    (found,) = encode([make(cols)]).statements
    assert parse_insert(found.sql)[0].rows[0][1:] == tuple(cols)


@pytest.mark.parametrize(
    "make", [lambda cols: packed("a", stamp32(1), cols), lambda cols: written("a", TIME, cols)]
)
@pytest.mark.parametrize("cell", [5e-324, -5e-324, 2e-308, "a\0b"])
def test_what_only_the_text_shows_is_refused(cell: object, make: Callable[[list[object]], bytes]) -> None:
    """The quick reader takes these; the row's text gives them away."""
    assert reasons(make([1, cell])) == [Reason.VALUE]


@pytest.mark.parametrize(
    ("precision", "at"), [("ms", -1), ("us", -1), ("ns", -1), ("ms", 1), ("us", 1), ("ns", 1)]
)
def test_time_is_floored(precision: str, at: int) -> None:
    """To the database's unit, on both sides of 1970."""
    layout = Layout("db", "stb", precision=precision)  # type: ignore[arg-type]  # one of the three
    unit = {"ms": 10**6, "us": 10**3, "ns": 1}[precision]
    ns = at * unit + unit - 1
    (found,) = encode([packed("a", stamp96(*divmod(ns, 10**9)), [1])], layout).statements
    assert parse_insert(found.sql)[0].rows[0][0] == at


@pytest.mark.parametrize("seconds", [2**32, 2**33, 2**34 - 1])
def test_the_64_bit_form_beyond_2106(seconds: int) -> None:
    """The seconds' two highest bits count, and nanoseconds that do not fit 64 bits are refused."""
    value = packed("a", stamp64(seconds, 999_999_999), [1])
    (found,) = encode([value]).statements
    assert parse_insert(found.sql)[0].rows[0][0] == seconds * 1000 + 999
    too_far = seconds * 10**9 + 999_999_999 >= 2**63
    assert reasons(value, layout=Layout("db", "stb", precision="ns")) == [Reason.TIMESTAMP] * too_far


@pytest.mark.parametrize("seconds", [2**63 - 1, -(2**63), 2**54])
def test_times_beyond_64_bits(seconds: int) -> None:
    """A time that the column cannot hold is refused with its device."""
    (reject,) = encode([packed("a", stamp96(seconds), [1])]).rejects
    assert (reject.reason, reject.device) == (Reason.TIMESTAMP, "a")


def test_an_unknown_key_is_read_with_care() -> None:
    """More keys than three: none twice, all well-formed, or the record is malformed."""
    pairs = [("DeviceID", "a"), ("Timestamp", stamp32(1)), ("Cols", [1]), ("x", "abc")]
    good = packed_map(pairs)
    assert (
        reasons(good, good.replace(b"abc", b"\xed\xa0\x80"), packed_map([*pairs[:3], ("Cols", [2])]))
        == [Reason.MALFORMED] * 2
    )


@pytest.mark.parametrize("extra", [b'"Cols":[1],', b'"Cols" :[1],', b'"x":1,"x":2,', b'"C\\u006fls":[1],'])
def test_a_key_twice_in_json_is_found(extra: bytes) -> None:
    """However it is written."""
    value = written("a", TIME, [1])
    assert reasons(value, b"{" + extra + value[1:]) == [Reason.MALFORMED]


def test_an_escaped_colon_hides_no_key() -> None:
    """Colons are counted to find a key twice: one that is escaped must not make up for it."""
    value = b'{"Cols":[1],"DeviceID":"a","Timestamp":"2023-11-14T22:13\\u003a20Z","Cols":[1]}'
    assert reasons(value) == [Reason.MALFORMED]


@pytest.mark.parametrize("value", [packed("a", stamp32(1), []), written("a", TIME, [])])
def test_a_record_without_values_has_a_bad_shape(value: bytes) -> None:
    """In either form."""
    assert reasons(value) == [Reason.SHAPE]


def test_the_quick_reader_does_read_ordinary_values() -> None:
    """It is no pretence: the three timestamp forms and plain JSON do not fall to the careful one."""
    for stamp in (stamp32(START), stamp64(START, 5), stamp96(-5)):
        assert reader("auto", "ms")(packed("a", stamp, [1, "x"])) is not None
    assert reader("auto", "ms")(written("a", TIME, [1, "x"])) == ("a", START * 1000 + 500, [1, "x"])
    assert reader("json", "ms")(packed("a", stamp32(1), [1])) is None
    assert reader("msgpack", "ms")(written("a", TIME, [1])) is None
    assert reader("auto", "ms")(b"") is None


def test_a_row_alone_over_the_limit_is_too_large() -> None:
    """Measured in UTF-8 with its USING; its neighbours are written."""
    layout = Layout("db", "stb", max_statement_bytes=200)
    long = packed("tb0", stamp32(2), ["é" * 60])
    encoded = encode([packed("tb0", stamp32(1), ["x"]), long, packed("tb1", stamp32(1), ["x"])], layout)
    assert [(r.index, r.reason, r.device) for r in encoded.rejects] == [(1, Reason.TOO_LARGE, "tb0")]
    assert sorted(i for s in encoded.statements for i in s.rows) == [0, 2]
    (without_using,) = encode([long], layout, known=("tb0",)).statements
    assert len(without_using.sql) <= 200


def test_a_two_megabyte_text_costs_one_record() -> None:
    """At the real limit too."""
    encoded = encode([packed("a", stamp32(1), ["x" * 2_000_000]), packed("a", stamp32(2), [1])])
    assert [r.reason for r in encoded.rejects] == [Reason.TOO_LARGE]
    assert [s.rows.tolist() for s in encoded.statements] == [[1]]


def test_rejects_come_in_order_and_every_index_ends_once() -> None:
    """Of a mixed batch."""
    layout = Layout("db", "stb", max_statement_bytes=150)
    values = [
        b"",
        packed("a", stamp32(1), ["x" * 200]),
        packed("a", stamp32(1), [b"x"]),
        packed("a", stamp32(1), [1]),
    ]
    encoded = encode(values, layout)
    assert [(r.index, r.reason) for r in encoded.rejects] == [
        (0, Reason.MALFORMED),
        (1, Reason.TOO_LARGE),
        (2, Reason.VALUE),
    ]
    assert encoded.statements[0].rows.tolist() == [3]


def test_an_empty_batch_is_nothing() -> None:
    """No values, no statements, no rejects."""
    assert encode([]) == Encoded([], [])


def test_equal_timestamps_with_a_null_are_divided() -> None:
    """The later reading's NULL must overwrite, so it goes into a later statement; another device stays."""
    values = [
        packed("a", stamp32(1), [1, 1]),
        packed("b", stamp32(1), [1, 1]),
        packed("a", stamp64(1, 999_999), [None, 2]),
        packed("a", stamp64(1, 1_000_000), [3, None]),
    ]
    assert [sorted(s.rows) for s in encode(values).statements] == [[0, 1], [2, 3]]
    finer = Layout("db", "stb", precision="ns")
    assert len(encode(values, finer).statements) == 1


def test_a_layout_that_names_nothing_is_a_defect_of_its_maker() -> None:
    """Names that no record brought are not blamed on records."""
    with pytest.raises(ValueError, match="supertable"):
        RecordEncoder().encode([], Layout("db", "a.b"), ())
    with pytest.raises(ValueError, match="database"):
        RecordEncoder().encode([], Layout("a`b", "stb"), ())


def test_infer_gives_the_table_that_records_need() -> None:
    """From good records alone, folded as they will be written."""
    values = [
        packed("a" * 40, stamp32(1), [1, "x", None]),
        written("b", TIME, [None, "y" * 40, True, 1]),
        packed("c.d", stamp32(1), ["not", 1, 2, 3, 4]),
        b"garbage",
    ]
    assert RecordEncoder().infer(values, Layout("db", "STB", names_case="lower")) == [
        Stable(
            "db",
            "stb",
            (
                ("ts", "TIMESTAMP"),
                ("col0", "DOUBLE"),
                ("col1", "VARCHAR(128)"),
                ("col2", "BOOL"),
                ("col3", "DOUBLE"),
            ),
            (("device", "VARCHAR(128)"),),
        )
    ]
    assert RecordEncoder().infer([b""], LAYOUT) == []


def test_state_is_readable() -> None:
    """The repr says which reader it is."""
    assert repr(RecordEncoder(careful=True)) == "RecordEncoder(careful=True)"
