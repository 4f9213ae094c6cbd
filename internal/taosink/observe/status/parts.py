"""What the status listener looks at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from taosbatch.batch_queue import BatchQueue
from taosbatch.offsets import OffsetTracker
from taosbatch.worker_pool import WorkerPool
from taosink.budget import Shares
from taosink.kafka.dead_letters import KafkaDeadLetters
from taosink.kafka.source import Source
from taosink.observe.counters import Counters
from taosink.observe.happenings import Happenings
from taosink.observe.health import Rule
from taosink.observe.meters import Meters
from taosink.observe.waits import Waits
from taosink.poison_gate import Breakers


class Beating(Protocol):
    beat: float


class Answering(Protocol):
    """Answers of the worker to devices, where they are switched on."""

    def counts(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """A running consumer's parts, looked at and never changed, but for a breaker that an operator closes."""

    source: Source
    tracker: OffsetTracker
    queue: BatchQueue
    pool: WorkerPool
    dead_letters: KafkaDeadLetters
    counters: Counters
    meters: Meters
    waits: Waits
    breakers: Breakers
    reporter: Beating
    letters: Happenings
    known_tables: Callable[[], int]
    needs_operator: Callable[[Exception], bool]
    stopping: Callable[[], bool]
    replies: Answering | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while it runs. `settings` are as a person reads them, without secrets."""

    member: str
    group: str
    topics: tuple[str, ...]
    version: str
    workers: int
    budget: int
    shares: Shares
    revoke_deadline: float
    stats_interval: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    rule: Rule = field(default_factory=Rule)
