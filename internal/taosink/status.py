"""The consumer's parts for its status listener: what it may look at, and what a person may see of the settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from taosbatch.batch_queue import BatchQueue
from taosbatch.offsets import OffsetTracker
from taosbatch.worker_pool import WorkerPool
from taosink import __version__, wiring
from taosink.budget import divide
from taosink.clients import taos_address
from taosink.config import ConsumerSettings
from taosink.kafka.dead_letters import KafkaDeadLetters
from taosink.kafka.source import Source
from taosink.observe.counters import Counters
from taosink.observe.happenings import Happenings
from taosink.observe.health import Rule
from taosink.observe.meters import Meters
from taosink.observe.reporting import Reporter
from taosink.observe.status.look import Looker
from taosink.observe.status.parts import Answering, Facts, Parts
from taosink.observe.waits import Waits
from taosink.preflight import Refused, needs_operator
from taosink.settings.hidden import secrets_in
from taosink.settings.redact import Redactor
from taosink.settings.shown import shown_settings
from taosink.workers import Workers

if TYPE_CHECKING:
    from taosink.status_listener import StatusListener


class Looked(Protocol):
    """A consumer, as far as it is looked at."""

    source: Source
    tracker: OffsetTracker
    queue: BatchQueue
    pool: WorkerPool
    dead_letters: KafkaDeadLetters
    counters: Counters
    meters: Meters
    waits: Waits
    workers: Workers
    reporter: Reporter
    letters: Happenings
    stopping: bool

    @property
    def replies(self) -> Answering | None: ...


def open_status(settings: ConsumerSettings) -> "StatusListener | None":
    """Binds the status listener's address, before anything else is begun. Raises Refused."""
    status = settings.status
    if not status.listen:
        return None
    # An HTTP server is not loaded for nothing.
    from taosink.serving.serve import CannotListenError  # noqa: PLC0415
    from taosink.status_listener import StatusListener  # noqa: PLC0415

    try:
        return StatusListener(status.listen, status.token.get_secret_value())
    except CannotListenError as error:
        raise Refused(f"status.listen: {error}") from error


def looker(consumer: Looked, settings: ConsumerSettings) -> Looker:
    queue = settings.queue
    parts = Parts(
        source=consumer.source,
        tracker=consumer.tracker,
        queue=consumer.queue,
        pool=consumer.pool,
        dead_letters=consumer.dead_letters,
        counters=consumer.counters,
        meters=consumer.meters,
        waits=consumer.waits,
        breakers=consumer.workers.breakers,
        reporter=consumer.reporter,
        letters=consumer.letters,
        known_tables=lambda: len(consumer.workers.known),
        needs_operator=needs_operator,
        stopping=lambda: consumer.stopping,
        replies=consumer.replies,
    )
    facts = Facts(
        member=wiring.member_name(),
        group=settings.group.name,
        topics=tuple(settings.group.topic),
        version=__version__,
        workers=queue.workers,
        budget=queue.memory,
        shares=divide(queue.memory, queue.workers),
        revoke_deadline=settings.stop.revoke,
        stats_interval=settings.stats.interval,
        settings=shown(settings),
        rule=Rule(no_progress=settings.status.no_progress),
    )
    return Looker(parts, facts)


def shown(settings: ConsumerSettings) -> Mapping[str, Any]:
    """Every setting by its name, without secrets."""
    hide = Redactor(secrets_in(settings))
    return shown_settings(settings) | {"taosuri": hide(taos_address(settings.taos).shown)}
