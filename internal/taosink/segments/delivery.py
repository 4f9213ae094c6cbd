"""What becomes of a message that ended: a Record goes to its topic, any other text and every loss to the callback."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from taosbatch.offsets import Lane, Ticket
from taosbatch.segments_assembler import Ended
from taosink.kafka.publish import PublishError
from taosink.observe.repeats import Repeats
from taosink.segments.courier import Courier, Fate, Parcel
from taosink.segments.forms import receipt_json
from taosink.segments.readings import Readings, as_record, is_refusal

log = structlog.get_logger(__name__)

AGAIN = 0.5
TELL_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Held:
    """A segment's place in Kafka, and the ticket that waits for it."""

    ticket: Ticket
    offset: int

    @property
    def lane(self) -> Lane:
        return self.ticket.lane


class Counts:
    """Counted since the start. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, name: str, n: int = 1) -> None:
        with self._lock:
            self._counts[name] += n

    def snapshot(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)


class Delivery:
    """`deliver` and `again` are for one thread. A message's tickets are told once it is delivered, refused by the
    receiver, or acknowledged by Kafka; not before, so that a restart reads it again."""

    def __init__(
        self,
        courier: Courier,
        readings: Readings,
        counts: Counts,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._courier = courier
        self._readings = readings
        self._clock = clock
        self._repeats = Repeats(TELL_EVERY)
        self._again: deque[tuple[float, Ended[Held], bool]] = deque()
        self._counts = counts

    def __repr__(self) -> str:
        return f"<Delivery again={len(self._again)} {self._courier!r} {self._readings!r}>"

    @property
    def waiting(self) -> int:
        """Messages that have ended and are not delivered."""
        return self._courier.waiting + len(self._again) + self._readings.outstanding

    def deliver(self, message: Ended[Held], timeout: float) -> bool:
        """Takes the message over; False where for `timeout` seconds there is no room, or no broker."""
        if not message.lost and (record := as_record(message.text)) is not None:
            return self._publish(message, *record)
        return self._post(message, timeout)

    def again(self) -> None:
        """Tries once more what Kafka has not acknowledged. To be called often; does not wait for room."""
        now = self._clock()
        while self._again and self._again[0][0] <= now:
            _, message, refused = self._again[0]
            if not (self._post(message, 0.0) if refused else self.deliver(message, 0.0)):
                return
            self._again.popleft()

    def _publish(self, message: Ended[Held], device: str, value: bytes) -> bool:
        def told(error: str | None) -> None:
            if error is None:
                self._counts.add("records")
                end(message)
            else:
                self._again.append((self._clock() + AGAIN, message, is_refusal(error)))
                self._say_not_published(message, error)

        try:
            return self._readings.publish(device, value, told)
        except PublishError as error:
            if not is_refusal(error):
                self._say_not_published(message, error.name)
                return False
            log.error("segments.record_refused", **who(message), error=str(error), now="posted as a text")
            return self._post(message, 0.0)

    def _say_not_published(self, message: Ended[Held], error: str) -> None:
        if (quiet := self._repeats.due(error, self._clock())) is not None:
            log.warning(
                "segments.record_not_published",
                **who(message),
                error=error,
                unsaid=quiet,
                meaning="nothing is lost: it is tried again, or posted as a text where Kafka refuses it",
            )

    def _post(self, message: Ended[Held], timeout: float) -> bool:
        body = receipt_json(message.sender, message.text, message.sent_at, lost=message.lost)

        def ended(fate: Fate, detail: str) -> None:
            self._counts.add(fate.value)
            if fate is Fate.REFUSED:
                log.error(
                    "segments.message_refused",
                    **who(message),
                    detail=detail,
                    meaning="the receiver will not have it; it is not offered again",
                )
            end(message)

        def wanted() -> bool:
            return any(place.ticket.alive for place in message.places)

        if not self._courier.put(Parcel(message.sender, (body,), ended, wanted), timeout):
            return False
        if message.lost:
            self._say_lost(message)
        return True

    def _say_lost(self, message: Ended[Held]) -> None:
        self._counts.add(f"lost_{message.why}")
        if (quiet := self._repeats.due(f"lost {message.why}", self._clock())) is not None:
            log.warning(
                "segments.message_lost",
                **who(message),
                why=message.why,
                received=message.received,
                total=message.total,
                unsaid=quiet,
            )


def who(message: Ended[Held]) -> dict[str, str]:
    return {"sender": message.sender, "send_time": message.sent_at}


def end(message: Ended[Held]) -> None:
    """Tells the tickets: the message's segments are done with."""
    for place in message.places:
        place.ticket.done()
