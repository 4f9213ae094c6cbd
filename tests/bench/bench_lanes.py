"""What lanes cost: the batch queue with its workers, a database that only takes time, and the lane rule on or off.

A lane is a partition, and is with one worker at a time. Without the rule every chunk is a lane of its own, so
that any worker takes any chunk: the same code, the order within a partition given up. A statement takes
--base-ms and --row-us for each of its rows, without the GIL, as a driver's call does. The backlog never ends:
whoever reads Kafka has the next poll ready, a thousand records of one partition, partitions in turn; `skewed`
gives every second poll to one of them. Each figure is the median of --repeats runs of --seconds.

    bench_lanes.py [--seconds S] [--repeats N] [--workers N] [--base-ms MS] [--row-us US] [--json]
"""

import argparse
import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from taosbatch.batch import Batch, Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.offsets import Lane, OffsetTracker
from taosbatch.worker_pool import WorkerPool

POLL = 1000
RECORD_BYTES = 356
QUEUED = 200_000
"""Records, the default of max.queue.size; sizes of batches are the defaults too."""
CASES = ((1, False), (4, False), (10, False), (10, True))


@dataclass(frozen=True, slots=True)
class Setting:
    seconds: float
    repeats: int
    workers: int
    base_ms: float
    row_us: float


@dataclass(frozen=True, slots=True)
class Figure:
    partitions: int
    skewed: bool
    lanes: bool
    rows_per_second: int
    batch_rows: int
    busy_workers: float


class Database:
    """Takes time, and counts."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self.rows = self.statements = 0
        self.busy = 0.0

    def __call__(self, batch: Batch) -> None:
        seconds = self._setting.base_ms / 1e3 + len(batch) * self._setting.row_us / 1e6
        time.sleep(seconds)
        for chunk in batch.chunks:
            chunk.ticket.done(len(chunk))
        with self._lock:
            self.rows += len(batch)
            self.statements += 1
            self.busy += seconds

    def close(self) -> None:
        """Nothing is open."""


def polled(partitions: int, skewed: bool) -> Iterator[int]:
    """The partition of each poll."""
    for n in itertools.count():
        yield 0 if skewed and n % 2 else n // (2 if skewed else 1) % partitions


def run(setting: Setting, partitions: int, *, skewed: bool, lanes: bool) -> Figure:
    queue = BatchQueue(BatchRule(min_records=5000), 80 << 20, QUEUED, setting.workers)
    queue.set_lanes(partitions if lanes else 1)
    source, database = Source(), Database(setting)
    pool = WorkerPool(queue, lambda _: database, setting.workers, on_error=_raise)
    pool.start()
    begun = time.monotonic()
    waiting: dict[int, Chunk] = {}
    for n, partition in enumerate(polled(partitions, skewed)):
        if time.monotonic() - begun >= setting.seconds:
            break
        if (held := waiting.pop(partition, None)) is not None and not queue.put(held, 0.0):
            waiting[partition] = held  # as a partition that is paused: the others are read on
            time.sleep(0.0002)
            continue
        chunk = source.chunk(Lane("bench", partition if lanes else n))
        if not queue.put(chunk, 0.0):
            waiting[partition] = chunk
    took = time.monotonic() - begun
    rows, statements, busy = database.rows, database.statements, database.busy
    pool.abandon()
    pool.join(time.monotonic() + 30)
    return Figure(
        partitions, skewed, lanes, round(rows / took), round(rows / statements), round(busy / took, 2)
    )


class Source:
    """Chunks of any lane, a poll each."""

    def __init__(self) -> None:
        self._tracker = OffsetTracker()
        self._next: dict[Lane, int] = {}

    def chunk(self, lane: Lane) -> Chunk:
        if lane not in self._next:
            self._tracker.assign([lane])
        first = self._next.get(lane, 0)
        self._next[lane] = first + POLL
        ticket = self._tracker.open(lane, first, first + POLL, POLL)
        return Chunk(lane, [b""] * POLL, [None] * POLL, ticket, POLL * RECORD_BYTES)


def _raise(_worker: str, error: BaseException, _lanes: tuple[Lane, ...]) -> None:
    raise error


def median(setting: Setting, partitions: int, *, skewed: bool, lanes: bool) -> Figure:
    runs = [run(setting, partitions, skewed=skewed, lanes=lanes) for _ in range(setting.repeats)]
    return sorted(runs, key=lambda figure: figure.rows_per_second)[len(runs) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--base-ms", type=float, default=5.0)
    parser.add_argument("--row-us", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    setting = Setting(**options)
    figures = [
        median(setting, partitions, skewed=skewed, lanes=lanes)
        for partitions, skewed in CASES
        for lanes in (True, False)
    ]
    if as_json:
        print(json.dumps({"setting": asdict(setting), "figures": [asdict(f) for f in figures]}))  # noqa: T201 - it is what the command is for
        return
    print("partitions  workers      rows/s  rows a batch  workers busy")  # noqa: T201 - as above
    for figure in figures:
        where = f"{figure.partitions}{' skewed' if figure.skewed else ''}"
        how = "by lane" if figure.lanes else "free"
        print(  # noqa: T201 - as above
            f"{where:10}  {how:8} {figure.rows_per_second:10,}  {figure.batch_rows:12,}  {figure.busy_workers:12}"
        )


if __name__ == "__main__":
    main()
