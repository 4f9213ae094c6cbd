"""A source with its queue and a stand-in for the workers, for tests of the source alone."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from taosbatch.batch import Batch
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.errors import QueueClosedError
from taosbatch.offsets import Lane, OffsetTracker
from taosink.kafka.observer import SourceObserver
from taosink.kafka.options import SourceOptions
from taosink.kafka.source import Source


def wait_for(condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> None:
    """Returns when the condition holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what or condition}"
        time.sleep(0.01)


@dataclass
class Seen(SourceObserver):
    """What the source reported."""

    failed_commits: list[str] = field(default_factory=list)
    lost: dict[Lane, int] = field(default_factory=dict)
    assignments: list[frozenset[Lane]] = field(default_factory=list)
    revocations: list[tuple[frozenset[Lane], int, bool]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    commits: int = 0
    chunks: list[int] = field(default_factory=list)

    def consumed(self, lane: Lane, records: int, nbytes: int) -> None:
        del lane, records
        self.chunks.append(nbytes)

    def assigned(self, lanes: Any) -> None:
        self.assignments.append(frozenset(lanes))

    def revoked(self, lanes: Any, pending: int, *, lost: bool) -> None:
        self.revocations.append((frozenset(lanes), pending, lost))

    def committed(self, lanes: Any) -> None:
        self.commits += len(lanes)

    def commit_failed(self, error: str, *, revoking: bool) -> None:
        self.failed_commits.append(("revoking: " if revoking else "") + error)

    def lost_by_broker(self, lane: Lane, records: int) -> None:
        self.lost[lane] = self.lost.get(lane, 0) + records

    def client_error(self, name: str) -> None:
        self.errors.append(name)


class Rig:
    """`gate` open: batches end as they come. Closed (from the start
    with `closed`): a worker holds what it took until it opens (of partition
    `gated` only, where given). `pace`: seconds that a batch takes. `sent` is what a database would have got,
    `offsets` what ended as well."""

    def __init__(
        self,
        options: SourceOptions,
        *,
        queue_bytes: int = 64 << 20,
        can_finish: Callable[[], bool] = lambda: True,
        gated: int | None = None,
        closed: bool = False,
        source: Callable[..., Source] = Source,
    ) -> None:
        self.tracker = OffsetTracker()
        rule = BatchRule(min_records=1, max_records=2_000, max_bytes=queue_bytes, linger=0.01)
        self.queue = BatchQueue(rule, queue_bytes, 10_000_000, workers=2)
        self.seen = Seen()
        self.source = source(
            options, tracker=self.tracker, queue=self.queue, observer=self.seen, can_finish=can_finish
        )
        self._gated = gated
        self.gate = threading.Event()
        if not closed:
            self.gate.set()
        self.pace = 0.0
        self.tell: Callable[[list[tuple[int, int]]], None] = lambda _ended: None
        self.values: list[bytes] = []
        self.offsets: list[tuple[int, int]] = []
        self.sent: list[tuple[int | None, int | None]] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, name=f"worker-{n}") for n in range(2)]
        self._threads.append(threading.Thread(target=self.source.run, name="poll"))

    def _work(self) -> None:
        while True:
            try:
                batch = self.queue.take()
            except QueueClosedError:
                return
            if batch is not None:
                self._write(batch)
                self.queue.finish(batch)

    def _write(self, batch: Batch) -> None:
        if self._gated is None or any(lane.partition == self._gated for lane in batch.lanes):
            self.gate.wait()
        sent = [chunk for chunk in batch.chunks if chunk.ticket.alive]
        with self._lock:
            self.sent += [(m.partition(), m.offset()) for chunk in sent for m in chunk.sources]
        time.sleep(self.pace)
        for chunk in sent:
            if not chunk.ticket.alive:
                continue
            with self._lock:
                self.values += chunk.values
                ended = [(m.partition(), m.offset()) for m in chunk.sources]
                self.offsets += ended
                self.tell(ended)
            chunk.ticket.done(len(chunk))

    def start(self) -> "Rig":
        for thread in self._threads:
            thread.start()
        return self

    def drain(self, seconds: float = 20.0) -> None:
        """The owner's stop: quiet, queue closed, workers joined, source left."""
        self.source.stop(time.monotonic() + seconds)
        self.source.wait_quiet(seconds)
        self.queue.close()
        for thread in self._threads[:-1]:
            thread.join(seconds)
        self.source.drained()
        assert self.source.wait(seconds), self.source
        self._threads[-1].join(seconds)

    def abandon(self) -> None:
        """Ends everything, whatever is pending."""
        self.source.stop(0.0)
        self.source.drained()
        self.gate.set()
        self.queue.abandon()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), thread


@contextmanager
def running(options: SourceOptions, **more: Any) -> Iterator[Rig]:
    rig = Rig(options, **more).start()
    try:
        yield rig
    finally:
        rig.abandon()
