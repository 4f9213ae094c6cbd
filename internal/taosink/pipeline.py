"""What a worker does with a batch: write it, dead-letter what cannot be stored, hand back what must wait."""

import random
import time
from collections.abc import Callable, Sequence

import structlog

from taosbatch.backoff import Backoff
from taosbatch.batch import Batch, Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.encoding import Reject
from taosink.observe.counters import Counters
from taosink.observe.places import Places
from taosink.observe.waits import Waits
from taosink.pacing import unpaced
from taosink.poison_gate import Breakers, Gate
from taosink.ports import BatchWriter, DeadLetters, PoisonGate, StoredAnswers, Written
from taosink.taos.errors import TaosError

DEAD_LETTER_WAIT = 0.2
"""Seconds until a record is tried again that found the bound on unacknowledged dead letters reached."""

UNPROVEN_WAIT = 0.02
"""Seconds until it is looked again whether this process still is a member of its group."""


class Pipeline:
    """The handler of one worker thread: called with a batch that it holds, returns when the batch is settled.

    Every record of the batch ends as one of: its ticket is told (stored), it is with the dead letters (which
    tell the ticket when the broker has it), or it is parked in the queue. Raises only for a defect.
    """

    def __init__(
        self,
        make_writer: Callable[[PoisonGate], BatchWriter],
        dead_letters: DeadLetters,
        queue: BatchQueue,
        *,
        counters: Counters,
        waits: Waits,
        breakers: Breakers,
        abandoned: Callable[[], bool],
        holds: Callable[[], bool] = lambda: True,
        pace: Callable[[int], None] = unpaced,
        replies: StoredAnswers | None = None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        rand: Callable[[], float] = random.random,
    ) -> None:
        """`make_writer` is given what the writer asks before each step of a search for poison."""
        self._writer = make_writer(self._may_search)
        self._dead_letters = dead_letters
        self._queue = queue
        self._counters = counters
        self._waits = waits
        self._breakers = breakers
        self._abandoned = abandoned
        self._holds = holds
        self._pace = pace
        self._replies = replies
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._rand = rand
        self._gate: Gate
        self._began = 0.0

    def __call__(self, batch: Batch) -> None:
        """Blocks for its turn at the rate given, and for as long as the database takes to answer. Rows of an
        ended epoch are dropped unsent."""
        self._pace(sum(len(c) for c in batch.chunks if c.ticket.alive))
        live = [c for c in batch.chunks if c.ticket.alive]
        if not self._holds():
            for chunk in live:
                self._queue.park([chunk], self._clock() + UNPROVEN_WAIT)
            return
        ready, stopped = self._past_breakers(live)
        if ready:
            batch = Batch(tuple(ready), batch.first_at)
            self._gate = Gate(batch, self._breakers)
            self._began = self._clock()
            # Every line that is written meanwhile names them. A defect leaves them there for its own line: the thread
            # ends with it.
            structlog.contextvars.bind_contextvars(chunks=Places(ready))
            self._settle(batch, self._writer.write(batch.values(), self._owns(batch)))
            structlog.contextvars.unbind_contextvars("chunks")
        # Behind what was tried: the head of a lane is parked first, and order is kept.
        for chunk, due in stopped:
            self._park_stopped(chunk, due)

    def close(self) -> None:
        self._writer.close()

    def _may_search(self, rows: Sequence[int], refused: Sequence[Reject]) -> bool:
        return self._gate.may_search(rows, refused)

    def _owns(self, batch: Batch) -> Callable[[], bool]:
        tickets = [c.ticket for c in batch.chunks]
        return lambda: not self._abandoned() and self._holds() and all(t.alive for t in tickets)

    def _past_breakers(self, chunks: Sequence[Chunk]) -> tuple[list[Chunk], list[tuple[Chunk, float]]]:
        """What may be written, and what has to wait with its due time: of an open lane one row is tried."""
        ready: list[Chunk] = []
        stopped: list[tuple[Chunk, float]] = []
        now, tried = self._clock(), set()
        for chunk in chunks:
            breaker = self._breakers.of(chunk.ticket)
            if breaker.next_probe is None:
                ready.append(chunk)
            elif now < breaker.next_probe or chunk.lane in tried:
                stopped.append((chunk, max(now, breaker.next_probe)))
            else:
                tried.add(chunk.lane)
                probe, rest = chunk.split(1)
                ready.append(probe)
                if rest.values:
                    stopped.append((rest, now))
        return ready, stopped

    def _settle(self, batch: Batch, written: Written) -> None:
        unsettled = sorted({*written.waiting, *(r.index for r in written.rejects)})
        held = {id(chunk): indices for chunk, indices in batch.by_chunk(unsettled)}
        for chunk in batch.chunks:
            stored = len(chunk) - len(held.get(id(chunk), ()))
            if stored:
                self._counters.stored(stored)
                chunk.ticket.done(stored)
        if self._replies is not None:
            for chunk in batch.chunks:
                self._replies.stored(chunk, held.get(id(chunk), ()))
        if written.cause is None and len(unsettled) < len(batch) and self._waits.wrote():
            # An outage is over: nobody waits out the pause that it grew to.
            self._queue.release(self._queue.parked())
        refused = self._dead_letter(batch, written.rejects)
        waiting = sorted({*refused, *written.waiting})
        self._gate.judge(waiting, written.rejects, self._clock())
        if waiting:
            self._park(batch, waiting, written)

    def _dead_letter(self, batch: Batch, rejects: Sequence[Reject]) -> list[int]:
        """Hands the rejects over; returns the indices that have to wait: the dead letters' bound is reached, or
        the lane's breaker opens."""
        if not rejects:
            return []
        by_index = {r.index: r for r in rejects}
        indices = iter(sorted(by_index))
        refused: list[int] = []
        for chunk, within in batch.by_chunk(sorted(by_index)):
            for i in within:
                index = next(indices)
                reject = by_index[index]
                if not (self._gate.may_dead_letter(chunk, i, reject) and self._publish(chunk, i, reject)):
                    refused.append(index)
        return refused

    def _publish(self, chunk: Chunk, i: int, reject: Reject) -> bool:
        ticket = chunk.ticket

        def acknowledged() -> None:
            self._counters.dead_lettered()
            ticket.done()

        taken = self._dead_letters.publish(chunk.sources[i], reject, acknowledged)
        if taken:
            self._counters.rejected(reject.reason)
        return taken

    def _park(self, batch: Batch, waiting: Sequence[int], written: Written) -> None:
        """Split by lane, each with its own attempts, so that lanes that are not concerned go on at once."""
        now, longest = self._clock(), 0.0
        for chunk, indices in batch.by_chunk(waiting):
            delay = 0.0 if self._gate.ended_search else self._delay(chunk, written)
            probe = self._gate.next_probe(chunk)
            due = max(now + delay, probe)
            longest = max(longest, due - now)
            park = self._park_stopped if probe else self._park_chunk
            park(chunk.subset(indices), due)
        if written.cause is not None and not self._gate.ended_search:
            self._counters.waited(_class_of(written.cause))
            self._waits.waiting(written.cause, len(waiting), longest)

    def _park_chunk(self, chunk: Chunk, due: float) -> None:
        self._queue.park([chunk], due)

    def _park_stopped(self, chunk: Chunk, due: float) -> None:
        """Of an open lane, until its next probe."""
        self._queue.park([chunk], due)
        if not self._breakers.next_probe(chunk.ticket):
            self._queue.release([chunk.lane])  # closed by an operator meanwhile, who found nothing to release

    def _delay(self, chunk: Chunk, written: Written) -> float:
        if written.cause is not None:
            # What was under way when the outage ended failed by it, and is tried again as after a first failure.
            attempt = 0 if self._waits.recovered_at >= self._began else chunk.attempt
            return max(written.delay, self._backoff.delay(attempt, self._rand))
        return written.delay if written.waiting else DEAD_LETTER_WAIT


def _class_of(cause: Exception) -> str:
    """What the metrics count a wait under."""
    return cause.kind.value if isinstance(cause, TaosError) else "other"
