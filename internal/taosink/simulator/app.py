"""`taosink producer`: runs the fleet, and says whether everything arrived."""

import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import TextIO

import structlog

from taosdevice.framing import Framing
from taosink.kafka.advertised import refuse_unknown_names
from taosink.kafka.group_offsets import GroupOffsets
from taosink.kafka.publish import Publisher, PublishError
from taosink.kafka.topics import BrokerUnreachableError, TopicError, admin_client, ensure_topic
from taosink.ports import Driver
from taosink.records.record import Record, encode_json, encode_msgpack
from taosink.simulator.backlog import Backlog
from taosink.simulator.fleet import Fleet
from taosink.simulator.options import ProducerOptions, Summary
from taosink.simulator.production import Production
from taosink.simulator.progress import Shown, shown
from taosink.simulator.reset import ResetError, reset_supertable
from taosink.simulator.through import GatewayUnreachableError, Passage, ThroughOptions

log = structlog.get_logger(__name__)

ENCODE: Mapping[str, Callable[[Record], bytes]] = {"msgpack": encode_msgpack, "json": encode_json}
NEW_TOPIC_PARTITIONS = 10

EXIT_DELIVERED, EXIT_NOT_STARTED, EXIT_NOT_DELIVERED, EXIT_FATAL = 0, 1, 3, 4


@dataclass(frozen=True, slots=True)
class Stop:
    """`asked` ends producing; `abandon` ends waiting for acknowledgements too."""

    asked: threading.Event
    abandon: threading.Event


def run_producer(
    options: ProducerOptions, *, stop: threading.Event | None = None, out: TextIO | None = None
) -> int:
    """Blocks until the fleet has sent everything, or until SIGTERM or SIGINT, and flushes.

    Exit code: 0 every record that was produced is acknowledged; 1 it could not start; 3 some were not
    acknowledged; 4 the Kafka client failed. Without a `stop` it takes the signals: the main thread's then.
    """
    with ExitStack() as stack:
        stops = stack.enter_context(stop_signals()) if stop is None else Stop(stop, threading.Event())
        try:
            fleet = Fleet(options.fleet)
            if options.through is not None:
                if options.reset is not None and not stops.asked.is_set():
                    reset(options, fleet, options.reset())
                return pass_through(options, options.through, fleet, stop=stops, out=out or sys.stdout)
            partitions = find_partitions(options)
            publisher = Publisher(
                options.kafka_properties(), on_error=log_client_error, name="taosink-producer"
            )
            stack.callback(publisher.close, 0.0)
            # Last, since it cannot be taken back: a run that cannot start must not have dropped anything.
            if options.reset is not None and not stops.asked.is_set():
                reset(options, fleet, options.reset())
        except (TopicError, PublishError, ResetError, GatewayUnreachableError, ValueError) as error:
            log.error("producer.not_started", **why(error, options), meaning="nothing was produced")
            return EXIT_NOT_STARTED
        return produce(options, fleet, partitions, publisher, stop=stops, out=out or sys.stdout)


def why(error: Exception, options: ProducerOptions) -> dict[str, str]:
    if not isinstance(error, BrokerUnreachableError):
        return {"error": str(error)}
    if error.name == "_RESOLVE":
        return {"error": error.reason}
    return {
        "error": f"no broker answered within {options.connect_timeout:g} s at {options.brokers} ({error.reason})",
        "todo": "check kafka.brokers, that a broker listens there, and kafka.tls and kafka.sasl-enable",
    }


def reset(options: ProducerOptions, fleet: Fleet, driver: Driver) -> None:
    """Blocks for the database, and closes the driver; raises ResetError or ValueError."""
    try:
        reset_supertable(fleet, driver, database=options.database, supertable=options.supertable)
    finally:
        driver.close()
    log.warning("producer.supertable_reset", supertable=options.supertable, meaning="its data are gone")


def find_partitions(options: ProducerOptions) -> int:
    """How many partitions devices are divided among; the topic is made where it is missing.

    Raises TopicError, or ValueError where more are asked for than there are.
    """
    admin = admin_client(options.kafka_properties())
    refuse_unknown_names(admin, timeout=options.connect_timeout)
    wanted = options.partitions or NEW_TOPIC_PARTITIONS
    found = ensure_topic(admin, options.topic, wanted, timeout=options.connect_timeout)
    if options.partitions and options.partitions > found.partitions:
        raise ValueError(
            f"topic {options.topic!r} has {found.partitions} partitions: devices cannot be divided among "
            f"{options.partitions}; give fewer, or leave it out to take the topic's"
        )
    return options.partitions or found.partitions


