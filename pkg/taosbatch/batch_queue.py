"""The queue between the polling thread and the workers: bounded by bytes, batches by size or linger."""

import threading
import time
from collections.abc import Callable, Iterable

from taosbatch.batch import Batch, Chunk
from taosbatch.batch_lanes import BatchLanes
from taosbatch.batch_rule import BatchRule
from taosbatch.errors import QueueClosedError
from taosbatch.offsets import Lane

_LONGEST_WAIT = 3600.0
"""Seconds after which a wait without a known end looks again (platforms limit how long one wait may be)."""


class BatchQueue:
    """Chunks in, batches out; a lane's chunks leave in order and are with one worker at a time. Thread-safe.

    `max_bytes` and `max_records` bound what is queued and parked; what workers hold comes on top, at most one
    batch each. Times (`due`, `first_at`) are of `clock`; timeouts are seconds, None waits without end.
    """

    def __init__(
        self,
        rule: BatchRule,
        max_bytes: int,
        max_records: int,
        workers: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lanes = BatchLanes(rule, max_bytes, max_records, workers)
        self._clock = clock
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._closed = False
        self._abandoned = False

    def set_lanes(self, assigned: int) -> None:
        """Tells how many lanes share the bounds; a lane's cap is its equal part. Call on every rebalance."""
        with self._lock:
            self._lanes.set_lanes(assigned)
            self._room.notify_all()

    def put(self, chunk: Chunk, timeout: float | None = 0.0) -> bool:
        """Queues a chunk; False where for `timeout` seconds there was no room for it in the queue, or in its
        lane (other lanes may still have room: a lane's cap is an equal part of the bounds).

        The caller keeps the order: nothing of the lane may be put before a refused chunk. A chunk larger than
        the bound is taken when nothing else is queued. Raises QueueClosedError after close.
        """
        deadline = None if timeout is None else self._clock() + timeout
        if not len(chunk):
            return True
        with self._lock:
            while True:
                if self._closed:
                    raise QueueClosedError("the queue is closed: the chunk was not queued and stays pending")
                now = self._clock()
                accepted = self._lanes.offer(chunk, now)
                self._work.notify()
                if accepted:
                    return True
                left = _LONGEST_WAIT if deadline is None else deadline - now
                if left <= 0:
                    return False
                self._room.wait(left)

    def take(self, timeout: float | None = None) -> Batch | None:
        """The next batch that the rule releases, oldest lane first; None after `timeout` seconds without one.

        Its lanes are held until `finish`. Raises QueueClosedError when the queue is closed and nothing is
        queued, parked or held any more, and at once after `abandon`.
        """
        deadline = None if timeout is None else self._clock() + timeout
        with self._lock:
            while True:
                if self._abandoned or (self._closed and self._lanes.empty):
                    raise QueueClosedError("the queue is closed and has nothing more to give")
                now = self._clock()
                found = self._lanes.select(now, closing=self._closed)
                if isinstance(found, Batch):
                    self._hand_on()
                    self._room.notify_all()
                    return found
                left = _LONGEST_WAIT if deadline is None else deadline - now
                if left <= 0:
                    self._hand_on()
                    return None
                self._work.wait(min(found, left, _LONGEST_WAIT))

    def _hand_on(self) -> None:
        # The one that leaves may have been the one that watched the clock for a linger or a due time.
        if self._lanes.waiting:
            self._work.notify()

    def park(self, chunks: Iterable[Chunk], due: float) -> int:
        """Hands back chunks of lanes that the caller holds: they go to the head of their lane, in the order
        given (over several calls too), and nothing of the lane is taken before `due`. Never refused for room.

        Returns the records left out because their epoch has ended, or after `abandon` (they stay pending).
        Raises NotHeldError for a lane that nobody holds. `finish` must follow.
        """
        returned = list(chunks)
        with self._lock:
            if self._abandoned:
                return sum(map(len, returned))
            return self._lanes.park(returned, due)

    def finish(self, batch: Batch) -> None:
        """Frees the batch's lanes. Raises NotHeldError for a batch that is not held (any more)."""
        with self._lock:
            self._lanes.finish(batch, self._clock())
            self._hand_on()
            self._room.notify_all()
            self._after_leaving()

    def drop(self, lanes: Iterable[Lane]) -> list[Chunk]:
        """Takes out everything queued and parked of lanes that are taken away, and returns it; what a worker
        holds stays with it. Once the lanes' epochs have ended nothing of them can be parked any more."""
        with self._lock:
            dropped = self._lanes.drop(lanes)
            self._room.notify_all()
            self._after_leaving()
            return dropped

    def hand_back(self, lanes: Iterable[Lane], until: float) -> list[Chunk]:
        """Takes out of these lanes what no worker has begun, and returns it; of a lane that is parked beyond `until`
        everything. What was begun stays, and is released without linger. To be called again after a park."""
        with self._lock:
            keys = tuple(lanes)
            dropped = self._lanes.hand_back(keys, until)
            self._lanes.hasten(keys)
            self._wake()
            return dropped

    def hasten(self, lanes: Iterable[Lane]) -> None:
        """What is queued of these lanes is released without linger (a revoke drains them). Due times stay."""
        with self._lock:
            self._lanes.hasten(lanes)
            self._work.notify_all()

    def release(self, lanes: Iterable[Lane]) -> None:
        """Parked chunks of these lanes are due now: what they waited for is over."""
        with self._lock:
            self._lanes.release(lanes)
            self._work.notify_all()

    def close(self) -> None:
        """Drain: takes no more, releases partial batches at once; parked chunks stay until they are due."""
        with self._lock:
            self._closed = True
            self._wake()

    def abandon(self) -> list[Chunk]:
        """Gives up: closes, returns everything queued and parked, and ends every `take`. Nothing of it is
        lost: its tickets stay open, so it is read again. Held batches stay with their workers."""
        with self._lock:
            self._closed = self._abandoned = True
            left = self._lanes.clear()
            self._wake()
            return left

    def wait_empty(self, timeout: float | None = None, lanes: Iterable[Lane] | None = None) -> bool:
        """Blocks until nothing (of these lanes, where given) is queued, parked or held; False at timeout."""
        keys = None if lanes is None else tuple(lanes)
        with self._lock:
            return self._settled.wait_for(
                lambda: self._lanes.empty if keys is None else self._lanes.idle(keys), timeout
            )

    def wake(self) -> None:
        """Every call that waits looks at the clock and at the queue again."""
        with self._lock:
            self._wake()

    def _wake(self) -> None:
        self._work.notify_all()
        self._room.notify_all()
        self._settled.notify_all()

    def _after_leaving(self) -> None:
        self._settled.notify_all()
        if self._closed and self._lanes.empty:
            self._work.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def nbytes(self) -> int:
        """Bytes queued and parked."""
        return self._lanes.nbytes

    @property
    def records(self) -> int:
        """Records queued and parked."""
        return self._lanes.records

    @property
    def held_bytes(self) -> int:
        """Bytes of the batches that workers hold."""
        return self._lanes.held_bytes

    @property
    def fill(self) -> float:
        """How full the queue is by the bound that is nearer: 0.0 empty, 1.0 full, above it by one large chunk
        or by what was parked."""
        lanes = self._lanes
        return max(lanes.nbytes / lanes.max_bytes, lanes.records / lanes.max_records)

    @property
    def lane_cap(self) -> int:
        """Bytes that one lane may queue and park, except that an empty lane takes one chunk of any size."""
        return self._lanes.lane_bytes_cap

    def has_room(self, lane: Lane, nbytes: int, records: int) -> bool:
        """Whether `put` would take a chunk of this size now; with one putting thread that stays true until it
        puts."""
        with self._lock:
            return self._lanes.has_room(lane, nbytes, records)

    def lane_bytes(self, lane: Lane) -> int:
        """Bytes queued and parked of one lane."""
        with self._lock:
            return self._lanes.lane_bytes(lane)

    def lane_full(self, lane: Lane) -> bool:
        """Whether the lane has reached its cap in bytes or records, queued and parked."""
        with self._lock:
            return self._lanes.lane_full(lane)

    def parked(self) -> dict[Lane, float]:
        """The lanes that wait for their due time, and that time."""
        with self._lock:
            return self._lanes.parked()

    def __repr__(self) -> str:
        lanes = self._lanes
        state = "abandoned" if self._abandoned else "closed" if self._closed else "open"
        return (
            f"<BatchQueue {state} records={lanes.records} bytes={lanes.nbytes}/{lanes.max_bytes} "
            f"parked_lanes={lanes.parked_lanes} held_batches={lanes.held_batches} "
            f"held_bytes={lanes.held_bytes}>"
        )
