"""From messages to the batch queue, with a small overflow for what does not fit."""

from collections import deque
from collections.abc import Callable, Iterable

from confluent_kafka import Message

from taosbatch.batch import Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.errors import QueueClosedError
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.chunks import nbytes_of, stamp_of, values_of
from taosink.kafka.pause import Pressure


class Intake:
    """Owned by the polling thread; never blocks. What the queue refuses waits here in order, and whoever
    polls must pause by `pressure`. The overflow has a bound, beyond which what would not fit is not taken at
    all."""

    def __init__(
        self,
        tracker: OffsetTracker,
        queue: BatchQueue,
        *,
        overflow_bytes: int,
        max_ahead: int,
        clock: Callable[[], float],
    ) -> None:
        self._tracker = tracker
        self._queue = queue
        self._bound = overflow_bytes
        self._max_ahead = max_ahead
        self._clock = clock
        self._overflow: dict[Lane, deque[Chunk]] = {}
        self._full_at: dict[Lane, int] = {}
        self.overflow_bytes = 0

    def __repr__(self) -> str:
        return f"<Intake overflow={self.overflow_bytes}/{self._bound} lanes={len(self._overflow)}>"

    @property
    def waiting(self) -> bool:
        """Whether something has not been taken by the queue."""
        return bool(self._overflow)

    def deliver(self, lane: Lane, messages: list[Message], first: int, next_offset: int) -> int | None:
        """Tracks the messages and queues them; returns what they count for in bytes. None: there is no room
        for them anywhere and they are not tracked; the lane must be read again from `first`."""
        values = values_of(messages)
        nbytes = nbytes_of(values)
        at_bound = self.overflow_bytes >= self._bound
        if at_bound and (lane in self._overflow or not self._queue.has_room(lane, nbytes, len(values))):
            self._full_at.setdefault(lane, max(1, self._queue.lane_bytes(lane)))
            return None
        now = self._clock()
        stamp = stamp_of(messages[0])
        ticket = self._tracker.open(lane, first, next_offset, len(values), now=now, stamp=stamp)
        chunk = Chunk(lane=lane, values=values, sources=messages, ticket=ticket, nbytes=nbytes)
        if lane in self._overflow or not self._put(chunk):
            self._overflow.setdefault(lane, deque()).append(chunk)
            self.overflow_bytes += nbytes
        return nbytes

    def _put(self, chunk: Chunk) -> bool:
        """A closed queue takes nothing: the chunk stays pending, and the next owner reads it again."""
        try:
            return self._queue.put(chunk, 0.0)
        except QueueClosedError:
            return False

    def flush(self) -> None:
        """Offers again what waits, each lane in its order."""
        for lane in list(self._overflow):
            chunks = self._overflow[lane]
            while chunks and self._put(chunks[0]):
                self.overflow_bytes -= chunks.popleft().nbytes
            if not chunks:
                del self._overflow[lane]

    def drop(self, lanes: Iterable[Lane]) -> int:
        """Forgets what waits of lanes that are taken away; returns how many records."""
        records = 0
        for lane in lanes:
            chunks = self._overflow.pop(lane, ())
            self.overflow_bytes -= sum(chunk.nbytes for chunk in chunks)
            records += sum(map(len, chunks))
            self._full_at.pop(lane, None)
        return records

    def pressure(self, lanes: Iterable[Lane]) -> Pressure:
        """How full everything is; a lane that was found full is measured by what it then held, so that it
        resumes at half of that by whichever bound it had reached."""
        fills = {lane: self._fill(lane) for lane in lanes}
        return Pressure(
            queue=self._queue.fill,
            lanes=fills,
            refused=frozenset(self._overflow),
        )

    def _fill(self, lane: Lane) -> float:
        queued = self._queue.lane_bytes(lane)
        ahead = self._tracker.span(lane) / self._max_ahead
        if lane in self._overflow or self._queue.lane_full(lane):
            self._full_at.setdefault(lane, max(1, queued))
        full_at = self._full_at.get(lane)
        fill = queued / (full_at or self._queue.lane_cap)
        if full_at and fill <= 0.5:
            del self._full_at[lane]
        return max(fill, ahead)
