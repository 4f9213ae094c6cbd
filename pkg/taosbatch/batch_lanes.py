"""What the batch queue holds and decides, without threads: lanes, bounds, and which batch is next."""

import math
from collections import deque
from collections.abc import Iterable, Sequence

from taosbatch.batch import Batch, Chunk
from taosbatch.batch_plan import LaneState, Plan, plan_batch
from taosbatch.batch_rule import BatchRule
from taosbatch.errors import NotHeldError
from taosbatch.offsets import Lane


class BatchLanes:
    """Not thread-safe: BatchQueue guards it. Bounds count queued and parked chunks; held ones are apart.

    Each lane is in one place: `_held` (with a worker), `_parked` (not due yet) or `_ready`.
    """

    def __init__(self, rule: BatchRule, max_bytes: int, max_records: int, workers: int) -> None:
        if max_bytes < 1 or max_records < 1 or workers < 1:
            raise ValueError(f"bounds must be positive: {max_bytes=} {max_records=} {workers=}")
        self.rule = rule
        self.max_bytes = max_bytes
        self.max_records = max_records
        self.workers = workers
        self.nbytes = 0
        self.records = 0
        self.held_bytes = 0
        self.lane_bytes_cap = max_bytes
        self.lane_records_cap = max_records
        self._lanes: dict[Lane, LaneState] = {}
        self._ready: dict[Lane, LaneState] = {}
        self._parked: dict[Lane, LaneState] = {}
        self._held: dict[Lane, LaneState] = {}
        self._batches: set[Batch] = set()
        self._next_due = math.inf
        self._pressed = False

    def set_lanes(self, assigned: int) -> None:
        """Divides both bounds by the number of assigned lanes: a blocked one cannot fill the queue then."""
        self.lane_bytes_cap = max(1, self.max_bytes // max(1, assigned))
        self.lane_records_cap = max(1, self.max_records // max(1, assigned))

    @property
    def waiting(self) -> bool:
        """Whether somebody must watch the clock: something is ready or parked."""
        return bool(self._ready or self._parked)

    @property
    def empty(self) -> bool:
        """Nothing queued, parked or held."""
        return not self._lanes

    @property
    def parked_lanes(self) -> int:
        return len(self._parked)

    @property
    def held_batches(self) -> int:
        return len(self._batches)

    def parked(self) -> dict[Lane, float]:
        return {lane.key: lane.due for lane in self._parked.values()}

    def lane_bytes(self, key: Lane) -> int:
        lane = self._lanes.get(key)
        return 0 if lane is None else lane.nbytes

    def lane_full(self, key: Lane) -> bool:
        lane = self._lanes.get(key)
        return lane is not None and self._at_cap(lane)

    def idle(self, keys: Iterable[Lane]) -> bool:
        return not any(key in self._lanes for key in keys)

    def _at_cap(self, lane: LaneState) -> bool:
        return lane.nbytes >= self.lane_bytes_cap or lane.records >= self.lane_records_cap

    def _urgent(self, lane: LaneState) -> bool:
        return lane.pressed or self._at_cap(lane)

    def offer(self, chunk: Chunk, now: float) -> bool:
        """Queues a chunk at the tail of its lane, unless the queue or the lane has no room for it.

        One larger than the bound goes into an empty queue, one larger than the lane's cap into an empty lane.
        """
        lane = self._lanes.get(chunk.lane)
        count = len(chunk)
        if not self._queue_fits(chunk.nbytes, count):
            self._pressed = True
            return False
        if lane is None:
            lane = self._lanes[chunk.lane] = LaneState(chunk.lane)
            self._ready[chunk.lane] = lane
        elif not self._lane_fits(lane, chunk.nbytes, count):
            lane.pressed = True
            return False
        chunk.queued_at = now
        lane.chunks.append(chunk)
        self._count(lane, chunk.nbytes, count)
        return True

    def has_room(self, key: Lane, nbytes: int, records: int) -> bool:
        """Whether `offer` would take a chunk of this size now."""
        lane = self._lanes.get(key)
        return self._queue_fits(nbytes, records) and (lane is None or self._lane_fits(lane, nbytes, records))

    def _queue_fits(self, nbytes: int, records: int) -> bool:
        within = self.nbytes + nbytes <= self.max_bytes and self.records + records <= self.max_records
        return within or not self.records

    def _lane_fits(self, lane: LaneState, nbytes: int, records: int) -> bool:
        bytes_fit = lane.nbytes + nbytes <= self.lane_bytes_cap
        return (bytes_fit and lane.records + records <= self.lane_records_cap) or not lane.records

    def _count(self, lane: LaneState, nbytes: int, records: int) -> None:
        lane.nbytes += nbytes
        lane.records += records
        self.nbytes += nbytes
        self.records += records

    def hasten(self, keys: Iterable[Lane]) -> None:
        """What these lanes hold is released without waiting for more."""
        for key in keys:
            lane = self._lanes.get(key)
            if lane is not None:
                lane.pressed = True

    def release(self, keys: Iterable[Lane]) -> None:
        """What these lanes were parked for is over."""
        for key in keys:
            lane = self._lanes.get(key)
            if lane is not None:
                lane.due = self._next_due = -math.inf

    def select(self, now: float, *, closing: bool) -> Batch | float:
        """The next batch, whose lanes are held from now on, or the seconds after which to ask again."""
        self._unpark(now)
        wait = self._next_due - now
        if not self._ready:
            return wait
        order = sorted(self._ready.values(), key=LaneState.first_at)
        share = -(-(len(order) + len(self._held)) // self.workers)
        plan = plan_batch(self.rule, order[:share])
        left = self._wait(plan, now, closing)
        if left > 0 and (large := self._large(order[share:])) is not None:
            # The oldest lanes' linger must not delay a lane that fills a batch by itself.
            plan = plan_batch(self.rule, [large, *order[: share - 1]])
            left = self._wait(plan, now, closing)
        return self._release(plan) if left <= 0 else min(wait, left)

    def _unpark(self, now: float) -> None:
        if now < self._next_due:
            return
        for lane in [lane for lane in self._parked.values() if lane.due <= now]:
            del self._parked[lane.key]
            self._ready[lane.key] = lane
        self._next_due = min((lane.due for lane in self._parked.values()), default=math.inf)

    def _large(self, lanes: Sequence[LaneState]) -> LaneState | None:
        enough = self.rule.enough
        for lane in lanes:
            if self._urgent(lane) or enough(lane.records, lane.nbytes):
                return lane
        return None

    def _wait(self, plan: Plan, now: float, closing: bool) -> float:
        # A queue or lane that refused a chunk gains nothing by waiting: what it waits for cannot come in.
        released = closing or plan.full or self._pressed or any(self._urgent(lane) for lane, _ in plan.picks)
        return self.rule.wait(plan.records, plan.nbytes, plan.first_at, now, closing=released)

    def _release(self, plan: Plan) -> Batch:
        chunks: list[Chunk] = []
        for lane, whole in plan.picks:
            taken = [lane.chunks.popleft() for _ in range(whole)]
            if plan.cut and lane is plan.picks[-1][0]:
                head, tail = lane.chunks.popleft().split(plan.cut)
                taken.append(head)
                lane.chunks.appendleft(tail)
            self._count(lane, -sum(c.nbytes for c in taken), -sum(map(len, taken)))
            lane.held, lane.pressed = True, False
            del self._ready[lane.key]
            self._held[lane.key] = lane
            chunks += taken
        batch = Batch(tuple(chunks), plan.first_at)
        self._pressed = False
        self._batches.add(batch)
        self.held_bytes += batch.nbytes
        return batch

    def park(self, chunks: Iterable[Chunk], due: float) -> int:
        """Hands chunks of held lanes back, in order, to the head of their lanes; see BatchQueue.park."""
        left_out = 0
        for chunk in chunks:
            lane = self._held.get(chunk.lane)
            if lane is None:
                raise NotHeldError(
                    f"a chunk of {chunk.lane} was parked by somebody who does not hold the lane"
                )
            if not chunk.ticket.alive:
                left_out += len(chunk)
            elif len(chunk):
                lane.returned.append(chunk)
                lane.due = max(lane.due, due)
                self._count(lane, chunk.nbytes, len(chunk))
        return left_out

    def finish(self, batch: Batch, now: float) -> None:
        if batch not in self._batches:
            raise NotHeldError(f"{batch!r} was finished, and is not held")
        self._batches.remove(batch)
        self.held_bytes -= batch.nbytes
        for key in batch.lanes:
            self._free(self._held.pop(key), now)

    def _free(self, lane: LaneState, now: float) -> None:
        lane.held = False
        lane.chunks.extendleft(reversed(lane.returned))
        lane.returned.clear()
        if not lane.chunks:
            del self._lanes[lane.key]
        elif lane.due > now:
            self._parked[lane.key] = lane
            self._next_due = min(self._next_due, lane.due)
        else:
            self._ready[lane.key] = lane

    def drop(self, keys: Iterable[Lane]) -> list[Chunk]:
        """Takes out what is queued and parked of these lanes; a held lane stays with its worker."""
        dropped: list[Chunk] = []
        for key in keys:
            if (lane := self._lanes.get(key)) is not None:
                dropped += self._drop(lane)
                lane.torn = False
        return dropped

    def _drop(self, lane: LaneState) -> list[Chunk]:
        dropped = [*lane.returned, *lane.chunks]
        lane.returned.clear()
        lane.chunks.clear()
        lane.due, lane.pressed = -math.inf, False
        self._count(lane, -lane.nbytes, -lane.records)
        self._leave(lane)
        return dropped

    def hand_back(self, keys: Iterable[Lane], until: float) -> list[Chunk]:
        """As drop, but leaves what was begun (it stands first), unless it is not due before `until`."""
        dropped: list[Chunk] = []
        for key in keys:
            lane = self._lanes.get(key)
            if lane is None:
                continue
            lane.torn |= lane.due > until
            dropped += self._drop(lane) if lane.torn else self._drop_unbegun(lane)
        return dropped

    def _drop_unbegun(self, lane: LaneState) -> list[Chunk]:
        dropped: deque[Chunk] = deque()
        while lane.chunks and not lane.chunks[-1].begun:
            chunk = lane.chunks.pop()
            self._count(lane, -chunk.nbytes, -len(chunk))
            dropped.appendleft(chunk)
        if not lane.chunks:
            self._leave(lane)
        return list(dropped)

    def _leave(self, lane: LaneState) -> None:
        if not lane.held:
            del self._lanes[lane.key]
            self._ready.pop(lane.key, None)
            self._parked.pop(lane.key, None)

    def clear(self) -> list[Chunk]:
        """Takes out everything that is queued and parked."""
        return self.drop(list(self._lanes))
