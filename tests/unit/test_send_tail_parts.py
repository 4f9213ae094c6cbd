"""What `taosink send` and `taosink tail` decide and show, without a broker."""

import io
import json
from collections.abc import Sequence
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taosbatch.fnv import partition
from taosink.config import load
from taosink.messages.missing import no_such_topic
from taosink.messages.outgoing import MessageError, choose, outgoing, whole_lines
from taosink.messages.readable import label, printable, readable
from taosink.messages.shown import MOST_SHOWN, Found, as_json, as_lines
from taosink.messages.starts import From, parse_from, starts
from taosink.records.record import Record, decode, encode_msgpack
from taosink.settings.problems import SettingsError
from taosink.settings.send import SendSettings
from taosink_cli.tail import named

RECORD = Record("pump-1", 1_735_689_600_123_456_789, [1, 2.5, None, "x"])


def found(value: bytes | None, **more: Any) -> Found:
    return Found("t", 0, 7, 1_735_689_600_123, **{"key": None, "value": value, **more})


@pytest.mark.parametrize(
    ("raw", "form", "value"),
    [
        (None, "null", None),
        (b"", "text", ""),
        (b'{"a": [1, null]}', "json", {"a": [1, None]}),
        (b' [1]\n', "json", [1]),
        (b'{"a": NaN}', "text", '{"a": NaN}'),
        (b"[1e400]", "json", ["inf"]),
        (b"{not json", "text", "{not json"),
        (b'"alone"', "text", '"alone"'),
        (b"plain \xc3\xa9", "text", "plain é"),
        (b"\x00\x01\x02\x03", "bytes", "0x00010203"),
        (b"\xff\xfe", "bytes", "0xfffe"),
        (msgpack.packb({"b": b"\x00\xff", 3: (1,)}), "msgpack", {"b": "0x00ff", "3": [1]}),
        (msgpack.packb([float("nan")]), "msgpack", ["nan"]),
        (msgpack.packb([msgpack.ExtType(5, b"\x01")]), "msgpack", ["ext(5, 0x01)"]),
        (msgpack.packb([msgpack.Timestamp(1, 5)]), "msgpack", ["1970-01-01T00:00:01.000000005Z"]),
        (msgpack.packb([msgpack.Timestamp(2**40, 0)]), "msgpack", [f"{2**40 * 10**9} ns"]),
        (b"\x81\xa1\xffa", "msgpack", {"\\xff": 97}),
        (b"\x81\x91\x01\x02", "msgpack", {"[1]": 2}),
        (b"\x91" * 5000 + b"\x01", "bytes", "0x" + "91" * 5000 + "01"),
        (b"[" * 100_000, "text", "[" * 100_000),
    ],
)  # fmt: skip
def test_any_value_can_be_read(raw: bytes | None, form: str, value: Any) -> None:
    """As what it is, or as its bytes."""
    shown = readable(raw)
    assert (shown.form, shown.value) == (form, value)


def test_a_record_is_readable_in_both_forms() -> None:
    """Its time is written out to the nanosecond."""
    shown = readable(encode_msgpack(RECORD))
    assert shown.value == {
        "DeviceID": "pump-1",
        "Timestamp": "2025-01-01T00:00:00.123456789Z",
        "Cols": [1, 2.5, None, "x"],
    }


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda t: json.dumps({"v": t}).encode()))
def test_no_message_commands_the_terminal_or_breaks_a_line(raw: bytes) -> None:
    """Whatever stands in its value, key and headers, in both forms."""
    message = found(raw, key=raw, headers=[("h\x1b[2J", raw), ("n", None)])
    lines = list(as_lines(message))
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    told = as_json(message)
    assert told.isascii()
    assert told.isprintable()
    assert json.loads(told)["bytes"] == len(raw)


def test_what_turns_a_terminal_is_escaped() -> None:
    """Escape sequences, and marks that write a line backwards."""
    assert printable("a\x1b[2J\u202eb\x9b\ud800") == "a\\x1b[2J\\u202eb\\x9b\\ud800"


def test_a_message_is_one_line_and_one_for_each_header() -> None:
    """Place, time, key and value."""
    message = found(
        encode_msgpack(RECORD), key=b"pump-1", headers=[("taosink.reply.uid", b"7"), ("b", b"\xff")]
    )
    assert list(as_lines(message)) == [
        "0:7  2025-01-01T00:00:00.123Z  pump-1  "
        '{"DeviceID": "pump-1", "Timestamp": "2025-01-01T00:00:00.123456789Z", "Cols": [1, 2.5, null, "x"]}',
        "    taosink.reply.uid: 7",
        "    b: 0xff",
    ]
    bare = Found("t", 3, 0, None, None, None)
    assert list(as_lines(bare)) == ["3:0  (no time)  (no key)  (null)"]


def test_long_values_are_cut_for_people_alone() -> None:
    """And it is said that they are."""
    message = found(b"x" * (MOST_SHOWN + 1))
    (line,) = as_lines(message)
    assert line.endswith(f"... ({MOST_SHOWN + 1} characters; --json shows all)")
    assert json.loads(as_json(message))["value"] == "x" * (MOST_SHOWN + 1)