def produce(
    options: ProducerOptions,
    fleet: Fleet,
    partitions: int,
    publisher: Publisher,
    *,
    stop: Stop,
    out: TextIO,
) -> int:
    started = time.monotonic()
    fatal: PublishError | None = None
    with ExitStack() as stack:
        stack.callback(publisher.close, 0.0)
        progress = stack.enter_context(shown(options.topic, fleet.total))
        backlog = group = None
        if options.wait_for_group:
            numbers, properties = range(partitions), options.kafka_properties()
            group = stack.enter_context(
                GroupOffsets(properties, options.wait_for_group, options.topic, numbers)
            )
            backlog = Backlog(options.max_backlog_bytes)
        production = Production(
            fleet,
            publisher,
            topic=options.topic,
            partitions=partitions,
            encode=ENCODE[options.codec],
            stop=stop.asked,
            rate=options.rate,
            duration=options.duration,
            backlog=backlog,
            group=group,
            tick=lambda: progress.update(production.counts.produced, publisher.delivered),
        )
        try:
            production.run()
        except PublishError as error:
            fatal = error
        flush(publisher, production, progress, stop=stop, deadline=options.stop_deadline)
    counts = production.counts
    summary = Summary(
        topic=options.topic,
        partitions=partitions,
        produced=counts.produced,
        delivered=publisher.delivered,
        failed=counts.produced - publisher.delivered,
        refused=counts.refused,
        poison=counts.poison,
        stopped=stop.asked.is_set(),
        seconds=round(time.monotonic() - started, 3),
        seed=options.fleet.seed,
        start_ns=options.fleet.start_ns,
    )
    say(summary, out)
    if fatal or publisher.fatal:
        return EXIT_FATAL
    return EXIT_DELIVERED if summary.everything_arrived else EXIT_NOT_DELIVERED


def pass_through(
    options: ProducerOptions, through: ThroughOptions, fleet: Fleet, *, stop: Stop, out: TextIO
) -> int:
    """The fleet through a gateway. Raises GatewayUnreachableError where none is there at the start."""
    started = time.monotonic()
    with shown(through.url, fleet.total) as progress:
        passage = Passage(
            fleet,
            through,
            framing=Framing.JSON_LINES if options.codec == "json" else Framing.MSGPACK,
            stop=stop.asked,
            abandon=stop.abandon,
            rate=options.rate,
            duration=options.duration,
            stop_deadline=options.stop_deadline,
            tick=lambda: progress.update(passage.counts.produced, passage.counts.delivered),
        )
        asyncio.run(passage.run(options.connect_timeout))
        counts = passage.counts
        progress.update(counts.produced, counts.delivered)
    summary = Summary(
        topic=through.url,
        partitions=0,
        produced=counts.produced,
        delivered=counts.delivered,
        failed=counts.produced - counts.delivered,
        refused=counts.refused,
        poison=0,
        stopped=stop.asked.is_set(),
        seconds=round(time.monotonic() - started, 3),
        seed=options.fleet.seed,
        start_ns=options.fleet.start_ns,
    )
    say(summary, out)
    return EXIT_DELIVERED if summary.everything_arrived else EXIT_NOT_DELIVERED


def flush(
    publisher: Publisher, production: Production, progress: Shown, *, stop: Stop, deadline: float
) -> None:
    """Waits until nothing is outstanding (the client itself gives a record up after its delivery timeout).

    From a stop on it waits for `deadline` seconds at most; a second signal ends it at once.
    """
    until: float | None = None
    while not stop.abandon.is_set() and publisher.fatal is None:
        left = publisher.flush(0.5)
        progress.update(production.counts.produced, publisher.delivered)
        if not left:
            return
        if until is None and stop.asked.is_set():
            until = time.monotonic() + deadline
        if until is not None and time.monotonic() >= until:
            return


def say(summary: Summary, out: TextIO) -> None:
    """The last line of standard output: one JSON object, also for programs."""
    told = asdict(summary)
    if summary.everything_arrived:
        log.info("producer.done", **told)
    else:
        log.error(
            "producer.not_delivered",
            **told,
            meaning="records without an acknowledgement may or may not be in the topic",
            todo="run again with the same seed and start: readings that arrive twice are stored once",
        )
    out.write(json.dumps(told) + "\n")
    out.flush()


def log_client_error(error: PublishError) -> None:
    if error.fatal:
        log.error("kafka.producer_fatal", error=str(error), todo="start the producer again")
    else:
        log.warning("kafka.producer_error", error=str(error), meaning="it goes on trying")


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """SIGTERM or SIGINT asks for a stop; a second one abandons. Puts back what was there before."""
    stop = Stop(threading.Event(), threading.Event())

    def note(_number: int, _frame: FrameType | None) -> None:
        (stop.abandon if stop.asked.is_set() else stop.asked).set()

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
