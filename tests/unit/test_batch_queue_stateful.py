"""Put, take, park, finish, drop and time in any order, with a clock of the test, against a model of lists."""

import math
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.chunks import FakeClock, Feed, lane

from taosbatch.batch import Batch
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane, Ticket

LANES = [lane(i) for i in range(5)]
MAX_BYTES, MAX_RECORDS, WORKERS = 400, 60, 2


@dataclass
class LaneModel:
    """What a lane must hold, in order, and when its head came; nothing of it before `due`."""

    values: list[bytes] = field(default_factory=list)
    since: list[float] = field(default_factory=list)
    due: float = -math.inf
    torn: bool = False
    holder: Batch | None = None


class QueueMachine(RuleBasedStateMachine):
    @initialize(minimum=st.integers(1, 12), maximum=st.integers(12, 25), linger=st.sampled_from([0.0, 1.0]))
    def start(self, minimum: int, maximum: int, linger: float) -> None:
        self.clock, self.feed = FakeClock(), Feed()
        self.rule = BatchRule(minimum, maximum, 200, linger)
        self.queue = BatchQueue(self.rule, MAX_BYTES, MAX_RECORDS, WORKERS, clock=self.clock)
        self.model = {key: LaneModel() for key in LANES}
        self.held: list[Batch] = []
        self.ticket_of: dict[bytes, Ticket] = {}
        self.taken: set[Ticket] = set()
        self.refused = False
        self.largest = 0
        self.assigned = 1

    @rule(key=st.sampled_from(LANES), records=st.integers(1, 30), size=st.integers(1, 12))
    def put(self, key: Lane, records: int, size: int) -> None:
        chunk = self.feed.chunk(key, records, records * size)
        if self.queue.put(chunk):
            self.model[key].values += chunk.values
            self.ticket_of |= dict.fromkeys(chunk.values, chunk.ticket)
            self.model[key].since += [self.clock.now] * records
            self.largest = max(self.largest, chunk.nbytes)
        else:
            self.refused = True
            chunk.ticket.done(records)
            self.judge_refusal(key, records, chunk.nbytes)

    def judge_refusal(self, key: Lane, records: int, nbytes: int) -> None:
        q = self.queue
        total = q.nbytes + nbytes > MAX_BYTES or q.records + records > MAX_RECORDS
        here = len(self.model[key].values)
        in_lane = q.lane_bytes(key) + nbytes > q.lane_cap or here + records > MAX_RECORDS // self.assigned
        assert (q.records and total) or (here and in_lane)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 3.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(lanes=st.integers(1, 5))
    def rebalance(self, lanes: int) -> None:
        self.assigned = lanes
        self.queue.set_lanes(lanes)

    @rule()
    def take(self) -> None:
        available = [
            key for key, m in self.model.items() if m.values and m.holder is None and m.due <= self.clock.now
        ]
        share = -(-(len(available) + sum(m.holder is not None for m in self.model.values())) // WORKERS)
        batch = self.queue.take(timeout=0)
        if batch is None:
            self.judge_nothing(available)
            return
        assert set(batch.lanes) <= set(available)
        assert len(batch.lanes) <= share
        assert batch.chunks
        assert len(batch) <= self.rule.max_records
        assert batch.nbytes <= self.rule.max_bytes
        assert batch.first_at == min(self.model[key].since[0] for key in batch.lanes)
        for chunk in batch.chunks:
            here = self.model[chunk.lane]
            assert here.holder in (None, batch)
            assert here.values[: len(chunk)] == chunk.values, "a lane's order was broken"
            del here.values[: len(chunk)], here.since[: len(chunk)]
            here.holder = batch
        self.taken |= {chunk.ticket for chunk in batch.chunks}
        self.held.append(batch)
        self.refused = False

    def judge_nothing(self, available: list[Lane]) -> None:
        assert not (available and self.refused and self.queue.fill >= 1)
        for key in available:
            here = self.model[key]
            assert self.clock.now < here.since[0] + self.rule.linger, "linger is over"
            assert len(here.values) < self.rule.min_records, "enough for a batch"
            assert not self.queue.lane_full(key)

    @precondition(lambda self: bool(getattr(self, "held", None)))
    @rule(data=st.data(), delay=st.sampled_from([0.0, 0.5, 2.0]), part=st.booleans())
    def finish(self, data: st.DataObject, delay: float, part: bool) -> None:
        chosen = data.draw(st.integers(0, len(self.held) - 1), label="batch")
        indices = st.sets(st.integers(0, len(self.held[chosen]) - 1))
        waiting = sorted(data.draw(indices, label="waiting")) if part else []
        # After all draws, since any of them may end the example: a batch taken out before would never be finished.
        batch = self.held.pop(chosen)
        back: dict[Lane, list[tuple[bytes, float]]] = {}
        stored = {id(c): len(c) for c in batch.chunks}
        for chunk, within in batch.by_chunk(waiting):
            due = self.clock.now + delay
            assert self.queue.park([chunk.subset(within)], due) == (0 if chunk.ticket.alive else len(within))
            stored[id(chunk)] -= len(within)
            if chunk.ticket.alive:
                back.setdefault(chunk.lane, []).extend((chunk.values[i], chunk.queued_at) for i in within)
                self.model[chunk.lane].due = max(self.model[chunk.lane].due, due)
        for chunk in batch.chunks:
            chunk.ticket.done(stored[id(chunk)])
        self.queue.finish(batch)
        for key in batch.lanes:
            here, returned = self.model[key], back.get(key, [])
            here.holder = None
            here.values[:0] = [value for value, _ in returned]
            here.since[:0] = [since for _, since in returned]
            here.torn = here.torn and bool(here.values)

    @rule(key=st.sampled_from(LANES), ahead=st.sampled_from([0.0, 1.0]))
    def hand_back(self, key: Lane, ahead: float) -> None:
        here, until = self.model[key], self.clock.now + ahead
        dropped = [v for chunk in self.queue.hand_back([key], until) for v in chunk.values]
        left = len(here.values) - len(dropped)
        here.torn |= here.due > until
        assert left == (0 if here.torn else self.begun(key))
        assert here.values[left:] == dropped
        del here.values[left:], here.since[left:]
        if here.torn:
            here.due = -math.inf
        if here.holder is None and not here.values:
            here.torn = False

    def begun(self, key: Lane) -> int:
        """How many of the lane's values are of a ticket of which some were taken."""
        return sum(self.ticket_of[value] in self.taken for value in self.model[key].values)

    @rule(key=st.sampled_from(LANES))
    def revoke(self, key: Lane) -> None:
        self.feed.tracker.end([key])
        dropped = self.queue.drop([key])
        here = self.model[key]
        assert [v for chunk in dropped for v in chunk.values] == here.values
        here.values.clear()
        here.since.clear()
        here.due, here.torn = -math.inf, False

    @invariant()
    def counts_and_bounds_hold(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert self.queue.records == sum(len(m.values) for m in self.model.values())
        assert self.queue.held_bytes == sum(b.nbytes for b in self.held)
        assert self.queue.nbytes == sum(self.queue.lane_bytes(key) for key in LANES)
        assert (self.queue.nbytes == 0) or self.queue.records
        assert self.queue.nbytes + self.queue.held_bytes <= max(MAX_BYTES, self.largest) + 5 * 200
        for key, m in self.model.items():
            assert (key in self.queue.parked()) <= (m.holder is None and bool(m.values))

    def teardown(self) -> None:
        if not hasattr(self, "queue"):
            return
        self.queue.close()
        while self.held or self.queue.records:
            self.clock.now += 10
            self.take()
            for batch in self.held:
                for key in batch.lanes:
                    self.model[key].holder = None
                self.queue.finish(batch)
            self.held.clear()
        assert self.queue.wait_empty(timeout=0)
        assert (self.queue.nbytes, self.queue.held_bytes) == (0, 0)
        assert not any(m.values for m in self.model.values())


QueueMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestQueue = QueueMachine.TestCase
