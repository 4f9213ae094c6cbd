"""Reads a dead-letter topic in order: one partition after the other, in bounded memory."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from taosink.dlq.letters import Found, Receipt
from taosink.kafka.topic_reader import Span, TopicReader

Progress = Callable[[str, int, int], None]


class Place(NamedTuple):
    """A record's place in the dead-letter topic."""

    partition: int
    offset: int


Receipts = Mapping[Place, Receipt]


class LetterBox:
    """A dead-letter topic as it was when it was opened. For one thread; to be closed.

    Calls block for the broker and raise `topics.TopicError`; opening raises it where the topic is missing.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        topic: str,
        *,
        progress: Progress = lambda _phase, _done, _total: None,
    ) -> None:
        self.topic = topic
        self._progress = progress
        self._reader = TopicReader(properties, topic)
        try:
            self.extent = self._reader.extent()
        except BaseException:
            self._reader.close()
            raise

    def __repr__(self) -> str:
        return f"<LetterBox {self.topic}, {sum(map(len, self.extent.values()))} records>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._reader.close()

    def all(self, phase: str = "dead letters") -> Iterator[Found]:
        """Every record, by partition and offset."""
        total = sum(map(len, self.extent.values()))
        done = 0
        for span in self.extent.values():
            for messages in self._reader.read([span]):
                yield from map(Found.of, messages)
                done += len(messages)
                self._progress(phase, done, total)

    def at(self, place: Place) -> Found | None:
        """The record at this place; None where there is none."""
        span = self.extent.get(place.partition)
        if span is None or not span.start <= place.offset < span.end:
            return None
        one = Span(place.partition, place.offset, place.offset + 1)
        return next((Found.of(m) for messages in self._reader.read([one]) for m in messages), None)

    def receipts(self) -> dict[Place, Receipt]:
        """The last receipt of each letter that was replayed. Memory grows with those alone."""
        receipts = (found.receipt for found in self.all("receipts of replays") if found.receipt)
        return {Place(r.partition, r.offset): r for r in receipts}
