"""Letters, receipts and foreign records; filters; and what a replay and a purge do with each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

import pytest
from support.letters import REJECT, Source

from taosink.dlq.filters import Filter
from taosink.dlq.letters import Found, Receipt, written_time
from taosink.dlq.purge_plan import prefix, replayed_before
from taosink.dlq.replay import CHUNK, Replay
from taosink.dlq.replay_plan import Hindrance, Rules, hindrance, replay_headers
from taosink.dlq.scan import Place
from taosink.dlq.stats import Stats
from taosink.dlq.view import letter_json, printable, readable
from taosink.kafka.dlq_headers import DeadLetterInfo, describe
from taosink.records.record import Record, encode_msgpack

INFO = describe(Source(), REJECT, consumer="c", time_ms=1_700_000_000_000)


def letter(offset: int = 0, *, info: DeadLetterInfo = INFO, value: bytes = b"v", partition: int = 0) -> Found:
    return Found(partition, offset, b"k", value, info.encode(), 0, info)


def receipt(of: int, offset: int) -> Found:
    told = Receipt(0, of, "topic", 5)
    return Found(0, offset, None, b"", told.headers(), 0, None, told)


def foreign(offset: int = 0) -> Found:
    return Found(0, offset, None, b"hello", (), 0)


def test_receipts_survive_the_wire() -> None:
    """Headers there and back; other headers are no receipt, and a letter is none either."""
    told = Receipt(3, 2**40, "database", 1_700_000_000_000)
    assert Receipt.decode(told.headers()) == told
    assert DeadLetterInfo.decode(told.headers()) is None
    for headers in (
        None,
        [],
        [("taosink.dlq.replayed", b"x:1")],
        [("taosink.dlq.replayed", None)],
        INFO.encode(),
    ):
        assert Receipt.decode(headers) is None


def test_kinds_are_told_apart() -> None:
    """By the headers alone."""
    source = Source(raw_headers=INFO.encode())
    assert [Found.of(source).kind, receipt(1, 2).kind, foreign().kind] == ["letter", "receipt", "foreign"]


@pytest.mark.parametrize(
    ("asked", "takes"),
    [
        (Filter(), True),
        (Filter(reasons=frozenset({"bad_value"})), True),
        (Filter(reasons=frozenset({"malformed"})), False),
        (Filter(classes=frozenset({"unstorable"}), codes=frozenset({0})), True),
        (Filter(codes=frozenset({0x2653})), False),
        (Filter(device="tb*"), True),
        (Filter(device="TB0"), False),
        (Filter(origin="test", since_ms=1_700_000_000_000), True),
        (Filter(origin="other"), False),
        (Filter(since_ms=1_700_000_000_001), False),
        (Filter(until_ms=1_700_000_000_000), False),
    ],
)
def test_filters(asked: Filter, takes: bool) -> None:
    """All that is asked must hold; foreign records pass only where nothing is asked, receipts never."""
    assert asked.takes(letter()) is takes
    assert asked.takes(foreign()) is (asked == Filter())
    assert not asked.takes(receipt(0, 1))


@pytest.mark.parametrize(
    ("found", "rules", "why"),
    [
        (letter(), Rules(), None),
        (foreign(), Rules(), Hindrance.FOREIGN),
        (letter(7), Rules(), Hindrance.REPLAYED),
        (letter(7), Rules(again=True), None),
        (letter(info=replace(INFO, cut="value")), Rules(again=True), Hindrance.CUT),
        (letter(info=replace(INFO, attempt=5)), Rules(), Hindrance.TRIED),
        (letter(info=replace(INFO, attempt=4)), Rules(), None),
        (letter(), Rules(origins={("test", 3)}), None),
        (letter(), Rules(origins={("test", 2)}), Hindrance.NO_ORIGIN),
    ],
)
def test_what_hinders_a_replay(found: Found, rules: Rules, why: Hindrance | None) -> None:
    """Foreign, replayed, cut, tried too often, without an origin."""
    assert hindrance(found, rules, {Place(0, 7)}) is why


def test_headers_of_a_replay() -> None:
    """The record's own, in order and repeated as they were; the count of attempts; no owed answer."""
    own = [("a", b"1"), ("taosink.reply.to", b"x"), ("a", None)]
    found = replay_headers([*own, *INFO.encode()], replace(INFO, attempt=3))
    assert found == [("a", b"1"), ("a", None), ("taosink.dlq.attempt", b"3")]
    again = describe(Source(raw_headers=found), REJECT, consumer="c", time_ms=0)
    assert again.attempt == 4


class Sink:
    """A target that refuses some, and what it got."""

    name = "topic"

    def __init__(self, refused: Mapping[int, str] | None = None) -> None:
        self.refused = refused or {}
        self.chunks: list[list[int]] = []
        self.receipts: list[int] = []

    def send(self, letters: Sequence[Found]) -> Mapping[int, str]:
        self.chunks.append([found.offset for found in letters])
        return self.refused

    def acknowledge(self, letters: Sequence[Found], to: str, time_ms: int) -> None:
        assert (to, time_ms) == ("topic", 5000)
        self.receipts += [found.offset for found in letters]