def test_json_tells_all_of_a_message() -> None:
    """One object, whose keys do not change."""
    assert json.loads(as_json(found(b"v", key=b"\xff", headers=[("a", b"1"), ("a", None)]))) == {
        "topic": "t",
        "partition": 0,
        "offset": 7,
        "timestamp": "2025-01-01T00:00:00.123Z",
        "key": "0xff",
        "headers": [["a", "1"], ["a", None]],
        "form": "text",
        "bytes": 1,
        "value": "v",
    }
    assert label(None) is None


EXTENT = {0: (10, 100), 1: (0, 3)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("earliest", {0: 10, 1: 0}),
        ("Latest", {0: 100, 1: 3}),
        ("50", {0: 50, 1: 3}),
        ("0", {0: 10, 1: 0}),
        ("-5", {0: 95, 1: 0}),
        ("-0", {0: 100, 1: 3}),
        ("2025-01-01T00:00:00Z", {0: 42, 1: 3}),
    ],
)
def test_the_beginning_stays_inside_of_what_there_is(text: str, expected: dict[int, int]) -> None:
    """In each partition for itself."""
    begin = parse_from(text)
    assert isinstance(begin, From)
    assert starts(begin, EXTENT, {0: 42, 1: 3}) == expected


@pytest.mark.parametrize("text", ["", "now", "1.5", "--1", "2025-01-01T00:00:00", "９", "1" * 30])
def test_what_is_no_beginning_is_refused(text: str) -> None:
    """With the forms that there are."""
    with pytest.raises(ValueError, match="write earliest, latest"):
        parse_from(text)


def test_the_nearest_topic_is_named() -> None:
    """But none of Kafka's own."""
    topics = ["readings", "other", "__consumer_offsets"]
    assert no_such_topic("raedings", topics) == "there is no topic 'raedings'; the nearest is 'readings'"
    assert no_such_topic("bogus", topics) == "there is no topic 'bogus'"
    assert no_such_topic("x", ["__x"]) == "there is no topic 'x', nor any other"


def test_the_topic_may_stand_without_its_flag() -> None:
    """`tail readings --follow`."""
    assert named(["readings", "--follow"]) == ["--topic", "readings", "--follow"]
    assert named(["--follow"]) == ["--follow"]
    assert named([]) == []


def test_the_key_chooses_the_partition_as_everywhere() -> None:
    """FNV-1a; without a key, or at random, by chance; by hand, as said."""
    assert choose("hash", b"pump-1", 10, -1) == partition("pump-1", 10)
    assert choose("hash", None, 10, -1, draw=lambda n: n - 1) == 9
    assert choose("random", b"pump-1", 10, -1, draw=lambda n: n - 2) == 8
    assert choose("manual", b"pump-1", 10, 3) == 3
    with pytest.raises(MessageError, match="has partitions 0 to 9, and none with number 10"):
        choose("manual", None, 10, 10)


def test_a_record_in_json_is_sent_as_the_consumer_reads_it() -> None:
    """In MessagePack and with its device as key, unless another is given."""
    raw = b'{"DeviceID":"pump-1","Timestamp":"2025-01-01T00:00:00.123456789Z","Cols":[1,2.5,null,"x"]}'
    message = outgoing(raw, "", json_record=True)
    assert decode(message.value, "msgpack") == RECORD
    assert message.key == b"pump-1"
    assert outgoing(raw, "k", json_record=True).key == b"k"
    assert outgoing(raw, "", json_record=False).value == raw
    assert outgoing(raw, "", json_record=False).key is None
    for wrong in (b"{}", b"x", b'{"DeviceID":"d","Timestamp":"x","Cols":[1]}'):
        with pytest.raises(MessageError, match="is no record"):
            outgoing(wrong, "", json_record=True)


def test_lines_are_messages() -> None:
    """Without their ends, empty ones passed over, and the last without an end."""
    assert list(whole_lines(io.BytesIO(b"a\n\n b \r\n\xff\x00\nlast"))) == [
        b"a",
        b" b ",
        b"\xff\x00",
        b"last",
    ]


def problems(*flags: tuple[str, str]) -> Sequence[str]:
    with pytest.raises(SettingsError) as caught:
        load(SendSettings, [(f"send.{name}", value) for name, value in flags], environ={})
    return [p.setting for p in caught.value.problems]


def test_flags_that_contradict_each_other_are_refused() -> None:
    """Before anything is sent."""
    assert problems(("partitioner", "manual")) == ["send.partition"]
    assert problems(("partition", "3")) == ["send.partition"]
    assert problems(("whole", "true"), ("message", "x")) == ["send.whole"]
    assert problems(("flush-every", "30s")) == ["send.flush-every"]
    assert problems(("header", "no-equals")) == ["send.header"]
    flags = [("send.header", "a=1,2=3"), ("send.header", "a="), ("send.partitioner", "manual")]
    settings = load(SendSettings, [*flags, ("send.partition", "0")], environ={}).settings
    assert settings.message.headers == (("a", "1,2=3"), ("a", ""))
