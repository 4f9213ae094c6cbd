"""The order and the budget of a stop (2 s here): real queue and pool; source and letters note what they hear."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from taosbatch.batch import Batch, Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane, OffsetTracker
from taosbatch.worker_pool import WorkerPool
from taosink.kafka.source import Outcome
from taosink.stopping import Stopping

LANE = Lane("t", 0)


@dataclass
class NotedSource:
    told: list[str]
    tracker: OffsetTracker
    outcome: Outcome | None = None
    committed: bool = True
    leaves: bool = True
    deadline: float = 0.0

    def stop(self, deadline: float) -> None:
        self.told.append("pause")
        self.deadline = deadline

    def wait_quiet(self, timeout: float) -> bool:
        del timeout
        self.told.append("quiet")
        return True

    def drained(self) -> None:
        self.told.append("commit and leave")

    def wait(self, timeout: float | None = None) -> Outcome | None:
        del timeout
        if self.leaves:
            self.outcome = Outcome("stopped", self.committed, self.tracker.pending_records, closed=True)
        return self.outcome


@dataclass
class NotedLetters:
    told: list[str]
    left: int = 0
    timeouts: list[float] = field(default_factory=list)

    def flush(self, timeout: float) -> int:
        self.timeouts.append(timeout)
        self.told.append("flush letters")
        return self.left

    def close(self, timeout: float) -> int:
        del timeout
        self.told.append("close letters")
        return self.left


class Handler:
    def __init__(self, rig: "Rig") -> None:
        self.rig = rig

    def __call__(self, batch: Batch) -> None:
        self.rig.entered.set()
        self.rig.free.wait(20)
        if self.rig.stores:
            for chunk in batch.chunks:
                chunk.ticket.done(len(chunk))
        else:
            self.rig.queue.park(batch.chunks, self.rig.clock() + 0.5)

    def close(self) -> None:
        self.rig.told.append("worker closed")


class Rig:
    def __init__(self, seconds: float = 2.0) -> None:
        self.told: list[str] = []
        self.clock = time.monotonic
        self.begun = self.clock()
        self.stores = True
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()
        self.again = threading.Event()
        self.tracker = OffsetTracker()
        self.tracker.assign([LANE], committed={LANE: 0})
        self.queue = BatchQueue(BatchRule(linger=0.0), 1 << 20, 1000, 1, clock=self.clock)
        self.defects: list[Any] = []
        self.pool = WorkerPool(
            self.queue,
            lambda _: Handler(self),
            1,
            on_error=lambda *a: self.defects.append(a),
            clock=self.clock,
        )
        self.source = NotedSource(self.told, self.tracker)
        self.letters = NotedLetters(self.told)
        self.seconds = seconds
        self.pool.start()

    @property
    def took(self) -> float:
        return self.clock() - self.begun

    def put(self, records: int = 3) -> None:
        ticket = self.tracker.open(LANE, 0, records, records)
        assert self.queue.put(Chunk(LANE, [b"x"] * records, ["m"] * records, ticket, 10))

    def stopping(self) -> Stopping:
        return Stopping(
            source=self.source,  # type: ignore[arg-type] # what a stop asks of it, noted
            queue=self.queue,
            pool=self.pool,
            dead_letters=self.letters,
            seconds=self.seconds,
            again=self.again,
            clock=self.clock,
        )


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.free.set()
    made.pool.abandon()
    assert made.pool.join(made.clock() + 100) == []
    assert made.defects == []


def test_a_stop_that_drains_keeps_its_order(rig: Rig) -> None:
    """Pause, drain, letters, commit and leave, close: each needs what came before it."""
    rig.put()
    assert rig.stopping().run() is True
    assert rig.told == [
        "pause",
        "quiet",
        "worker closed",
        "flush letters",
        "commit and leave",
        "close letters",
    ]
    assert rig.tracker.committable() == {LANE: 3}


def test_an_outage_is_abandoned_before_the_deadline(rig: Rig) -> None:
    """At the end of its share of the deadline the parked rest is given up; it is still committed what had ended."""
    rig.stores = False
    rig.put()
    assert rig.stopping().run() is False
    assert "commit and leave" in rig.told
    assert 1.4 <= rig.took <= 2.5
    assert rig.tracker.pending_records == 3


def test_a_second_signal_abandons_at_once(rig: Rig) -> None:
    """Nobody waits for the drain any more."""
    rig.stores = False
    rig.put()
    rig.again.set()
    assert rig.stopping().run() is False
    assert rig.took < 1.0


def test_a_worker_in_a_call_that_does_not_return_is_left_behind(rig: Rig) -> None:
    """The deadline holds; the caller is told that a thread is stuck, and ends the process."""
    rig.free.clear()
    rig.put()
    assert rig.entered.wait(10)
    stopping = rig.stopping()
    assert stopping.run() is False
    assert stopping.stuck
    assert rig.took <= 2.6


def test_unacknowledged_letters_make_the_stop_incomplete(rig: Rig) -> None:
    """Their records are not committed: the exit code says that work was pending."""
    rig.letters.left = 2
    assert rig.stopping().run() is False
    assert all(0 < timeout < 2 for timeout in rig.letters.timeouts)


def test_a_commit_that_fails_is_told(rig: Rig) -> None:
    """Everything is stored, but the next owner will write it again."""
    rig.source.committed = False
    assert rig.stopping().run() is False


def test_leaving_the_group_under_a_dead_broker_is_given_up(rig: Rig) -> None:
    """A close that blocks is left to the process's end."""
    rig.source.leaves = False
    stopping = rig.stopping()
    assert stopping.run() is False
    assert stopping.stuck


def test_a_dead_client_ends_the_drain_at_once(rig: Rig) -> None:
    """Nothing can be committed through a dead handle, so nothing is waited for."""
    rig.stores = False
    rig.put()
    rig.source.outcome = Outcome("fatal", False, 3, closed=True)
    rig.source.leaves = False
    assert rig.stopping().run() is False
    assert rig.took < 1.2
