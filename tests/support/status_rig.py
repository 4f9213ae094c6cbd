"""A consumer's parts as the status listener sees them: real ones, but for Kafka's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from taosbatch.batch import Chunk
from taosbatch.batch_queue import BatchQueue
from taosbatch.batch_rule import BatchRule
from taosbatch.breaker import BreakerRule, Verdict
from taosbatch.offsets import Lane, OffsetTracker
from taosbatch.worker_pool import WorkerPool
from taosink.budget import divide
from taosink.kafka.dead_letters import DeadLetterState, KafkaDeadLetters
from taosink.kafka.errors import SourceFault
from taosink.kafka.source import Ends, Outcome, Source, View
from taosink.observe.counters import Counters
from taosink.observe.happenings import Happenings
from taosink.observe.health import Rule
from taosink.observe.meters import Meters
from taosink.observe.status.look import Looker
from taosink.observe.status.parts import Facts, Parts
from taosink.observe.waits import Waits
from taosink.poison_gate import Breakers

A, B = Lane("t", 0), Lane("t", 1)
BUDGET = 256 << 20


@dataclass
class SeenSource:
    """What is looked at of a source."""

    view: View = field(default_factory=lambda: View(frozenset({A, B})))
    lag: Mapping[Lane, int] = field(default_factory=dict)
    ends: Ends = field(default_factory=lambda: Ends(1000.0, {}))
    beat: float = 1000.0
    confirmed: float = 1000.0
    protocol: str = "consumer"
    assigned: bool = True
    answered: bool = True
    fault: SourceFault | None = None
    outcome: Outcome | None = None
    member: bool = True

    def holds(self) -> bool:
        return self.member


@dataclass
class SeenLetters:
    """The same of the dead letters."""

    blocked: Mapping[str, str] = field(default_factory=dict)

    def state(self) -> DeadLetterState:
        return DeadLetterState(self.blocked, 2, 300, 7, 1)


@dataclass
class SeenReporter:
    beat: float = 1000.0


def unused(*_: object) -> Any:
    raise AssertionError("the pool is not started")


class StatusRig:
    """`now` is both clocks: seconds since 1970 and monotonic."""

    def __init__(self, *, no_progress: float = 120.0, settings: Mapping[str, Any] | None = None) -> None:
        self.now = 1000.0
        self.source = SeenSource()
        self.letters = SeenLetters()
        self.reporter = SeenReporter()
        self.tracker = OffsetTracker()
        self.tracker.assign([A, B], committed={A: 0, B: 0})
        self.queue = BatchQueue(BatchRule(), 1 << 20, 10_000, 1, clock=lambda: self.now)
        self.pool = WorkerPool(self.queue, unused, 4, on_error=unused)
        self.counters = Counters()
        self.meters = Meters(clock=lambda: self.now)
        self.waits = Waits(needs_operator=lambda _: False, clock=lambda: self.now)
        self.breakers = Breakers(BreakerRule())
        self.seen = Happenings(clock=lambda: self.now)
        self.stopping = False
        self.parts = Parts(
            source=cast(Source, self.source),
            tracker=self.tracker,
            queue=self.queue,
            pool=self.pool,
            dead_letters=cast(KafkaDeadLetters, self.letters),
            counters=self.counters,
            meters=self.meters,
            waits=self.waits,
            breakers=self.breakers,
            reporter=self.reporter,
            letters=self.seen,
            known_tables=lambda: 17,
            needs_operator=lambda _: False,
            stopping=lambda: self.stopping,
        )
        self.facts = Facts(
            "taosink-test", "g", ("t",), "0", 4, BUDGET, divide(BUDGET, 4), 5.0, 1.0, settings or {},
            Rule(no_progress=no_progress),
        )  # fmt: skip
        self.looker = Looker(self.parts, self.facts, clock=lambda: self.now, wall=lambda: self.now)

    def deliver(self, lane: Lane, *values: bytes, stamp: float | None = None) -> Chunk:
        """One chunk, tracked and queued."""
        first = self.tracker.lanes()[lane].delivered or 0
        ticket = self.tracker.open(lane, first, first + len(values), len(values), now=self.now, stamp=stamp)
        chunk = Chunk(lane, list(values), [object()] * len(values), ticket, sum(map(len, values)))
        assert self.queue.put(chunk)
        self.counters.consumed(lane, len(values), chunk.nbytes)
        return chunk

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.source.beat = self.reporter.beat = self.now

    def stop_by_poison(self, chunk: Chunk) -> None:
        """Opens the breaker of the chunk's lane."""
        assert self.breakers.of(chunk.ticket).judge([(Verdict.REFUSED, 1000)], self.now)
