"""Where letters are replayed to: their origin's topic and partition, or straight into the database."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from taosink.dlq.letters import Found, Headers, Receipt
from taosink.dlq.replay_plan import replay_headers
from taosink.kafka.publish import Publisher, PublishError
from taosink.ports import BatchWriter

DELIVERY_S = 60.0
# The dead-letter topic's producer takes the same: a letter that is in there must come out again.
LARGEST: Mapping[str, object] = {"message.max.bytes": 32 << 20, "message.timeout.ms": 30_000}


class ReplayError(Exception):
    """A replay ends early: the rest was not tried. What was replayed until then has its receipts."""


class Target(Protocol):
    """Takes letters, in order. `name` is what receipts carry."""

    name: str

    def send(self, letters: Sequence[Found]) -> Mapping[int, str]:
        """Blocks until each one is acknowledged or refused; gives the refused ones, index -> reason."""
        ...


class Topics:
    """Produces letters anew, and the receipts of replays into the dead-letter topic. To be closed."""

    name = "topic"

    def __init__(self, properties: Mapping[str, Any], dead_letters: str) -> None:
        self._dead_letters = dead_letters
        self._publisher = Publisher({**LARGEST, **properties}, name="taosink-replay")

    def __repr__(self) -> str:
        return f"<Topics {self._publisher!r}>"

    def close(self) -> None:
        self._publisher.close(DELIVERY_S)

    def send(self, letters: Sequence[Found]) -> Mapping[int, str]:
        """As `Target`. Stamped anew: with its own old timestamp a topic's retention might delete the record
        before a consumer has seen it."""
        refused: dict[int, str] = {}
        for index, found in enumerate(letters):
            info = found.info
            if info is None:
                refused[index] = "no dead letter"
                continue
            self._produce(
                index, refused, info.topic, info.partition, found, replay_headers(found.headers, info)
            )
        self._wait()
        return refused

    def receipts(self, letters: Sequence[Found], to: str, time_ms: int) -> None:
        """Notes in the dead-letter topic that these were replayed. Raises ReplayError where it takes none."""
        refused: dict[int, str] = {}
        for index, found in enumerate(letters):
            receipt = Receipt(found.partition, found.offset, to, time_ms)
            empty = Found(found.partition, 0, None, b"", (), 0)
            self._produce(index, refused, self._dead_letters, found.partition, empty, receipt.headers())
        self._wait()
        if refused:
            raise ReplayError(
                f"{len(refused)} letters were replayed, but {self._dead_letters!r} takes no receipt of it"
                f" ({next(iter(refused.values()))}): another replay would replay them again"
            )

    def _produce(  # noqa: PLR0917 - one record and its place
        self,
        index: int,
        refused: dict[int, str],
        topic: str,
        partition: int,
        found: Found,
        headers: Headers,
    ) -> None:
        def reported(error: object, _message: object) -> None:
            if error is not None:
                refused[index] = str(PublishError(error))  # type: ignore[arg-type] # the client's own error

        try:
            taken = self._publisher.produce(
                topic,
                found.value,
                key=found.key,
                partition=partition,
                headers=headers,
                on_delivery=reported,
                timeout=DELIVERY_S,
            )
        except PublishError as error:
            refused[index] = str(error)
        else:
            if not taken:
                refused[index] = "the client's queue stayed full"

    def _wait(self) -> None:
        left = self._publisher.flush(DELIVERY_S)
        if left:
            raise ReplayError(
                f"{left} records are not acknowledged after {DELIVERY_S:g} s: they may or may not be in the"
                " topic, and have no receipt"
            )


class Database:
    """Writes letters as rows, as a consumer would; rows that it refuses stay where they are."""

    name = "database"

    def __init__(self, writer: BatchWriter, *, wait: Callable[[float], object], tries: int = 3) -> None:
        self._writer = writer
        self._wait = wait
        self._tries = tries

    def __repr__(self) -> str:
        return f"<Database {self._writer!r}>"

    def send(self, letters: Sequence[Found]) -> Mapping[int, str]:
        """As `Target`. Raises ReplayError where the database does not answer, after a few tries."""
        refused: dict[int, str] = {}
        left = list(range(len(letters)))
        for attempt in range(self._tries):
            if attempt:
                self._wait(1.0)
            written = self._writer.write([letters[i].value or b"" for i in left], lambda: True)
            refused |= {left[r.index]: f"{r.reason}: {r.detail}" for r in written.rejects}
            left = [left[i] for i in written.waiting]
            if not left:
                return refused
        raise ReplayError(f"the database does not take {len(left)} letters: {written.cause}")
