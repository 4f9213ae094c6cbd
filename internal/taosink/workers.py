"""What the workers of one consumer share, and the handler that each of them gets."""

import threading
from collections.abc import Callable

from taosbatch.batch_queue import BatchQueue
from taosink import wiring
from taosink.clients import taos_driver
from taosink.config import ConsumerSettings
from taosink.observe.counters import Counters
from taosink.observe.meters import MeteredDriver, MeteredEncoder, MeteredHandler, Meters
from taosink.observe.waits import Waits
from taosink.pacing import Pace, unpaced
from taosink.pipeline import Pipeline
from taosink.poison_gate import Breakers
from taosink.ports import DeadLetters, PoisonGate, StoredAnswers
from taosink.taos.known_tables import KnownTables
from taosink.taos.unknown_numbers import UnknownNumbers
from taosink.taos.writer import SqlBatchWriter


class Workers:
    """One connection a worker; what they have learned of the schema and of subtables is shared."""

    def __init__(
        self,
        settings: ConsumerSettings,
        dead_letters: DeadLetters,
        queue: BatchQueue,
        *,
        counters: Counters,
        meters: Meters,
        waits: Waits,
        holds: Callable[[], bool],
        abandoned: threading.Event,
        replies: StoredAnswers | None = None,
    ) -> None:
        self.breakers = Breakers(wiring.breaker_rule(settings))
        self.known = KnownTables()
        self._settings = settings
        self._dead_letters = dead_letters
        self._queue = queue
        self._counters = counters
        self._meters = meters
        self._waits = waits
        self._holds = holds
        self._abandoned = abandoned
        self._replies = replies
        self._encoder = MeteredEncoder(wiring.encoder(settings.tables.route), meters)
        self._schema, self._unknown = wiring.live_schema(settings), UnknownNumbers()
        rate = settings.queue.max_rate
        self._pace: Callable[[int], None] = Pace(rate, abandoned.wait) if rate else unpaced

    def __repr__(self) -> str:
        return f"<Workers {self.known!r} {self.breakers!r}>"

    def handler(self, _index: int) -> MeteredHandler:
        """Called in the worker's own thread."""
        pipeline = Pipeline(
            self._writer,
            self._dead_letters,
            self._queue,
            counters=self._counters,
            waits=self._waits,
            breakers=self.breakers,
            abandoned=self._abandoned.is_set,
            holds=self._holds,
            pace=self._pace,
            replies=self._replies,
        )
        return MeteredHandler(pipeline, self._meters)

    def _writer(self, allow_poison: PoisonGate) -> SqlBatchWriter:
        return SqlBatchWriter(
            MeteredDriver(taos_driver(self._settings.taos), self._meters),
            self._encoder,
            self._schema,
            known=self.known,
            unknown=self._unknown,
            allow_poison=allow_poison,
        )
