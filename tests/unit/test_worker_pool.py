import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support.chunks import Feed, lane

from taosbatch.batch import Batch
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane
from taosbatch.worker_pool import WorkerPool

A, B = lane(0), lane(1)


class Recorder:
    """A handler that says which thread built, called and closed it; `work` is what it does with a batch."""

    def __init__(self, log: list[tuple[str, str]], work: Callable[[Batch], None]) -> None:
        self.log = log
        self.work = work
        self.note("built")

    def note(self, what: str) -> None:
        self.log.append((threading.current_thread().name, what))

    def __call__(self, batch: Batch) -> None:
        self.note("called")
        self.work(batch)

    def close(self) -> None:
        self.note("closed")


@pytest.fixture
def queue() -> Iterator[BatchQueue]:
    made = BatchQueue(BatchRule(1, 100, 10_000, 0.0), 10_000, 1000, 2)
    yield made
    made.abandon()


Defect = tuple[str, BaseException, tuple[Lane, ...]]


def store(batch: Batch) -> None:
    for chunk in batch.chunks:
        chunk.ticket.done(len(chunk))


def soon() -> float:
    return time.monotonic() + 10


def test_each_worker_builds_uses_and_closes_its_own_handler(queue: BatchQueue) -> None:
    """A handler lives in one named thread, so it may own a connection; the drain ends the threads."""
    log: list[tuple[str, str]] = []
    feed = Feed()
    pool = WorkerPool(queue, lambda _: Recorder(log, store), 2, on_error=lambda *_: None)
    pool.start()
    assert pool.alive == 2
    for key in (A, B):
        queue.put(feed.chunk(key, 3))
    queue.close()
    assert queue.wait_empty(timeout=10)
    assert pool.join(soon()) == []
    assert feed.tracker.committable() == {A: 3, B: 3}
    for name in ("worker-0", "worker-1"):
        mine = [what for who, what in log if who == name]
        assert mine[0] == "built"
        assert mine[-1] == "closed"
        assert set(mine[1:-1]) <= {"called"}
    assert sum(what == "called" for _, what in log) >= 1


def test_a_defect_is_reported_with_its_lanes_and_ends_its_worker_alone(queue: BatchQueue) -> None:
    """The lanes are free again, the tickets stay open, so nothing of the batch is committed; others go on."""
    defects: list[Defect] = []
    reported = threading.Event()
    log: list[tuple[str, str]] = []
    feed = Feed()

    def work(batch: Batch) -> None:
        if batch.lanes == (A,):
            raise KeyError("unexpected")
        store(batch)

    def on_error(worker: str, error: BaseException, lanes: tuple[Lane, ...]) -> None:
        assert queue.held_bytes == 0
        defects.append((worker, error, lanes))
        reported.set()

    pool = WorkerPool(queue, lambda _: Recorder(log, work), 2, on_error=on_error)
    pool.start()
    queue.put(feed.chunk(A, 3))
    assert reported.wait(10)
    queue.put(feed.chunk(B, 3))
    queue.close()
    assert pool.join(soon()) == []
    ((worker, error, lanes),) = defects
    assert isinstance(error, KeyError)
    assert lanes == (A,)
    assert (worker, "closed") in log
    assert feed.tracker.pending(A) == 3
    assert feed.tracker.committable() == {A: 0, B: 3}
    assert "alive=0" in repr(pool)


def test_a_handler_that_cannot_be_built_is_a_defect_without_lanes(queue: BatchQueue) -> None:
    """Each worker that fails at its start is reported; no batch was touched."""
    defects: list[Defect] = []

    def make(index: int) -> Recorder:
        raise RuntimeError(f"no handler {index}")

    pool = WorkerPool(queue, make, 2, on_error=lambda *defect: defects.append(defect))
    pool.start()
    assert pool.join(soon()) == []
    assert sorted((worker, lanes) for worker, _, lanes in defects) == [("worker-0", ()), ("worker-1", ())]


def test_a_stuck_worker_is_named_within_one_deadline(queue: BatchQueue) -> None:
    """The deadline is for all threads together; `abandoned` is set, and what was not begun never is."""
    stuck, release = threading.Semaphore(0), threading.Event()
    feed = Feed()

    def work(_: Batch) -> None:
        stuck.release()
        release.wait(30)

    pool = WorkerPool(queue, lambda _: Recorder([], work), 2, on_error=lambda *_: None)
    assert pool.join(soon()) == [], "not started is not running"
    pool.start()
    for key in (A, B):
        queue.put(feed.chunk(key, 1))
        assert stuck.acquire(timeout=10)
    assert set(pool.busy_since()) == {"worker-0", "worker-1"}
    assert all(since <= time.monotonic() for since in pool.busy_since().values())
    queue.put(feed.chunk(A, 1))
    pool.abandon()
    assert pool.abandoned.is_set()
    began = time.monotonic()
    assert pool.join(began + 0.2) == ["worker-0", "worker-1"]
    assert time.monotonic() - began < 0.35
    assert "busy=['worker-0', 'worker-1'] abandoned=True" in repr(pool)
    release.set()
    assert pool.join(soon()) == []
    assert pool.busy_since() == {}
    assert queue.records == 0
    assert feed.tracker.pending(A) == 2


def test_a_stuck_worker_does_not_keep_the_others(queue: BatchQueue) -> None:
    """After abandon the workers without a batch end at once, whatever another still holds."""
    stuck, release = threading.Event(), threading.Event()
    feed = Feed()

    def work(_: Batch) -> None:
        stuck.set()
        release.wait(30)

    given = threading.Event()
    pool = WorkerPool(queue, lambda _: Recorder([], work), 3, on_error=lambda *_: None, abandoned=given)
    pool.start()
    queue.put(feed.chunk(A, 1))
    assert stuck.wait(10)
    (busy,) = pool.busy_since()
    pool.abandon()
    assert given.is_set()
    assert pool.join(time.monotonic() + 0.3) == [busy]
    release.set()
    assert pool.join(soon()) == []
