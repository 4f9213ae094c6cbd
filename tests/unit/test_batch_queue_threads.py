"""Real threads that park, finish and lose lanes at random: order, ownership and the account must hold."""

import random
import threading
import time
from collections import defaultdict

import pytest
from support.chunks import lane

from taosbatch.batch import Batch, Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane, OffsetTracker
from taosbatch.worker_pool import WorkerPool

LANES = [lane(i) for i in range(6)]
RECORDS = 1500
WORKERS = 4


class World:
    """A log of RECORDS offsets per lane, read like a partition; what was written, by epoch and in order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tracker = OffsetTracker()
        self.queue = BatchQueue(BatchRule(20, 60, 600, 0.002), 3000, 1000, WORKERS)
        self.position = dict.fromkeys(LANES, 0)
        self.written: dict[tuple[Lane, int], list[int]] = defaultdict(list)
        self.writing: set[Lane] = set()
        self.lock = threading.Lock()
        self.faults: list[str] = []
        self.bound = 0

    def fault(self, worker: str, error: BaseException, lanes: tuple[Lane, ...]) -> None:
        self.faults.append(f"{worker}: {error!r} {lanes}")

    def make_handler(self, index: int) -> "Writer":
        return Writer(self, random.Random(f"{index}"))

    def feed(self, refused: dict[Lane, Chunk]) -> bool:
        """One poll: the next chunk of some lanes; a refused one is offered again before its lane goes on."""
        for key in self.random.sample(LANES, 3):
            chunk = refused.pop(key, None) or self.next_chunk(key)
            if chunk is not None and not self.queue.put(chunk):
                refused[key] = chunk
        self.bound = max(self.bound, self.queue.nbytes + self.queue.held_bytes)
        return bool(refused) or any(at < RECORDS for at in self.position.values())

    def next_chunk(self, key: Lane) -> Chunk | None:
        first = self.position[key]
        records = min(self.random.randint(1, 40), RECORDS - first)
        if not records:
            return None
        self.position[key] = first + records
        ticket = self.tracker.open(key, first, first + records, records)
        values = [b"%d" % i for i in range(first, first + records)]
        return Chunk(key, values, values, ticket, 10 * records)

    def committed(self, key: Lane) -> int:
        stands = self.tracker.lanes()[key]
        return stands.committed or 0 if stands.committable is None else stands.committable

    def revoke(self, refused: dict[Lane, Chunk]) -> None:
        """Takes a lane away and gets it back at once, from its committed offset."""
        key = self.random.choice(LANES)
        committed = self.committed(key)
        self.tracker.end([key])
        self.queue.drop([key])
        refused.pop(key, None)
        self.tracker.assign([key], committed={key: committed})
        self.position[key] = committed


class Writer:
    """Writes a prefix of each chunk, then parks the rest of its lane, sometimes slowly."""

    def __init__(self, world: World, rand: random.Random) -> None:
        self.world = world
        self.random = rand

    def __call__(self, batch: Batch) -> None:
        world = self.world
        with world.lock:
            taken_twice = world.writing & set(batch.lanes)
            world.writing |= set(batch.lanes)
        assert not taken_twice
        if self.random.random() < 0.2:
            time.sleep(0.002)
        stopped: set[Lane] = set()
        for chunk in batch.chunks:
            if not chunk.ticket.alive:
                continue
            keep = 0 if chunk.lane in stopped else len(chunk)
            if keep and self.random.random() < 0.2:
                keep = self.random.randrange(len(chunk))
            world.written[chunk.lane, chunk.ticket.epoch] += [int(v) for v in chunk.values[:keep]]
            chunk.ticket.done(keep)
            if keep < len(chunk):
                stopped.add(chunk.lane)
                due = time.monotonic() + self.random.choice([0.0, 0.001, 0.01])
                world.queue.park([chunk.subset(range(keep, len(chunk)))], due)
        with world.lock:
            world.writing -= set(batch.lanes)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("seed", range(3))
def test_order_ownership_and_account_hold_under_threads(seed: int) -> None:
    """Each epoch writes its lane's offsets in order without a hole, all of them end, memory is bounded."""
    world = World(seed)
    world.queue.set_lanes(len(LANES))
    world.tracker.assign(LANES)
    pool = WorkerPool(world.queue, world.make_handler, WORKERS, on_error=world.fault)
    pool.start()
    refused: dict[Lane, Chunk] = {}
    polls = 0
    while world.feed(refused):
        polls += 1
        if polls % 50 == 0:
            world.revoke(refused)
        if refused:
            time.sleep(0.0005)
    world.queue.close()
    assert world.queue.wait_empty(timeout=30)
    assert pool.join(time.monotonic() + 10) == []
    assert world.faults == []
    for (key, epoch), offsets in world.written.items():
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets))), (key, epoch)
    for key in LANES:
        assert {i for (k, _), offsets in world.written.items() if k == key for i in offsets} == set(
            range(RECORDS)
        )
        assert world.committed(key) == RECORDS
    assert (world.queue.nbytes, world.queue.held_bytes, world.tracker.pending_records) == (0, 0, 0)
    assert world.bound <= 3000 + WORKERS * 600