def test_a_replay_sends_in_order_and_notes_what_was_taken() -> None:
    """In chunks; a letter that the target refused has no receipt."""
    sink = Sink({1: "too large"})
    records = [letter(n) for n in range(CHUNK + 2)]
    outcome = Replay(Filter(), Rules(), ()).run(records, sink, sink.acknowledge, clock=lambda: 5.0)
    assert [len(chunk) for chunk in sink.chunks] == [CHUNK, 2]
    assert list(chain(*sink.chunks)) == list(range(CHUNK + 2))
    assert [place for place, _ in outcome.refused] == [Place(0, 1), Place(0, CHUNK + 1)]
    assert set(sink.receipts) == set(range(CHUNK + 2)) - {1, CHUNK + 1}
    assert (outcome.chosen, outcome.sent) == (CHUNK + 2, CHUNK)


def test_large_letters_go_in_small_chunks() -> None:
    """What is in flight is bounded in bytes."""
    sink = Sink()
    Replay(Filter(), Rules(), ()).run([letter(n, value=b"x" * (2 << 20)) for n in range(5)], sink)
    assert [len(chunk) for chunk in sink.chunks] == [2, 2, 1]


def test_a_dry_run_sends_nothing() -> None:
    """It counts what would go, what not and why, and what would be overwritten."""
    records = [letter(0), letter(1), foreign(2), letter(3, info=replace(INFO, cut="value"))]
    replay = Replay(Filter(), Rules(), {Place(0, 1)}, stored=lambda found: found.offset == 0)
    outcome = replay.run(records)
    assert (outcome.chosen, outcome.sent, outcome.overwriting) == (1, 0, 1)
    assert outcome.hindered == {Hindrance.REPLAYED: 1, Hindrance.FOREIGN: 1, Hindrance.CUT: 1}
    assert outcome.shown == [(records[0], True)]
    careful = replace(replay, skip_stored=True).run(records)
    assert (careful.chosen, careful.hindered[Hindrance.OVERWRITES]) == (0, 1)


def test_what_a_purge_would_delete() -> None:
    """Counted by what it is, and what still waits."""
    records = [letter(0), letter(1), foreign(2), receipt(0, 3), letter(4)]
    found = prefix(records, {0: 4}, {Place(0, 0)})
    assert (found.letters, found.waiting, found.foreign, found.receipts) == (2, 1, 1, 1)
    assert found.reasons == {"bad_value": 2}


def test_the_beginning_that_has_been_dealt_with() -> None:
    """Up to the first letter without a receipt, or the first foreign record."""
    records = [letter(0), receipt(0, 1), letter(2), letter(3), receipt(2, 4)]
    replayed = {Place(0, 0), Place(0, 2)}
    assert replayed_before(records, {0: 5, 1: 9}, replayed) == {0: 3, 1: 9}
    assert replayed_before([letter(0), foreign(1), letter(2)], {0: 3}, {Place(0, 0)}) == {0: 1}


def test_stats_stay_bounded() -> None:
    """Devices beyond a bound share one count."""
    stats = Stats()
    for n in range(10_050):
        stats.add(letter(info=replace(INFO, device=f"d{n}")), replayed=n == 3)
    stats.add(foreign(), replayed=False)
    assert (stats.letters, stats.foreign, stats.replayed) == (10_050, 1, 1)
    assert len(stats.devices) == 10_001
    assert stats.devices["(other devices)"] == 50
    assert stats.as_json()["first"] == "2023-11-14T22:13:20Z"


def test_nothing_that_a_device_sent_moves_the_cursor() -> None:
    """Control characters come as escapes."""
    assert printable("a\x1b[2J\r\nü\u202e") == "a\\x1b[2J\\r\\nü\\u202e"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (encode_msgpack(Record("d", 5, [1])), "record"),
        (b'{"a": [1, 2]}', "json"),
        (b"\x81\xa1a\x01", "msgpack"),
        (b"\x81\xa1a\xd6\xff\x00\x00\x00\x01", "msgpack"),
        (b"hello", "text"),
        (b"\xc1\xff\x00", "base64"),
        (b"\x1b[2J", "base64"),
    ],
)
def test_values_are_read_as_what_they_are(value: bytes, form: str) -> None:
    """A record, else JSON, MessagePack, text, or the bytes."""
    found = readable(value)
    assert found is not None
    assert next(iter(found)) == form


def test_letters_as_json() -> None:
    """Times in UTC, codes as the manual writes them, and whether it was replayed."""
    told = letter_json(letter(info=replace(INFO, code=0x2653)), Receipt(0, 0, "topic", 0))
    assert (told["time"], told["code"]) == ("2023-11-14T22:13:20Z", "0x2653")
    assert told["replayed"] == {"to": "topic", "time": "1970-01-01T00:00:00Z"}
    assert written_time(10**18) == "1000000000000000000 ms"
