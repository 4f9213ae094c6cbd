"""The thread that collects segments: from the batch queue into the assembler, what ends into the delivery."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping

import structlog

from taosbatch.batch import Batch, Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.errors import QueueClosedError
from taosbatch.offsets import Lane
from taosbatch.segments_assembler import Assembler, Ended, Ignored
from taosink.observe.repeats import Repeats
from taosink.segments.delivery import Counts, Delivery, Held
from taosink.segments.forms import FormError, read_segment
from taosink.segments.frontier import Frontier

log = structlog.get_logger(__name__)

LOOK = 0.2
ROOM = 0.2
TELL_EVERY = 5.0


class _AbandonedError(Exception):
    """No more is delivered; what is held is read again by the next owner."""


class Assembling:
    """`run` is the whole of its thread; `abandon` may be called from any. It ends when the queue is closed and
    empty, or at `abandon`; `failure` then holds a defect, if that was the reason."""

    def __init__(
        self,
        queue: BatchQueue,
        assembler: Assembler[Held],
        delivery: Delivery,
        frontier: Frontier,
        counts: Counts,
        *,
        scan: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._assembler = assembler
        self._delivery = delivery
        self._frontier = frontier
        self._counts = counts
        self._scan = scan
        self._clock = clock
        self._repeats = Repeats(TELL_EVERY)
        self._abandoned = threading.Event()
        self._next_scan = clock() + scan
        self._epochs: Mapping[Lane, int] = {}
        self.failure: BaseException | None = None

    def __repr__(self) -> str:
        return f"<Assembling {self._assembler!r} {self._delivery!r}>"

    @property
    def incomplete(self) -> int:
        """Messages of which segments are missing."""
        return len(self._assembler)

    def abandon(self) -> None:
        """Ends it at once, also where it waits for room."""
        self._abandoned.set()
        self._queue.abandon()

    def run(self) -> None:
        """Never raises."""
        try:
            while not self._abandoned.is_set():
                self._step()
        except (QueueClosedError, _AbandonedError):
            pass
        except Exception as error:
            log.critical("segments.defect", exc_info=error, do="report it with this trace")
            self.failure = error

    def _step(self) -> None:
        batch = self._queue.take(LOOK)
        # Before anything new of a partition that came back: what was read before it went is read again.
        if (epochs := self._frontier.epochs()) != self._epochs:
            self._epochs = epochs
            self._assembler.drop(lambda held: not held.ticket.alive)
        if batch is not None:
            try:
                self._collect(batch)
            finally:
                self._queue.finish(batch)
        self._delivery.again()
        now = self._clock()
        read_to = self._frontier.look(now, idle=batch is None)
        if now >= self._next_scan:
            self._next_scan = now + self._scan
            self._settle(self._assembler.expire(now, read_to))

    def _collect(self, batch: Batch) -> None:
        for chunk in batch.chunks:
            if chunk.ticket.alive:
                self._collect_chunk(chunk)

    def _collect_chunk(self, chunk: Chunk) -> None:
        self._counts.add("segments", len(chunk))
        for value, message in zip(chunk.values, chunk.sources, strict=True):
            held = Held(chunk.ticket, message.offset())
            try:
                segment = read_segment(value)
            except FormError as error:
                self._unreadable(held, error)
                continue
            self._settle(self._assembler.add(segment, held, self._clock()))
        self._frontier.took(chunk.lane, chunk.ticket.epoch, chunk.sources[-1].offset() + 1)

    def _settle(self, ended: Iterable[Ended[Held] | Ignored[Held]]) -> None:
        for event in ended:
            if isinstance(event, Ignored):
                self._counts.add(f"ignored_{event.why}")
                event.place.ticket.done()
                continue
            while not self._delivery.deliver(event, ROOM):
                # A full way out holds up reading, and with it the source: nothing is dropped for want of room.
                self._delivery.again()
                if self._abandoned.wait(0.05):
                    raise _AbandonedError

    def _unreadable(self, held: Held, error: FormError) -> None:
        self._counts.add("unreadable")
        held.ticket.done()
        if (quiet := self._repeats.due("unreadable", self._clock())) is not None:
            log.error(
                "segments.unreadable",
                topic=held.lane.topic,
                partition=held.lane.partition,
                offset=held.offset,
                reason=str(error),
                unsaid=quiet,
                meaning="it is no segment and is passed over; its message, if it has one, will be lost",
                do="find who writes into this topic beside POST /transfer",
            )
