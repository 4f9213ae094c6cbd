"""Answers to devices: who is owed one, what it says, and that nothing depends on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from taosbatch.batch import Chunk
from taosbatch.encoding import Reason, Reject
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.publish import OnDelivery, PublishError
from taosink.kafka.reply_headers import Owed, owed
from taosink.observe.happenings import Happenings
from taosink.replies import MOST_ANSWERS, ObservedDeadLetters, Replies

Headers = list[tuple[str, bytes | None]]
LANE = Lane("t", 0)


def headers(
    uid: str = '"u1"', server: str = "gw-1", index: str | None = None, ack: str = "stored"
) -> Headers:
    found: Headers = [
        ("trace", b"7"),
        ("taosink.reply.server", server.encode()),
        ("taosink.reply.client", b"c1"),
        ("taosink.reply.uid", uid.encode()),
        ("taosink.reply.ack", ack.encode()),
    ]
    return found if index is None else [*found, ("taosink.reply.index", index.encode())]


@dataclass
class Record:
    """A message, as far as it is asked."""

    given: Headers | None = None
    asked: int = 0

    def headers(self) -> Headers | None:
        self.asked += 1
        return self.given

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7


@dataclass
class Notes:
    """A publisher that notes what it gets, and answers as told."""

    takes: bool = True
    raises: PublishError | None = None
    sent: list[tuple[str, dict[str, Any], bytes | None]] = field(default_factory=list)
    reports: list[OnDelivery] = field(default_factory=list)

    def produce(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> bool:
        if self.raises is not None:
            raise self.raises
        assert value is not None
        assert on_delivery is not None
        self.sent.append((topic, msgspec.json.decode(value), key))
        self.reports.append(on_delivery)
        return self.takes

    def close(self, timeout: float) -> int:
        del timeout
        return 0


def chunk(*records: Record) -> Chunk:
    tracker = OffsetTracker()
    tracker.assign([LANE])
    ticket = tracker.open(LANE, 0, len(records), len(records))
    return Chunk(LANE, [b"x"] * len(records), list(records), ticket, 10)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ([], None),
        ([("trace", b"7")], None),
        (headers(ack="kafka"), None),
        (headers(), Owed("gw-1", "c1", "u1", None)),
        (headers(uid="42", index="3"), Owed("gw-1", "c1", 42, 3)),
        (headers(uid='"42"', index="0"), Owed("gw-1", "c1", "42", 0)),
        ([*headers(), ("taosink.reply.ticket", b"9")], Owed("gw-1", "c1", "u1", None, 9)),
    ],
)
def test_who_is_owed_an_answer(given: Headers | None, expected: Owed | None) -> None:
    """Only who asked for `stored`; the uid comes back as the device wrote it, number or text."""
    assert owed(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        headers(uid="{"),
        headers(uid="[1]"),
        headers(uid="null"),
        headers(uid='"' + "x" * 1100 + '"'),
        headers(index="-1"),
        headers(index="9" * 30),
        [h for h in headers() if h[0] != "taosink.reply.server"],
        [*headers(), ("taosink.reply.client", None)],
        [*headers(), ("taosink.reply.server", b"\xff")],
    ],
)
def test_headers_that_cannot_be_read_are_counted(given: Headers) -> None:
    """Anybody who may write to the topic can write them."""
    notes = Notes()
    replies = Replies(notes, "answers")
    replies.stored(chunk(Record(given)), ())
    assert notes.sent == []
    assert replies.counts() == {"unreadable": 1}


def test_what_is_stored_is_answered_in_one_message_a_gateway() -> None:
    """Folded, keyed by the gateway; what is not stored is not told, and is not even asked."""
    notes = Notes()
    replies = Replies(notes, "answers")
    records = [
        Record(headers('"a"')),
        Record([*headers('"b"', "gw-2"), ("taosink.reply.ticket", b"12")]),
        Record(None),
        Record(headers("7", index="4")),
        Record(headers('"waits"')),
    ]
    replies.stored(chunk(*records), [4])
    assert notes.sent == [
        (
            "answers",
            {
                "serverId": "gw-1",
                "answers": [
                    {"clientId": "c1", "uid": "a", "status": "ok"},
                    {"clientId": "c1", "uid": 7, "index": 4, "status": "ok"},
                ],
            },
            b"gw-1",
        ),
        (
            "answers",
            {"serverId": "gw-2", "answers": [{"clientId": "c1", "uid": "b", "ticket": 12, "status": "ok"}]},
            b"gw-2",
        ),
    ]
    assert [r.asked for r in records] == [1, 1, 1, 1, 0]
    for report in notes.reports:
        report(None, None)  # type: ignore[arg-type]  # the message is not looked at
    assert replies.counts() == {"sent": 3}


def test_a_message_is_bounded() -> None:
    """Five hundred answers at most."""
    notes = Notes()
    Replies(notes, "answers").stored(chunk(*(Record(headers(str(n))) for n in range(1201))), ())
    assert [len(value["answers"]) for _, value, _ in notes.sent] == [MOST_ANSWERS, MOST_ANSWERS, 201]


def test_what_is_dead_lettered_is_answered_when_the_letter_is_there() -> None:
    """Rejected, with its reason; the account is told first, and once."""
    told: list[str] = []
    letters: list[Callable[[], None]] = []

    class Letters:
        def publish(self, source: Any, reject: Reject, done: Callable[[], None]) -> bool:
            del source, reject
            letters.append(done)
            return True

    notes, seen = Notes(), Happenings()
    answered = ObservedDeadLetters(Letters(), seen, Replies(notes, "answers"))
    record: Any = Record(headers(index="2"))
    assert answered.publish(record, Reject(0, Reason.VALUE, "too long", "d1"), lambda: told.append("done"))
    assert (notes.sent, told) == ([], [])
    letters[0]()
    assert told == ["done"]
    assert notes.sent[0][1]["answers"] == [
        {
            "clientId": "c1",
            "uid": "u1",
            "index": 2,
            "status": "rejected",
            "errorCode": "record_rejected",
            "errorMessage": "bad_value: too long",
        }
    ]
    assert [(h.kind, h.text) for h in seen.newest_first()] == [
        ("bad_value", "t/0 offset 7 device d1: too long")
    ]


def test_a_letter_that_is_not_taken_is_not_shown() -> None:
    """It is offered again."""

    class Full:
        def publish(self, *_: Any) -> bool:
            return False

    seen = Happenings()
    record: Any = Record()
    letters = ObservedDeadLetters(Full(), seen, None)
    assert not letters.publish(record, Reject(0, Reason.VALUE, "x"), lambda: None)
    assert seen.newest_first() == []


@pytest.mark.parametrize(
    "notes", [Notes(takes=False), Notes(raises=PublishError(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)))]
)
def test_failures_are_counted_and_hurt_nobody(notes: Notes) -> None:
    """One line a minute, however many fail."""
    replies = Replies(notes, "answers", clock=lambda: 5.0)
    with capture_logs() as logs:
        for _ in range(3):
            replies.stored(chunk(Record(headers())), ())
    assert replies.counts() == {"failed": 3}
    assert [line["event"] for line in logs] == ["replies.failed"]
