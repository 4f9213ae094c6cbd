"""Records that cannot be stored, kept in a topic of their own until somebody looks."""

import heapq
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import structlog
from confluent_kafka import KafkaError, Message

from taosbatch.backoff import Backoff
from taosbatch.encoding import Reject
from taosink.kafka.dead_letter_form import Form, Record, compose, next_form
from taosink.kafka.dead_letter_log import LetterLog
from taosink.kafka.dlq_headers import DeadLetterInfo, describe
from taosink.kafka.publish import Publisher, PublishError
from taosink.ports import SourceMessage

log = structlog.get_logger(__name__)

# A batch is refused as a whole where one record in it is too large for the topic, or where the batch is. In
# batches this small, whatever is large travels alone, so that no letter is cut for its neighbour's size.
PRODUCER_DEFAULTS: Mapping[str, object] = {
    "batch.size": 16_384,
    # The topic decides what is too large; this only keeps a request below the broker's 100 MiB for one.
    "message.max.bytes": 32 << 20,
    # An outage must be told (health turns red) although the letters in it are tried again without end.
    "message.timeout.ms": 30_000,
    "queue.buffering.max.messages": 100_000,
}
QUEUE_FULL_S = 0.05


@dataclass(frozen=True, slots=True)
class DeadLetterState:
    """For health and metrics. `blocked`: topic -> why it takes no letter now; those stay pending."""

    blocked: Mapping[str, str]
    unacknowledged: int
    unacknowledged_bytes: int
    published: int
    cut: int


@dataclass(slots=True, eq=False)
class _Letter:
    """One record on its way. It changes hands between the caller, the publisher's thread and the retry
    thread, and is touched only by the one that has it."""

    record: Record
    info: DeadLetterInfo
    topic: str
    done: Callable[[], None]
    nbytes: int
    form: Form = Form.WHOLE
    failures: int = 0


@dataclass(slots=True)
class _Counts:
    letters: int = 0
    nbytes: int = 0
    published: int = 0
    cut: int = 0
    blocked: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


