"""What a revoke waits for, and for how long."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.chunks import Feed, lane

from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane
from taosink.kafka.intake import Intake
from taosink.kafka.observer import SourceObserver
from taosink.kafka.rebalance import Rebalance

A, B = lane(0), lane(1)
DEADLINE = 1.5


class Client:
    """Stands for the parts that talk to a broker: commits are counted, the broker answers."""

    lanes: frozenset[Lane] = frozenset()
    brokers_down = False

    def __init__(self) -> None:
        self.commits = 0
        self.proven = True

    def holds(self) -> bool:
        return self.proven

    def now(self) -> bool:
        self.commits += 1
        return True

    def remove(self, lanes: list[Lane]) -> None:
        del lanes


class Told(SourceObserver):
    pending = -1

    def revoked(self, lanes: Any, pending: int, *, lost: bool) -> None:
        del lanes
        assert not lost
        self.pending = pending


class Rig:
    def __init__(self) -> None:
        self.feed, self.told = Feed(), Told()
        self.client: Any = Client()
        tracker = self.feed.tracker
        self.queue = BatchQueue(BatchRule(linger=60), 1 << 20, 1_000, workers=1)
        self.intake = Intake(tracker, self.queue, overflow_bytes=1, max_ahead=1, clock=time.monotonic)
        self.can_finish = True
        self.rebalance = Rebalance(
            tracker,
            self.queue,
            self.intake,
            self.client,
            self.client,
            self.client,
            self.client,
            self.told,
            time.monotonic,
            DEADLINE,
            lambda: self.can_finish,
        )
        self._timers: list[threading.Timer] = []

    def later(self, share: float, act: Callable[[], object]) -> None:
        """At a share of the deadline."""
        timer = threading.Timer(share * DEADLINE, act)
        self._timers.append(timer)
        timer.start()

    def revoke(self) -> float:
        """The share of the deadline that it took."""
        began = time.monotonic()
        self.rebalance._revoke([A, B])
        return (time.monotonic() - began) / DEADLINE

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join()


@pytest.fixture
def rig() -> Iterator[Rig]:
    found = Rig()
    yield found
    found.close()


def test_with_nothing_on_its_way_it_commits_once_and_goes(rig: Rig) -> None:
    """A second commit could block for as long as the first."""
    rig.client.proven = False
    rig.feed.tracker.assign([A, B])
    assert rig.revoke() < 0.5
    assert (rig.client.commits, rig.told.pending) == (1, 0)


@pytest.mark.parametrize("behind", [False, True])
def test_it_waits_for_letters_that_are_not_acknowledged(rig: Rig, behind: bool) -> None:
    """The queue is long empty, or handed back: written again they would be two letters."""
    letter = rig.feed.chunk(A, 2)
    if behind:
        rig.queue.put(rig.feed.chunk(B, 5))
    rig.later(0.8, lambda: letter.ticket.done(2))
    assert 0.7 < rig.revoke() < 1.3
    assert rig.told.pending == (5 if behind else 0)


def test_what_a_worker_holds_ends_and_the_backlog_is_handed_back(rig: Rig) -> None:
    """Time for the statement on its way, none for what was not begun."""
    rig.queue.put(rig.feed.chunk(A, 5))
    held = rig.queue.take(0.0)
    assert held is not None
    for backlog in (rig.feed.chunk(A, 7), rig.feed.chunk(B, 9)):
        rig.queue.put(backlog)

    def finish() -> None:
        held.chunks[0].ticket.done(5)
        rig.queue.finish(held)

    rig.later(0.65, finish)
    assert rig.revoke() < 0.95
    assert rig.told.pending == 16
    assert rig.queue.wait_empty(0)


@pytest.mark.parametrize("can_finish", [True, False])
def test_it_ends_with_its_deadline_at_the_latest(rig: Rig, can_finish: bool) -> None:
    """A worker that hangs is left behind; with the database away nothing is waited for."""
    rig.can_finish = can_finish
    rig.queue.put(rig.feed.chunk(A, 5))
    held = rig.queue.take(0.0)
    assert held is not None
    assert rig.revoke() < (1.3 if can_finish else 0.5)
    assert rig.told.pending == 5
    rig.queue.finish(held)
