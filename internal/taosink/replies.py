"""Answers to devices whose records are stored: best effort, bounded, and no part of the account."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, Protocol

import msgspec
import structlog

from taosbatch.batch import Chunk
from taosbatch.encoding import Reject
from taosink.clients import kafka_properties
from taosink.config import ConsumerSettings
from taosink.kafka.publish import OnDelivery, Publisher, PublishError
from taosink.kafka.reply_headers import Owed, owed
from taosink.observe.happenings import Happenings
from taosink.observe.repeats import Repeats
from taosink.ports import DeadLetters, SourceMessage

log = structlog.get_logger()

MOST_ANSWERS = 500
"""Answers in one message."""
LONGEST_TEXT = 300
QUIET = 60.0

PRODUCER_DEFAULTS: Mapping[str, object] = {
    # Who waits has given up long before: an old answer is worth nothing.
    "message.timeout.ms": 15_000,
    "queue.buffering.max.messages": 20_000,
    "queue.buffering.max.kbytes": 8_192,
    "linger.ms": 5,
}


class Publishing(Protocol):
    """What is needed of a publisher; it must not block."""

    def produce(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> bool: ...
    def close(self, timeout: float) -> int: ...


class Replies:
    """Thread-safe: workers call `stored`, the dead letters' thread `rejected`. Neither blocks nor raises."""

    def __init__(
        self, publisher: Publishing, topic: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._clock = clock
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._repeats = Repeats(QUIET)
        self._encode = msgspec.json.Encoder().encode

    def __repr__(self) -> str:
        return f"<Replies {self._topic} {dict(self._counts)}>"

    def counts(self) -> Mapping[str, int]:
        """Answers since the start: `sent` (acknowledged by the broker), `failed`, and `unreadable` requests."""
        with self._lock:
            return dict(self._counts)

    def stored(self, chunk: Chunk, but: Collection[int]) -> None:
        """These records of the chunk are stored: all but those numbered in `but`. Asks each message for its headers
        once; call it when the account is told."""
        left_out = frozenset(but)
        messages = (
            chunk.sources
            if not left_out
            else [message for i, message in enumerate(chunk.sources) if i not in left_out]
        )
        by_server: dict[str, list[dict[str, Any]]] = {}
        for message in messages:
            headers = message.headers()
            if headers and (asked := self._asked(headers)) is not None:
                by_server.setdefault(asked.server, []).append(_answer(asked, {"status": "ok"}))
        for server, answers in by_server.items():
            self._publish(server, answers)

    def rejected(self, message: SourceMessage, reject: Reject) -> None:
        """The broker has acknowledged the record's dead letter."""
        asked = self._asked(message.headers())
        if asked is None:
            return
        text = f"{reject.reason.value}: {reject.detail}"[:LONGEST_TEXT]
        outcome = {"status": "rejected", "errorCode": "record_rejected", "errorMessage": text}
        self._publish(asked.server, [_answer(asked, outcome)])

    def close(self, timeout: float) -> None:
        """Sends what is on its way, for up to `timeout` seconds; the rest is given up."""
        self._publisher.close(timeout)

    def _asked(self, headers: Sequence[tuple[str, bytes | None]] | None) -> Owed | None:
        try:
            return owed(headers)
        except ValueError:
            self._count("unreadable", 1)
            return None

    def _publish(self, server: str, answers: list[dict[str, Any]]) -> None:
        for part in _parts(answers):
            try:
                value = self._encode({"serverId": server, "answers": part})
                taken = self._publisher.produce(
                    self._topic, value, key=server.encode(), on_delivery=self._reported(len(part))
                )
            except (PublishError, UnicodeEncodeError) as error:
                self._failed(len(part), str(error))
            else:
                if not taken:
                    self._failed(len(part), "too many answers are on their way")

    def _reported(self, answers: int) -> OnDelivery:
        def reported(error: Any, _message: Any) -> None:
            if error is None:
                self._count("sent", answers)
            else:
                self._failed(answers, str(error))

        return reported

    def _failed(self, answers: int, why: str) -> None:
        self._count("failed", answers)
        quiet = self._repeats.due("failed", self._clock())
        if quiet is not None:
            log.warning(
                "replies.failed",
                topic=self._topic,
                why=why,
                unsaid=quiet,
                meaning="the records are stored; their devices hear `unknown` and may send again",
            )

    def _count(self, outcome: str, answers: int) -> None:
        with self._lock:
            self._counts[outcome] += answers


def open_replies(settings: ConsumerSettings) -> Replies | None:
    """None where answers are switched off: no message is asked for its headers then."""
    if not settings.replies.on:
        return None
    properties = {**PRODUCER_DEFAULTS, **kafka_properties(settings.kafka)}
    return Replies(Publisher(properties, name="taosink-replies"), settings.replies.topic)


class ObservedDeadLetters:
    """`ports.DeadLetters`: what goes in is kept for the status page, and answered when it is acknowledged."""

    def __init__(self, letters: DeadLetters, seen: Happenings, replies: Replies | None) -> None:
        self._letters = letters
        self._seen = seen
        self._replies = replies

    def __repr__(self) -> str:
        return repr(self._letters)

    def publish(self, source: SourceMessage, reject: Reject, done: Callable[[], None]) -> bool:
        taken = self._letters.publish(source, reject, self._then(source, reject, done))
        if taken:
            place = f"{source.topic()}/{source.partition()} offset {source.offset()}"
            device = f" device {reject.device}" if reject.device else ""
            self._seen.add(reject.reason.value, f"{place}{device}: {reject.detail}")
        return taken

    def _then(self, source: SourceMessage, reject: Reject, done: Callable[[], None]) -> Callable[[], None]:
        replies = self._replies
        if replies is None:
            return done

        def acknowledged() -> None:
            done()
            replies.rejected(source, reject)

        return acknowledged


def _answer(asked: Owed, outcome: dict[str, str]) -> dict[str, Any]:
    answer: dict[str, Any] = {"clientId": asked.client, "uid": asked.uid}
    if asked.place is not None:
        answer["index"] = asked.place
    if asked.ticket is not None:
        answer["ticket"] = asked.ticket
    return answer | outcome


def _parts(answers: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for at in range(0, len(answers), MOST_ANSWERS):
        yield answers[at : at + MOST_ANSWERS]