class KafkaDeadLetters:
    """`ports.DeadLetters` on Kafka. Thread-safe; `done` is called from the publisher's thread, once a letter.

    A letter that the topic refuses for itself (too large) goes in cut; whatever else fails is tried again
    without end, and shows in `state().blocked`. At most `max_letters` and `max_bytes` are unacknowledged at a
    time (one larger letter is taken when nothing else is out). `topic` is `<origin topic>.dlq` unless given.
    """

    def __init__(
        self,
        properties: Mapping[str, object],
        *,
        topic: str = "",
        consumer: str,
        max_letters: int = 10_000,
        max_bytes: int = 8 << 20,
        backoff: Backoff = Backoff(first=0.5, max=30.0),  # noqa: B008 - frozen
        create: Callable[[str], object] | None = None,
        on_error: Callable[[PublishError], None] | None = None,
    ) -> None:
        """`create(topic)` is called, from a thread that may block, before a letter goes again to a topic that
        was not there; what it raises is logged. `on_error` is the publisher's."""
        self._topic, self._consumer = topic, consumer
        self._max_letters, self._max_bytes = max_letters, max_bytes
        self._backoff, self._create = backoff, create
        self._changed = threading.Condition()
        self._counts = _Counts()
        self._waiting: list[tuple[float, int, _Letter]] = []
        self._order = count()
        self._missing: set[str] = set()
        self._closing = False
        self._log = LetterLog()
        self._publisher = Publisher(
            {**PRODUCER_DEFAULTS, **properties}, on_error=on_error, name="taosink-dead-letters"
        )
        self._retry = threading.Thread(target=self._retry_loop, name="taosink-dead-letter-retry", daemon=True)
        self._retry.start()

    def __repr__(self) -> str:
        return f"KafkaDeadLetters({self._topic or '<topic>.dlq'}, {self.state()})"

    def topic_for(self, origin: str) -> str:
        return self._topic or f"{origin}.dlq"

    def state(self) -> DeadLetterState:
        with self._changed:
            now = self._counts
            return DeadLetterState(dict(now.blocked), now.letters, now.nbytes, now.published, now.cut)

    def publish(self, source: SourceMessage, reject: Reject, done: Callable[[], None]) -> bool:
        """As `ports.DeadLetters`: never blocks, never raises. False where the bound is reached, or closed."""
        record = Record.of(source)
        info = describe(source, reject, consumer=self._consumer, time_ms=time.time_ns() // 1_000_000)
        letter = _Letter(record, info, self.topic_for(info.topic), done, record.nbytes)
        with self._changed:
            now = self._counts
            full = now.letters >= self._max_letters or now.nbytes + letter.nbytes > self._max_bytes
            if self._closing or (full and now.letters):
                return False
            now.letters += 1
            now.nbytes += letter.nbytes
        self._log.letter(source, info, letter.topic)
        self._send(letter)
        return True

    def flush(self, timeout: float) -> int:
        """Waits until every letter is acknowledged; returns how many are not after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._counts.letters == 0, timeout)
            return self._counts.letters

    def close(self, timeout: float) -> int:
        """Flushes, then gives up what is left: it was never `done`, so that its records are read again.

        Returns how many letters were given up. Idempotent; not to be called from `done`.
        """
        left = self.flush(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._retry.join()
        self._publisher.close(0.0)
        return left

    def _send(self, letter: _Letter) -> None:
        out = compose(letter.record, letter.info, letter.form)
        try:
            taken = self._publisher.produce(
                letter.topic,
                out.value,
                key=out.key,
                headers=out.headers,
                timestamp_ms=out.timestamp_ms,
                on_delivery=partial(self._reported, letter),
            )
        except PublishError as error:
            self._refused(letter, error)
        else:
            if not taken:
                self._again(letter, QUEUE_FULL_S)

    def _reported(self, letter: _Letter, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._acknowledged(letter)
        else:
            self._refused(letter, PublishError(error))

    def _acknowledged(self, letter: _Letter) -> None:
        try:
            letter.done()  # before it stops counting: a flush that has returned must have told everybody
        finally:
            self._count_out(letter)

    def _count_out(self, letter: _Letter) -> None:
        with self._changed:
            now = self._counts
            now.letters -= 1
            now.nbytes -= letter.nbytes
            now.published += 1
            now.cut += letter.form.is_cut
            unblocked = now.blocked.pop(letter.topic, None)
            told = letter.topic in now.told
            now.told.discard(letter.topic)
            self._changed.notify_all()
        if unblocked is not None and told:
            log.info("dead_letters.unblocked", topic=letter.topic, was=unblocked)

    def _refused(self, letter: _Letter, error: PublishError) -> None:
        form = next_form(letter.form, error.code)
        if form is not None and not error.fatal:
            letter.form = form
            self._send(letter)
            return
        with self._changed:
            if self._closing:
                return
            self._counts.blocked[letter.topic] = str(error)
            told = letter.topic in self._counts.told
            if error.code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
                self._missing.add(letter.topic)
        # A topic that refuses some letters and takes others is blocked and free by turns. What is not said now is
        # said at a later try, so that the log's last word stays true.
        unsaid = None if told else self._log.due(f"{letter.topic} {error.name}")
        if unsaid is not None:
            with self._changed:
                self._counts.told.add(letter.topic)
            log.error(
                "dead_letters.blocked",
                topic=letter.topic,
                error=str(error),
                records=[f"{letter.info.topic}/{letter.info.partition}:{letter.info.offset}"],
                unsaid=unsaid,
                meaning="records that cannot be stored stay pending, and their partitions stop committing; "
                "nothing is lost",
                todo="make the topic writable; letters are tried again without end",
            )
        delay = self._backoff.delay(letter.failures, random.random)
        letter.failures += 1
        self._again(letter, delay)

    def _again(self, letter: _Letter, delay: float) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + delay, next(self._order), letter))
            self._changed.notify_all()

    def _retry_loop(self) -> None:
        while (due := self._due()) is not None:
            with self._changed:
                missing, self._missing = self._missing, set()
            for topic in missing:
                self._create_topic(topic)
            for letter in due:
                self._send(letter)

    def _due(self) -> Sequence[_Letter] | None:
        """Blocks until letters are due; None when it closes."""
        with self._changed:
            while not self._closing:
                now = time.monotonic()
                due = []
                while self._waiting and self._waiting[0][0] <= now:
                    due.append(heapq.heappop(self._waiting)[2])
                if due:
                    return due
                self._changed.wait(self._waiting[0][0] - now if self._waiting else None)
        return None

    def _create_topic(self, topic: str) -> None:
        if self._create is None:
            return
        try:
            self._create(topic)
        except Exception as error:  # noqa: BLE001 - the letters wait all the same, and are tried again
            unsaid = self._log.due(f"create {topic}")
            if unsaid is not None:
                log.warning("dead_letters.create_failed", topic=topic, error=str(error), unsaid=unsaid)
