"""What is measured while batches are written: once a batch or statement, never once a record."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Sequence

from taosbatch.batch import Batch
from taosbatch.encoding import Encoded, Encoder, Layout, Stable
from taosbatch.worker_pool import Handler
from taosink.observe.histogram import Histogram
from taosink.ports import Driver, Result
from taosink.taos.errors import TaosError

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_RECORDS = (1, 10, 100, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000)
_BYTES = (1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 19, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
_STATEMENTS = (1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 3 << 18, 1 << 20)


class Meters:
    """One per consumer, shared by its workers and the polling thread. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.queue_seconds = Histogram(_SECONDS)
        self.encode_seconds = Histogram(_SECONDS)
        self.write_seconds = Histogram(_SECONDS)
        self.batch_records = Histogram(_RECORDS)
        self.batch_bytes = Histogram(_BYTES)
        self.statement_bytes = Histogram(_STATEMENTS)
        self._lock = threading.Lock()
        self._refused: Counter[str] = Counter()
        self._calls: dict[str, float] = {}
        self._taken = threading.local()

    def __repr__(self) -> str:
        return f"<Meters {self.batch_records!r}>"

    def taken(self, batch: Batch) -> None:
        """The calling thread has a batch. It counts once it is written: one that is put back unwritten, which happens
        fifty times a second while nothing may be written, is none."""
        self._taken.batch = batch

    def writing(self, records: int) -> None:
        """So many records of the calling thread's batch are written now; asked again for a batch it does nothing."""
        batch: Batch | None = getattr(self._taken, "batch", None)
        if batch is None:
            return
        self._taken.batch = None
        self.batch_records.observe(records)
        self.batch_bytes.observe(batch.nbytes * records // max(1, len(batch)))
        if not any(chunk.attempt for chunk in batch.chunks):
            self.queue_seconds.observe(max(0.0, self.clock() - batch.first_at))

    def refused(self, kind: str) -> None:
        """The database answered a statement with an error of this class."""
        with self._lock:
            self._refused[kind] += 1

    def refusals(self) -> dict[str, int]:
        with self._lock:
            return dict(self._refused)

    def call_begins(self) -> None:
        """The calling thread goes into the driver, for as long as that takes."""
        self._calls[threading.current_thread().name] = float("inf")

    def call_ends(self) -> None:
        self._calls[threading.current_thread().name] = self.clock()

    def last_calls(self) -> dict[str, float]:
        """Per thread, when it last came out of the driver; infinity for one that is in it."""
        return self._calls.copy()


class MeteredHandler:
    """A worker's handler with its batches measured."""

    def __init__(self, handler: Handler, meters: Meters) -> None:
        self._handler = handler
        self._meters = meters

    def __call__(self, batch: Batch) -> None:
        self._meters.taken(batch)
        self._handler(batch)

    def close(self) -> None:
        self._handler.close()


class MeteredEncoder:
    """A `taosbatch.encoding.Encoder` with its time measured."""

    def __init__(self, encoder: Encoder, meters: Meters) -> None:
        self._encoder = encoder
        self._meters = meters

    def encode(self, values: Sequence[bytes], layout: Layout, known: Container[str]) -> Encoded:
        self._meters.writing(len(values))
        begun = self._meters.clock()
        encoded = self._encoder.encode(values, layout, known)
        self._meters.encode_seconds.observe(self._meters.clock() - begun)
        return encoded

    def infer(self, values: Sequence[bytes], layout: Layout) -> Sequence[Stable]:
        return self._encoder.infer(values, layout)


class MeteredDriver:
    """A `taosink.ports.Driver` with its statements measured, and known to be in a call while it is."""

    def __init__(self, driver: Driver, meters: Meters) -> None:
        self._driver = driver
        self._meters = meters

    def __repr__(self) -> str:
        return repr(self._driver)

    def execute(self, sql: bytes | str) -> int:
        meters = self._meters
        begun = meters.clock()
        meters.call_begins()
        try:
            return self._driver.execute(sql)
        except TaosError as error:
            meters.refused(error.kind.value)
            raise
        finally:
            meters.call_ends()
            if isinstance(sql, bytes):  # what defines tables is text
                meters.write_seconds.observe(meters.clock() - begun)
                meters.statement_bytes.observe(len(sql))

    def query(self, sql: str) -> Result:
        self._meters.call_begins()
        try:
            return self._driver.query(sql)
        finally:
            self._meters.call_ends()

    def close(self) -> None:
        self._driver.close()
